#pragma once
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/task.h"
#include "core/http/message.h"

namespace kiln::http {

/// A request that arrived in full and is well-formed: no handler sees half of one.
struct ServerRequest {
  std::string method;  ///< As sent, "GET"; any word.
  std::string path;    ///< "/readyz", as sent: not percent-decoded. "*" for OPTIONS *.
  std::string query;   ///< What follows the "?"; "" = nothing.
  Headers headers{};
  std::string body{};
  boost::asio::ip::address peer{};  ///< Who asks; an IPv4 one where IPv4 was spoken.

  ServerRequest() = default;  // Not an aggregate: may travel through co_await.
  /// Is there a parameter of this name, "verbose" in "?verbose" and in "?verbose=1"?
  bool has_parameter(std::string_view name) const;
};

/// What a handler answers. Content-Length, Connection and Date are the server's own fields; to a
/// HEAD it sends all but the body.
struct ServerResponse {
  int status;
  Headers headers{};
  std::string body;

  explicit ServerResponse(int code, std::string text = {},
                          std::string_view content_type = "text/plain; charset=utf-8");
};

/// Answers requests. One of a connection at a time; those of several connections overlap.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  /// An exception is logged and answered with 500; longer than ServerOptions::handler: 503.
  /// Cancellation: when the time is up, and at the end of the server's grace.
  [[nodiscard]] virtual Task<ServerResponse> handle(ServerRequest request) = 0;
};

/// Listens and serves HTTP/1.1.
/// Threads: the executor it was made with. Lifetime: outlives run().
class Server {
 public:
  virtual ~Server() = default;
  /// Serves until stop(): connections at rest end at once, requests under way are answered within
  /// ServerOptions::grace. Success after stop(); kCancelled when cancelled (then without grace).
  [[nodiscard]] virtual Task<Result<void>> run() = 0;
  virtual void stop() = 0;
  /// Where it really listens, "127.0.0.1:41234" or "[::]:8080"; known before run().
  virtual std::vector<std::string> addresses() const = 0;
};

/// Where to listen: "host:port", "[::1]:port", or ":port" for all addresses of IPv4 and IPv6. Port
/// 0 lets the system choose.
struct ListenAddress {
  std::string host;  ///< "" = all addresses. Without brackets.
  std::uint16_t port = 0;

  ListenAddress() = default;
  /// Errors: kInvalid, saying what to write.
  [[nodiscard]] static Result<ListenAddress> parse(std::string_view text);
  std::string str() const;
};

}  // namespace kiln::http
