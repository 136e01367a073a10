#pragma once
#include <memory>
#include <span>

#include "core/base/task.h"
#include "core/http/message.h"

namespace kiln::http {

/// A response whose body is still arriving. Destroying it early closes the connection.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;
  virtual const ResponseHead& head() const = 0;
  /// The next bytes, as soon as there are any; 0 = the body's end, reached in full.
  /// Errors: kUnavailable (cut short), kTimeout (no progress within Timeouts::idle).
  /// Lifetime: `buffer` must outlive the task.
  [[nodiscard]] virtual Task<Result<std::size_t>> read(std::span<char> buffer) = 0;
};

/// The one door to the network. Everything above speaks Request and Response, so Boost.Beast is
/// named in core/http/beast and nowhere else.
///
/// Any status code is a success here. Errors of both calls:
///   kUnavailable   no connection, cut, refused, name not found, TLS not acceptable.
///   kTimeout       one of Request::timeouts passed.
///   kEgressDenied  the policy forbids the address the name resolved to; nothing was sent.
///   kDenied        a proxy on the way does not let us through.
///   kInvalid       the response is larger than Request::response_limit_bytes (send only), or not
///   HTTP.
///   what Request::permit says.
/// Cancellation: at any point; the connection is closed, not reused.
/// Threads: from the I/O executor the client was made with.
class Client {
 public:
  virtual ~Client() = default;
  /// Sends and collects the whole body.
  [[nodiscard]] virtual Task<Result<Response>> send(Request request) = 0;
  /// Sends and answers as soon as the header is there.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<ResponseStream>>> open(Request request) = 0;
};

}  // namespace kiln::http
