#pragma once
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/base/error.h"
#include "core/http/message.h"

namespace kiln::http {

/// One HTTP/1.1 response out of bytes as they arrive, without any I/O: the caller reads into
/// `buffer` and calls again whenever "more" is answered. What is left in `buffer` at the end is not
/// this response's. Interim responses (1xx) are skipped, a limited number of them. Source: RFC
/// 9112. Errors of all calls: kInvalid (not HTTP, a header beyond 64 KiB).
class ResponseParser {
 public:
  static constexpr std::uint32_t kHeaderLimitBytes = 64 * 1024;
  /// A buffer as large as this holds every header and chunk line that is accepted.
  static constexpr std::size_t kBufferBytes = 3 * kHeaderLimitBytes;
  static constexpr int kMaxInterim = 16;

  /// `head_request`: the response has no body, whatever its header says.
  explicit ResponseParser(bool head_request);

  /// True once the header of the final response is complete.
  [[nodiscard]] Result<bool> parse_head(boost::beast::flat_buffer& buffer);
  /// Moves body bytes into `out`. 0: more bytes are needed, or is_done().
  [[nodiscard]] Result<std::size_t> parse_body(boost::beast::flat_buffer& buffer,
                                               std::span<char> out);
  /// The connection ended. Errors: kUnavailable when the response is not complete by that.
  [[nodiscard]] Result<void> end_of_stream();

  bool is_done() const { return parser_->is_done(); }
  /// "100 Continue" came.
  bool may_continue() const { return may_continue_; }
  /// After parse_head: may the connection carry another request once is_done()?
  bool keep_alive() const { return parser_->keep_alive() && !parser_->need_eof(); }
  int status() const { return static_cast<int>(parser_->get().result_int()); }
  Headers headers() const;
  std::optional<std::uint64_t> body_bytes_left() const;

 private:
  using Parser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;
  void start();

  bool head_request_;
  int interim_ = 0;
  bool may_continue_ = false;
  std::unique_ptr<Parser> parser_;  ///< By pointer: Beast's parsers do not move once begun.
};

}  // namespace kiln::http
