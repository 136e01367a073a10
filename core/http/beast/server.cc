#include "core/http/beast/server.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/errc.hpp>
#include <list>
#include <utility>
#include <vector>

#include "core/base/deadline.h"
#include "core/base/log.h"
#include "core/http/beast/server_session.h"

namespace kiln::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Acceptors = std::vector<tcp::acceptor>;

constexpr std::chrono::milliseconds kPauseWithoutDescriptors{100};

Error cannot_listen(const ListenAddress& address, const error_code& error) {
  return {Errc::kUnavailable, "cannot listen on " + address.str() + ": " + error.message()};
}

/// A machine without IPv6, or with it switched off.
bool is_no_such_family(const error_code& error) {
  namespace errc = boost::system::errc;
  return error == errc::address_family_not_supported || error == errc::address_not_available;
}

error_code listen_at(Acceptors& acceptors, const Executor& executor, const tcp::endpoint& endpoint,
                     bool both_families) {
  tcp::acceptor acceptor(executor);
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && endpoint.protocol() == tcp::v6())
    acceptor.set_option(asio::ip::v6_only(!both_families), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptors.push_back(std::move(acceptor));
  return error;
}

Result<Acceptors> listen_everywhere(const Executor& executor, const ListenAddress& address) {
  Acceptors acceptors;
  error_code error = listen_at(acceptors, executor, tcp::endpoint(tcp::v6(), address.port), true);
  if (is_no_such_family(error))
    error = listen_at(acceptors, executor, tcp::endpoint(tcp::v4(), address.port), false);
  if (error) return cannot_listen(address, error);
  return acceptors;
}

Result<Acceptors> listen_on(const Executor& executor, const ListenAddress& address) {
  if (address.host.empty()) return listen_everywhere(executor, address);
  error_code error;
  tcp::resolver resolver(executor);
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
  if (error) return cannot_listen(address, error);
  Acceptors acceptors;
  for (const auto& entry : found) {
    auto endpoint = entry.endpoint();
    // A name with several addresses gets one port on all of them.
    if (!acceptors.empty()) endpoint.port(acceptors.front().local_endpoint().port());
    error = listen_at(acceptors, executor, endpoint, false);
    if (error && !is_no_such_family(error)) return cannot_listen(address, error);
  }
  if (acceptors.empty()) return cannot_listen(address, error);
  return acceptors;
}

class BeastServer final : public Server {
 public:
  BeastServer(Executor executor, Acceptors acceptors, RequestHandler& handler,
              const ServerOptions& options)
      : handler_(handler),
        options_(options),
        acceptors_(std::move(acceptors)),
        changed_(std::move(executor)) {}

  Task<Result<void>> run() override;
  void stop() override;
  std::vector<std::string> addresses() const override;

 private:
  struct Connection {
    Connection(tcp::socket socket, const ServerOptions& options, RequestHandler& handler)
        : session(std::move(socket), options, handler) {}
    ServerSession session;
    asio::cancellation_signal cancel{};
  };
  using Connections = std::list<Connection>;

  Task<void> accept(tcp::acceptor* acceptor);
  void spawn_acceptor(tcp::acceptor& acceptor);
  void admit(tcp::socket socket);
  bool make_room();
  void stop_listening();
  Task<bool> wait_for_change(std::optional<std::chrono::milliseconds> limit);
  Task<void> end_connections(std::chrono::milliseconds grace);

  RequestHandler& handler_;
  ServerOptions options_;
  Acceptors acceptors_;
  Connections connections_;
  std::size_t accepting_ = 0;
  asio::steady_timer changed_;  ///< Cancelled whenever something has ended.
  bool stopping_ = false;
};

std::vector<std::string> BeastServer::addresses() const {
  std::vector<std::string> all;
  for (const auto& acceptor : acceptors_) {
    error_code error;
    const auto endpoint = acceptor.local_endpoint(error);
    if (error) continue;
    ListenAddress address;
    address.host = endpoint.address().to_string();
    address.port = endpoint.port();
    all.push_back(address.str());
  }
  return all;
}

