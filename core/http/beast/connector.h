#pragma once
#include <memory>
#include <string>

#include "core/http/beast/connection.h"
#include "core/http/beast/pool.h"
#include "core/http/beast/resolver.h"
#include "core/http/beast/tls.h"
#include "core/http/client.h"
#include "core/http/egress_policy.h"

namespace kiln::http {

/// A connection fit for a request, where it came from and where it goes.
struct Route {
  std::unique_ptr<Connection> connection;
  std::string key;  ///< For Pool::give.
  AddressKind peer = AddressKind::kPublic;
  bool reused = false;
  Route() = default;  // Not an aggregate: may travel through co_await.
};

/// Finds a kept-alive connection or makes a new one: name, egress policy, TCP to each address in
/// turn, TLS. The policy is asked about the very address that the socket goes to. Where there is a
/// Unix-domain socket to use, all that is left out.
class Connector {
 public:
  /// `local_socket`: the path of a Unix-domain socket that all requests go to; "" = TCP.
  Connector(Executor executor, EgressPolicy egress, Pool::Limits limits,
            std::size_t resolver_threads, std::string local_socket);

  /// Errors: as Client. Lifetime: `request` outlives the task.
  [[nodiscard]] Task<Result<Route>> route(const Request& request, bool fresh);
  void give_back(const std::string& key, std::unique_ptr<Connection> connection) {
    pool_.give(key, std::move(connection));
  }

 private:
  using Address = boost::asio::ip::address;
  [[nodiscard]] Task<Result<Route>> local_route(const Request& request, bool fresh);
  [[nodiscard]] Task<Result<void>> connect_to_any(const Request& request, Route& route);
  [[nodiscard]] Task<Result<void>> start_tls(const Request& request, std::string identity,
                                             Connection& connection);

  Executor executor_;
  EgressPolicy egress_;
  Pool pool_;
  Resolver resolver_;
  TlsContexts contexts_;
  std::string local_socket_;
};

}  // namespace kiln::http
