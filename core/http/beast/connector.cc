#include "core/http/beast/connector.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/deadline.h"
#include "core/http/beast/client.h"
#include "core/http/beast/exchange.h"

namespace kiln::http {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

milliseconds left_until(Clock::time_point deadline) {
  return std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
}

/// "registry.example.com:443": with the port, always, because a firewall's owner needs it.
std::string peer_name(const Url& url) {
  return url.origin().substr(url.scheme().size() + 3);
}

}  // namespace

Connector::Connector(Executor executor, const ClientOptions& options, std::string local_socket)
    : executor_(std::move(executor)),
      egress_(options.egress),
      proxies_(options.proxies),
      user_agent_(options.user_agent),
      detour_(options.detour),
      pool_(Pool::Limits{options.max_idle_per_host, options.idle_limit, options.age_limit}),
      resolver_(std::max<std::size_t>(options.resolver_threads, 1), options.lookup),
      local_socket_(std::move(local_socket)) {}

Result<AddressKind> Connector::judge(const Request& request, const Proxy* proxy,
                                     const Connection& connection) const {
  if (proxy) return egress_.check_name(request.url.host(), request.url.port(), request.named_by);
  const auto endpoint = connection.endpoint();
  return egress_.check(endpoint.address(), endpoint.port(), request.named_by);
}

Task<Result<Route>> Connector::route(
    const Request& request,  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
    bool fresh) {
  if (!local_socket_.empty()) co_return co_await local_route(request, fresh);
  const auto& url = request.url;
  const auto* proxy = proxies_.proxy_for(url);
  const auto identity = url.is_https() ? tls_identity(request.tls.get()) : std::string();
  Route route;
  route.key = (proxy ? proxy->url.origin() + " " : "") + url.origin() + " " + identity;
  if (!fresh) route.connection = pool_.take(route.key);
  if (route.connection) {
    const auto kind = judge(request, proxy, *route.connection);
    if (kind) {
      route.peer = *kind;
      route.reused = true;
      co_return route;
    }
    // Good for others, not for whoever named this URL; another address of the host may do.
    pool_.give(route.key, std::move(route.connection));
  }
  Result<void> connected;
  if (proxy)
    connected = co_await connect_through(request, *proxy, route);
  else
    connected = co_await connect_directly(request, route);
  if (!connected) co_return std::move(connected).error();
  if (url.is_https()) {
    auto secured = co_await start_tls(request, identity, *route.connection);
    if (!secured) co_return std::move(secured).error();
  }
  co_return route;
}

Task<Result<Route>> Connector::local_route(
    const Request& request,  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
    bool fresh) {
  Route route;
  route.key = local_socket_;
  route.peer = AddressKind::kLoopback;
  if (request.url.is_https())
    co_return Error(Errc::kInvalid,
                    "on the socket " + local_socket_ + " http is spoken, not https");
  if (!fresh) route.connection = pool_.take(route.key);
  route.reused = route.connection != nullptr;
  if (route.reused) co_return route;
  route.connection = std::make_unique<Connection>(executor_, local_socket_);
  auto connected =
      co_await route.connection->connect_local(local_socket_, request.timeouts.connect);
  if (!connected) co_return std::move(connected).error();
  co_return route;
}

Task<Result<void>> Connector::connect_directly(
    const Request& request,  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Route& route) {          // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  const auto limit = request.timeouts.connect;
  const auto deadline = Clock::now() + limit;
  const auto peer = peer_name(request.url);
  const auto addresses = co_await resolver_.resolve(request.url.host(), limit);
  if (!addresses) co_return addresses.error();

  Error refusal(Errc::kUnavailable, "cannot connect to " + peer + ": the name has no address");
  std::vector<Candidate> candidates;
  for (const auto& address : *addresses) {
    const auto kind = egress_.check(address, request.url.port(), request.named_by);
    if (kind)
      candidates.push_back(Candidate{{address, request.url.port()}, *kind});
    else
      refusal = Error(kind.error()).while_doing("cannot connect to " + peer);
  }
  if (candidates.empty()) co_return refusal;
  const auto left = left_until(deadline);
  if (left <= milliseconds(0)) co_return deadline_error("connecting to " + peer, limit);
  auto dialed = co_await dial(executor_, peer, std::move(candidates), left, detour_);
  if (!dialed) co_return std::move(dialed).error();
  route.connection = std::move(dialed->connection);
  route.peer = dialed->kind;
  co_return Result<void>();
}

Task<Result<void>> Connector::connect_through(
    const Request& request,  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
    const Proxy& proxy,      // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Route& route) {          // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  const auto& url = request.url;
  const auto kind = egress_.check_name(url.host(), url.port(), request.named_by);
  if (!kind) co_return Error(kind.error()).while_doing("cannot connect to " + peer_name(url));
  route.peer = *kind;

  const auto limit = request.timeouts.connect;
  const auto deadline = Clock::now() + limit;
  const auto name = "the proxy " + peer_name(proxy.url);
  const auto addresses = co_await resolver_.resolve(proxy.url.host(), limit);
  if (!addresses) co_return Error(addresses.error()).while_doing(name);
  std::vector<Candidate> candidates;
  for (const auto& address : *addresses)
    candidates.push_back(Candidate{{address, proxy.url.port()}, *kind});
  if (candidates.empty()) co_return Error(Errc::kUnavailable, name + " has no address");
  const auto left = std::max(left_until(deadline), milliseconds(1));
  auto dialed = co_await dial(executor_, name, std::move(candidates), left, detour_);
  if (!dialed) co_return std::move(dialed).error();
  route.connection = std::move(dialed->connection);
  auto& connection = *route.connection;
  if (url.is_https()) {
    KILN_CO_TRY(co_await open_tunnel(connection, url, proxy.authorization, user_agent_, limit));
  } else {
    connection.forward_through_proxy(proxy.authorization);
  }
  connection.set_peer(peer_name(url) + " (through " + name + ")");
  co_return Result<void>();
}

Task<Result<void>> Connector::start_tls(
    const Request& request,  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
    std::string identity,
    Connection& connection) {  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  const auto* options = request.tls.get();
  auto context = contexts_.get(identity, options);
  if (!context)
    co_return std::move(context).error().while_doing("cannot connect to " + connection.peer());
  const bool named = options != nullptr && !options->server_name.empty();
  const bool verify = options == nullptr || !options->insecure_skip_verify;
  co_return co_await connection.start_tls(*context,
                                          named ? options->server_name : request.url.host(), verify,
                                          request.timeouts.handshake);
}

}  // namespace kiln::http
