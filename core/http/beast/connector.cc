#include "core/http/beast/connector.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/deadline.h"

namespace kiln::http {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// The least time one of several addresses gets, so that the last ones are not tried in vain.
constexpr milliseconds kLeastShare{2'000};

milliseconds left_until(Clock::time_point deadline) {
  return std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
}

/// "registry.example.com:443": with the port, always, because a firewall's owner needs it.
std::string peer_name(const Url& url) {
  return url.origin().substr(url.scheme().size() + 3);
}

}  // namespace

Connector::Connector(Executor executor, EgressPolicy egress, Pool::Limits limits,
                     std::size_t resolver_threads, std::string local_socket)
    : executor_(std::move(executor)),
      egress_(std::move(egress)),
      pool_(limits),
      resolver_(std::max<std::size_t>(resolver_threads, 1)),
      local_socket_(std::move(local_socket)) {}

Task<Result<Route>> Connector::route(
    const Request& request,  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
    bool fresh) {
  if (!local_socket_.empty()) co_return co_await local_route(request, fresh);
  const auto& url = request.url;
  const auto identity = url.is_https() ? tls_identity(request.tls.get()) : std::string();
  Route route;
  route.key = url.origin() + " " + identity;
  if (!fresh) route.connection = pool_.take(route.key);
  if (route.connection) {
    const auto endpoint = route.connection->endpoint();
    const auto kind = egress_.check(endpoint.address(), endpoint.port(), request.named_by);
    if (kind) {
      route.peer = *kind;
      route.reused = true;
      co_return route;
    }
    // Good for others, not for whoever named this URL; another address of the host may do.
    pool_.give(route.key, std::move(route.connection));
  }
  auto connected = co_await connect_to_any(request, route);
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

Task<Result<void>> Connector::connect_to_any(
    const Request& request,  // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
    Route& route) {          // NOLINT(cppcoreguidelines-avoid-reference-coroutine-parameters)
  const auto limit = request.timeouts.connect;
  const auto deadline = Clock::now() + limit;
  const auto peer = peer_name(request.url);
  auto addresses = co_await resolver_.resolve(request.url.host(), limit);
  if (!addresses) co_return std::move(addresses).error();

  Error last(Errc::kUnavailable, "cannot connect to " + peer + ": the name has no address");
  bool tried = false;
  for (std::size_t i = 0; i < addresses->size(); ++i) {
    const boost::asio::ip::tcp::endpoint endpoint((*addresses)[i], request.url.port());
    const auto kind = egress_.check(endpoint.address(), endpoint.port(), request.named_by);
    if (!kind) {
      if (!tried) last = Error(kind.error()).while_doing("cannot connect to " + peer);
      continue;
    }
    const auto left = left_until(deadline);
    if (left <= milliseconds(0)) co_return deadline_error("connecting to " + peer, limit);
    const auto others = static_cast<milliseconds::rep>(addresses->size() - i);
    const auto share = std::min(left, std::max(left / others, kLeastShare));
    auto connection = std::make_unique<Connection>(executor_, peer);
    auto connected = co_await connection->connect(endpoint, share);
    if (connected) {
      route.connection = std::move(connection);
      route.peer = *kind;
      co_return Result<void>();
    }
    tried = true;
    last = std::move(connected).error();
    if (last.code == Errc::kCancelled) break;
  }
  co_return last;
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
