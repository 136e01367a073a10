#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/task.h"
#include "core/http/beast/server.h"

namespace kiln::http {

/// One connection of a server: requests in, answers out, in order, one at a time.
///
/// Source: RFC 9112. Refuses what two readers could understand differently: no or two Host fields,
/// Content-Length beside Transfer-Encoding. Lifetime: options and handler outlive run().
class ServerSession {
 public:
  using Clock = std::chrono::steady_clock;

  ServerSession(boost::asio::ip::tcp::socket socket, const ServerOptions& options,
                RequestHandler& handler);
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  /// Until either side ends the connection. Cancellation: by exception, at any point.
  Task<void> run();
  /// No further request: ends at once if it waits for one, else with the answer to the one under
  /// way.
  void drain();
  /// Ends at once.
  void cut();
  /// Since when it has waited for the header of a request; nullopt = it is at work on one.
  std::optional<Clock::time_point> resting_since() const { return resting_since_; }

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  Task<bool> wait_for_request(bool first);
  Task<std::optional<int>> read_request(Parser& parser);
  Task<boost::system::error_code> read_body(Parser& parser);
  Task<ServerResponse> ask_handler(ServerRequest request);
  Task<bool> write(ServerResponse response, bool head, bool keep);
  Task<void> refuse(int status);
  ServerRequest request_of(Parser& parser) const;

  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  const ServerOptions& options_;
  RequestHandler& handler_;
  boost::asio::ip::address peer_;
  std::optional<Clock::time_point> resting_since_;
  bool draining_ = false;
};

/// An answer as it goes over the wire, up to and with the empty line.
std::string response_header(const ServerResponse& response, bool keep,
                            std::chrono::sys_seconds now);

}  // namespace kiln::http
