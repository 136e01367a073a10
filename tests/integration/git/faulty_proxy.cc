#include "tests/integration/git/faulty_proxy.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <limits>

namespace kiln::source {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

tcp::endpoint loopback(std::uint16_t port) {
  return {asio::ip::address_v4::loopback(), port};
}

void close_both(tcp::socket& one, tcp::socket& other) {
  boost::system::error_code ignored;
  for (auto* socket : {&one, &other}) socket->shutdown(tcp::socket::shutdown_both, ignored);
}

}  // namespace

FaultyProxy::FaultyProxy(std::uint16_t server)
    : server_(server),
      acceptor_(context_, loopback(0)),
      port_(acceptor_.local_endpoint().port()),
      left_(kNever),
      accepting_([this] { accept(); }) {}

FaultyProxy::~FaultyProxy() {
  ::shutdown(acceptor_.native_handle(), SHUT_RDWR);  // Ends the blocking accept().
  accepting_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
  for (const int fd : open_) ::close(fd);
}

void FaultyProxy::fail_after(std::int64_t bytes, Fault fault) {
  fault_ = fault;
  failed_ = false;
  left_ = bytes;
}

void FaultyProxy::behave() {
  left_ = kNever;
}

void FaultyProxy::keep(int fd) {
  const std::lock_guard lock(mutex_);
  open_.push_back(::dup(fd));
}

void FaultyProxy::accept() {
  for (;;) {
    boost::system::error_code error;
    Socket client(context_);
    acceptor_.accept(client, error);
    if (error) return;
    keep(client.native_handle());
    threads_.emplace_back(
        [this, socket = std::move(client)]() mutable { serve(std::move(socket)); });
  }
}

void FaultyProxy::serve(Socket client) {
  Socket server(context_);
  boost::system::error_code error;
  server.connect(loopback(server_), error);
  if (error) return;
  keep(server.native_handle());
  std::thread requests([&] { pass_requests(client, server); });
  if (pass_answers(server, client)) close_both(client, server);
  requests.join();
  close_both(client, server);
}

void FaultyProxy::pass_requests(Socket& client, Socket& server) {
  std::array<char, 16 * 1024> block;
  boost::system::error_code error;
  for (;;) {
    const auto got = client.read_some(asio::buffer(block), error);
    if (error) break;
    asio::write(server, asio::buffer(block.data(), got), error);
    if (error) break;
  }
  server.shutdown(tcp::socket::shutdown_send, error);
}

/// False: it stalls, and so everything has to stay as it is until the client goes.
bool FaultyProxy::pass_answers(Socket& server, Socket& client) {
  std::array<char, 16 * 1024> block;
  boost::system::error_code error;
  for (;;) {
    const auto got = server.read_some(asio::buffer(block), error);
    if (error) return true;
    const auto bytes = static_cast<std::int64_t>(got);
    const auto may = std::clamp<std::int64_t>(left_, 0, bytes);
    if (left_ != kNever) left_ -= bytes;
    asio::write(client, asio::buffer(block.data(), static_cast<std::size_t>(may)), error);
    passed_ += may;
    if (may == bytes && !error) continue;
    if (may < bytes) failed_ = true;
    return fault_ != Fault::kStall;
  }
}

}  // namespace kiln::source
