#pragma once
#include <string>

#include "core/base/error.h"
#include "core/base/task.h"
#include "core/http/beast/connection.h"
#include "core/http/beast/response_parser.h"
#include "core/http/client.h"

namespace kiln::http {

/// The request line and header fields as they go over the wire. Source: RFC 9112.
std::string request_header(const Request& request, const std::string& user_agent);

/// What exchange() leaves behind. `complete`: the request went out in full; if not, the connection
/// is of no use for another one.
struct Sent {
  bool complete = true;
  Sent() = default;  // Not an aggregate: may travel through co_await.
};

/// Sends `request` and reads the header of its answer into `parser`.
/// Errors: as Client; kUnavailable with nothing received may mean a connection that had died
/// before. Lifetime: everything referred to outlives the task.
[[nodiscard]] Task<Result<Sent>> exchange(Connection& connection, const Request& request,
                                          const std::string& user_agent, ResponseParser& parser);

/// Reads body bytes into `out`; 0 = the body's end. Errors: kUnavailable, kTimeout, kInvalid.
[[nodiscard]] Task<Result<std::size_t>> read_body(Connection& connection, ResponseParser& parser,
                                                  std::span<char> out,
                                                  std::chrono::milliseconds idle);

}  // namespace kiln::http
