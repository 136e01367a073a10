#pragma once
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/task.h"
#include "core/http/client.h"
#include "core/http/egress_policy.h"
#include "core/http/proxy.h"

namespace kiln::http {

/// "kiln/" and the version.
std::string default_user_agent();

/// How the real client behaves; the defaults suit everybody but tests.
struct ClientOptions {
  EgressPolicy egress{};
  ProxyRules proxies{};  ///< From the environment, if that is wanted: ProxyRules says how.
  std::string user_agent = default_user_agent();  ///< Unless the request has one.
  std::size_t max_idle_per_host = 8;
  std::chrono::milliseconds idle_limit{
      60'000};  ///< A kept-alive connection unused for longer is closed.
  std::chrono::milliseconds age_limit{300'000};  ///< One older than this is not used again.
  std::size_t resolver_threads = 4;              ///< Name lookups that may hang at the same time.
  /// For tests: the addresses of a name, on a thread of its own; and where a connection really
  /// goes, after the egress policy was asked about where it should go.
  std::function<Result<std::vector<boost::asio::ip::address>>(const std::string&)> lookup{};
  std::function<boost::asio::ip::tcp::endpoint(boost::asio::ip::tcp::endpoint)> detour{};
};

/// An HTTP/1.1 client on real sockets: keep-alive pool, TLS 1.2 or newer, redirects, egress policy.
///
/// What Client promises, and:
///   A kept-alive connection that dies before the first byte of an answer is replaced once,
///   silently, if the request may be sent twice (every method but POST and PATCH; those with
///   Request::replayable).
///   A body above 1 MiB waits for "100 Continue" (Timeouts::leave) so that a server that does not
///   want it can say so first; a server that says nothing to that is not asked again.
///   An answer that comes while the body is still being sent ends the sending.
///   kDenied when a proxy refuses to pass a request on.
///   kInvalid also for TlsOptions that are no PEM and for redirects that are refused.
///   The fields Host, Content-Length, Transfer-Encoding and Connection are the client's own.
///
/// Threads: `executor` must be single-threaded or a strand, and tasks must run on it.
/// Lifetime: the client outlives its tasks and streams, and ends before the executor's context; its
/// end closes idle connections and waits for name lookups under way (seconds, at worst).
[[nodiscard]] std::unique_ptr<Client> make_client(Executor executor, ClientOptions options);

/// The same client on a Unix-domain socket, as Docker's daemon has one: whatever host a URL names
/// (it is sent as Host, and that is all), the request goes to `socket`, in plain http. The egress
/// policy has no say in it. Errors: kUnavailable also where there is no such socket or no right to
/// use it, kInvalid also for https and a path of more than 107 bytes.
[[nodiscard]] std::unique_ptr<Client> make_local_client(Executor executor,
                                                        std::filesystem::path socket,
                                                        ClientOptions options = {});

}  // namespace kiln::http
