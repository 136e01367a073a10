#pragma once
#include <string>

#include "core/base/error.h"
#include "core/base/task.h"
#include "core/http/beast/connection.h"
#include "core/http/beast/response_parser.h"
#include "core/http/client.h"

namespace kiln::http {

/// Whether a large body waits for "100 Continue" before it goes. Source: RFC 9110, 10.1.1.
enum class LargeBody { kAsksFirst, kGoesAtOnce };

/// What exchange() leaves behind. `complete`: the request went out in full; if not, the connection
/// is of no use for another one. `went_unasked`: the server had nothing to say to "Expect".
struct Sent {
  bool complete = true;
  bool went_unasked = false;
  Sent() = default;  // Not an aggregate: may travel through co_await.
};

/// Sends `request` and reads the header of its answer into `parser`.
/// Errors: as Client; kUnavailable with nothing received may mean a connection that had died
/// before. Lifetime: everything referred to outlives the task.
[[nodiscard]] Task<Result<Sent>> exchange(Connection& connection, const Request& request,
                                          const std::string& user_agent, LargeBody large,
                                          ResponseParser& parser);

/// Has a proxy open a tunnel to the URL's host and port. Source: RFC 9110, 9.3.6.
/// Errors: kDenied (403, 407), kUnavailable, kTimeout, kInvalid, naming the proxy.
/// Lifetime: everything referred to outlives the task.
[[nodiscard]] Task<Result<void>> open_tunnel(Connection& connection, const Url& target,
                                             const std::string& authorization,
                                             const std::string& user_agent,
                                             std::chrono::milliseconds limit);

/// Reads body bytes into `out`; 0 = the body's end. Errors: kUnavailable, kTimeout, kInvalid.
[[nodiscard]] Task<Result<std::size_t>> read_body(Connection& connection, ResponseParser& parser,
                                                  std::span<char> out,
                                                  std::chrono::milliseconds idle);

}  // namespace kiln::http
