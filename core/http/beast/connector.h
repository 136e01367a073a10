#pragma once
#include <memory>
#include <string>

#include "core/http/beast/connection.h"
#include "core/http/beast/dial.h"
#include "core/http/beast/pool.h"
#include "core/http/beast/resolver.h"
#include "core/http/beast/tls.h"
#include "core/http/client.h"
#include "core/http/egress_policy.h"
#include "core/http/proxy.h"

namespace kiln::http {

struct ClientOptions;

/// A connection fit for a request, where it came from and where it goes.
struct Route {
  std::unique_ptr<Connection> connection;
  std::string key;  ///< For Pool::give.
  AddressKind peer = AddressKind::kPublic;
  bool reused = false;
  Route() = default;  // Not an aggregate: may travel through co_await.
};

/// Finds a kept-alive connection or makes a new one: name, egress policy, TCP, TLS. The policy is
/// asked about the very address that the socket goes to. Through a proxy, which looks names up
/// itself, it is asked about the name; the proxy's own address is the operator's word and is not
/// judged. Where there is a Unix-domain socket to use, all that is left out.
class Connector {
 public:
  /// `local_socket`: the path of a Unix-domain socket that all requests go to; "" = TCP.
  Connector(Executor executor, const ClientOptions& options, std::string local_socket);

  /// Errors: as Client. Lifetime: `request` outlives the task.
  [[nodiscard]] Task<Result<Route>> route(const Request& request, bool fresh);
  void give_back(const std::string& key, std::unique_ptr<Connection> connection) {
    pool_.give(key, std::move(connection));
  }
  void forget(const std::string& key) { pool_.forget(key); }

 private:
  [[nodiscard]] Task<Result<Route>> local_route(const Request& request, bool fresh);
  [[nodiscard]] Result<AddressKind> judge(const Request& request, const Proxy* proxy,
                                          const Connection& connection) const;
  [[nodiscard]] Task<Result<void>> connect_directly(const Request& request, Route& route);
  [[nodiscard]] Task<Result<void>> connect_through(const Request& request, const Proxy& proxy,
                                                   Route& route);
  [[nodiscard]] Task<Result<void>> start_tls(const Request& request, std::string identity,
                                             Connection& connection);

  Executor executor_;
  EgressPolicy egress_;
  ProxyRules proxies_;
  std::string user_agent_;
  Detour detour_;
  Pool pool_;
  Resolver resolver_;
  TlsContexts contexts_;
  std::string local_socket_;
};

}  // namespace kiln::http
