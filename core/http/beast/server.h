#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/base/task.h"
#include "core/http/server.h"

namespace kiln::http {

/// What a server lets others do to it; the defaults suit a port that everybody may reach.
struct ServerOptions {
  std::uint32_t header_limit_bytes = 16 * 1024;  ///< Request line and fields; 431 beyond it.
  std::uint64_t body_limit_bytes = 1024 * 1024;  ///< 413 beyond it.
  /// At the limit the connection that has waited longest for a request's header makes room, so
  /// that idle and slow clients lock nobody out; if all are at work the new one is answered 503.
  std::size_t max_connections = 128;
  /// From a request's first byte to the end of its header, in all; on a new connection also until
  /// that first byte.
  std::chrono::milliseconds header{10'000};
  std::chrono::milliseconds body{30'000};  ///< For the whole body.
  std::chrono::milliseconds idle{60'000};  ///< Between two requests.
  std::chrono::milliseconds handler{30'000};
  std::chrono::milliseconds write{30'000};  ///< For the whole answer.
  std::chrono::milliseconds grace{5'000};   ///< After stop().
  ServerOptions() = default;
};

/// A server of plain HTTP/1.1 (and 1.0): keep-alive, pipelining, chunked bodies, 100-continue.
/// Listens from here on; connections wait until run(). A host name is resolved here, blocking.
///
/// Errors: kUnavailable, naming the address and what is wrong with it.
/// Threads: `executor` must be single-threaded or a strand, and run() must be on it.
/// Lifetime: `handler` outlives the server, the server ends before the executor's context.
[[nodiscard]] Result<std::unique_ptr<Server>> make_server(Executor executor,
                                                          const ListenAddress& address,
                                                          RequestHandler& handler,
                                                          ServerOptions options = {});

}  // namespace kiln::http
