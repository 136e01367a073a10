#include "core/http/beast/response_parser.h"

#include <boost/beast/http/error.hpp>

#include "core/base/redact.h"

namespace kiln::http {
namespace {

namespace beast = boost::beast;

Error not_http(const boost::system::error_code& error) {
  if (error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow)
    return {Errc::kInvalid, "the response's header is larger than 64 KiB"};
  return {Errc::kInvalid, "the answer is not HTTP: " + error.message()};
}

Error need_more_but_full() {
  return {Errc::kInvalid, "the response has a header or chunk line larger than 64 KiB"};
}

bool is_full(const beast::flat_buffer& buffer) {
  return buffer.size() >= ResponseParser::kBufferBytes;
}

}  // namespace

ResponseParser::ResponseParser(bool head_request) : head_request_(head_request) {
  start();
}

void ResponseParser::start() {
  parser_ = std::make_unique<Parser>();
  parser_->header_limit(kHeaderLimitBytes);
  parser_->body_limit(boost::none);
  parser_->skip(head_request_);
}

Result<bool> ResponseParser::parse_head(beast::flat_buffer& buffer) {
  for (;;) {
    boost::system::error_code error;
    buffer.consume(parser_->put(buffer.data(), error));
    if (error == beast::http::error::need_more) {
      if (is_full(buffer)) return need_more_but_full();
      return false;
    }
    if (error) return not_http(error);
    if (!parser_->is_header_done()) return false;
    if (status() == 101) return Error(Errc::kInvalid, "the server switched protocols unasked");
    if (status() >= 200) {
      parser_->eager(true);
      return true;
    }
    // Beast takes 100 for a whole message; registries do send it unasked.
    if (++interim_ > kMaxInterim)
      return Error(Errc::kInvalid, "the server sent more than " + std::to_string(kMaxInterim) +
                                       " interim (1xx) responses");
    may_continue_ = may_continue_ || status() == 100;
    start();
  }
}

Result<std::size_t> ResponseParser::parse_body(beast::flat_buffer& buffer, std::span<char> out) {
  auto& body = parser_->get().body();
  body.data = out.data();
  body.size = out.size();
  body.more = true;
  while (!parser_->is_done() && buffer.size() > 0) {
    boost::system::error_code error;
    const auto used = parser_->put(buffer.data(), error);
    buffer.consume(used);
    if (error == beast::http::error::need_buffer) break;
    if (error == beast::http::error::need_more) {
      if (is_full(buffer)) return need_more_but_full();
      break;
    }
    if (error) return not_http(error);
    if (used == 0) break;
  }
  return out.size() - body.size;
}

Result<void> ResponseParser::end_of_stream() {
  if (parser_->is_done()) return {};
  boost::system::error_code error = beast::http::error::partial_message;
  if (parser_->got_some()) parser_->put_eof(error);
  if (error) return Error(Errc::kUnavailable, "the response was cut short");
  return {};
}

Headers ResponseParser::headers() const {
  Headers headers;
  for (const auto& field : parser_->get())
    headers.add({field.name_string().data(), field.name_string().size()},
                {field.value().data(), field.value().size()});
  return headers;
}

std::optional<std::uint64_t> ResponseParser::body_bytes_left() const {
  if (parser_->is_done()) return 0;
  const auto left = parser_->content_length_remaining();
  return left ? std::optional<std::uint64_t>(*left) : std::nullopt;
}

}  // namespace kiln::http