Task<Result<void>> BeastServer::run() {
  for (auto& acceptor : acceptors_) spawn_acceptor(acceptor);
  bool cancelled = false;
  while (!stopping_ && !cancelled) cancelled = co_await wait_for_change(std::nullopt);
  // Cancelled or not, the end is orderly: the connections refer to this object.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  stop_listening();
  const auto grace = cancelled ? std::chrono::milliseconds(0) : options_.grace;
  co_await end_connections(grace);
  if (cancelled) co_return Error(Errc::kCancelled, "the server was cancelled");
  co_return Result<void>();
}

void BeastServer::stop() {
  stopping_ = true;
  stop_listening();
  changed_.cancel();
}

void BeastServer::stop_listening() {
  error_code ignored;
  for (auto& acceptor : acceptors_) acceptor.close(ignored);
}

/// Answers whether run() was cancelled.
Task<bool> BeastServer::wait_for_change(std::optional<std::chrono::milliseconds> limit) {
  if (limit)
    changed_.expires_after(*limit);
  else
    changed_.expires_at(asio::steady_timer::time_point::max());
  error_code ignored;
  co_await changed_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  const auto state = co_await asio::this_coro::cancellation_state;
  co_return state.cancelled() != asio::cancellation_type::none;
}

Task<void> BeastServer::end_connections(std::chrono::milliseconds grace) {
  using std::chrono::steady_clock;
  for (auto& connection : connections_) connection.session.drain();
  const auto end = steady_clock::now() + grace;
  while (!connections_.empty() && steady_clock::now() < end)
    co_await wait_for_change(
        std::chrono::ceil<std::chrono::milliseconds>(end - steady_clock::now()));
  for (auto& connection : connections_) {
    connection.session.cut();
    connection.cancel.emit(asio::cancellation_type::terminal);
  }
  while (!connections_.empty() || accepting_ > 0) co_await wait_for_change(std::nullopt);
}

void BeastServer::spawn_acceptor(tcp::acceptor& acceptor) {
  ++accepting_;
  auto ended = [this](const std::exception_ptr& failure) {
    --accepting_;
    if (failure) log::error("a server no longer takes connections");
    changed_.cancel();
  };
  asio::co_spawn(changed_.get_executor(), accept(&acceptor), std::move(ended));
}

Task<void> BeastServer::accept(tcp::acceptor* acceptor) {
  while (!stopping_ && acceptor->is_open()) {
    error_code error;
    auto socket = co_await acceptor->async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      admit(std::move(socket));
    } else if (acceptor->is_open() && error != asio::error::connection_aborted) {
      // Descriptors or memory have run out: connections wait in the kernel meanwhile.
      log::warning("cannot accept a connection", {{"error", error.message()}});
      [[maybe_unused]] const auto waited = co_await sleep_for(kPauseWithoutDescriptors);
    }
  }
}

void BeastServer::admit(tcp::socket socket) {
  if (connections_.size() >= options_.max_connections && !make_room()) {
    constexpr std::string_view kFull =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(kFull), ignored);
    return;
  }
  const auto place =
      connections_.emplace(connections_.end(), std::move(socket), options_, handler_);
  auto ended = [this, place](const std::exception_ptr&) {  // What is cancelled ends by exception.
    connections_.erase(place);
    changed_.cancel();
  };
  asio::co_spawn(changed_.get_executor(), place->session.run(),
                 asio::bind_cancellation_slot(place->cancel.slot(), std::move(ended)));
}

/// Ends the connection that has rested longest; false if none rests.
bool BeastServer::make_room() {
  ServerSession* longest = nullptr;
  for (auto& connection : connections_) {
    const auto since = connection.session.resting_since();
    if (since && (longest == nullptr || *since < *longest->resting_since()))
      longest = &connection.session;
  }
  if (longest == nullptr) return false;
  longest->drain();
  return true;
}

}  // namespace

Result<std::unique_ptr<Server>> make_server(Executor executor, const ListenAddress& address,
                                            RequestHandler& handler, ServerOptions options) {
  auto acceptors = listen_on(executor, address);
  if (!acceptors) return std::move(acceptors).error();
  std::unique_ptr<Server> server =
      std::make_unique<BeastServer>(std::move(executor), std::move(*acceptors), handler, options);
  return server;
}

}  // namespace kiln::http
