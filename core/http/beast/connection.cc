#include "core/http/beast/connection.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <tuple>
#include <utility>

#include "core/http/beast/io_words.h"
#include "core/http/beast/response_parser.h"
#include "core/http/beast/tls.h"

namespace kiln::http {
namespace {

namespace asio = boost::asio;
using asio::redirect_error;
using asio::use_awaitable;

constexpr std::size_t kReadBytes = 64 * 1024;

void set_tcp_option(int fd, int option, int value) {
  // Best effort: a kernel without the option still works, only slower to notice a dead peer.
  (void)setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
}

}  // namespace

Connection::Connection(const Executor& executor, std::string peer)
    : peer_(std::move(peer)), stream_(executor), buffer_(ResponseParser::kBufferBytes) {}

void Connection::tune() {
  auto& socket = stream_.socket();
  boost::system::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const int fd = socket.native_handle();
  set_tcp_option(fd, TCP_KEEPIDLE, 30);
  set_tcp_option(fd, TCP_KEEPINTVL, 10);
  set_tcp_option(fd, TCP_KEEPCNT, 3);
  set_tcp_option(fd, TCP_USER_TIMEOUT, 60'000);
}

Task<Result<void>> Connection::connect(asio::ip::tcp::endpoint endpoint,
                                       asio::ip::tcp::endpoint real,
                                       std::chrono::milliseconds limit) {
  boost::system::error_code error;
  stream_.expires_after(limit);
  const Stream::endpoint_type where(real);
  co_await stream_.async_connect(where, redirect_error(use_awaitable, error));
  if (error)
    co_return io_error(error, "connecting to " + peer_, "cannot connect to " + peer_, limit);
  endpoint_ = endpoint;
  tune();
  co_return Result<void>();
}

Task<Result<void>> Connection::connect_local(std::string path, std::chrono::milliseconds limit) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    co_return Error(Errc::kInvalid, "the path of the socket " + path + " is longer than " +
                                        std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                                        " bytes, more than a socket's address can hold");
  boost::system::error_code error;
  stream_.expires_after(limit);
  const Stream::endpoint_type where(asio::local::stream_protocol::endpoint{path});
  co_await stream_.async_connect(where, redirect_error(use_awaitable, error));
  if (error)
    co_return io_error(error, "connecting to " + peer_, "cannot connect to " + peer_, limit);
  co_return Result<void>();
}

Task<Result<void>> Connection::start_tls(std::shared_ptr<asio::ssl::context> context,
                                         std::string host, bool verify,
                                         std::chrono::milliseconds limit) {
  context_ = std::move(context);
  tls_.emplace(stream_, *context_);
  KILN_CO_TRY(expect_host(tls_->native_handle(), host, verify));
  tls_->set_verify_mode(verify ? asio::ssl::verify_peer : asio::ssl::verify_none);
  if (verify) {
    tls_->set_verify_callback([this, host](bool good, asio::ssl::verify_context& chain) {
      if (!good && distrust_.empty()) distrust_ = why_not_trusted(chain, host);
      return good;
    });
  }
  boost::system::error_code error;
  stream_.expires_after(limit);
  co_await tls_->async_handshake(asio::ssl::stream_base::client,
                                 redirect_error(use_awaitable, error));
  if (error && !distrust_.empty())
    co_return Error(Errc::kUnavailable, "cannot connect to " + peer_ + ": " + distrust_);
  if (error)
    co_return io_error(error, "the TLS handshake with " + peer_, "cannot connect to " + peer_,
                       limit);
  co_return Result<void>();
}

Task<Result<void>> Connection::write(std::string_view bytes, std::chrono::milliseconds idle) {
  while (!bytes.empty()) {
    boost::system::error_code error;
    const asio::const_buffer rest_of_it(bytes.data(), bytes.size());
    std::size_t count = 0;
    stream_.expires_after(idle);
    if (tls_)
      count = co_await tls_->async_write_some(rest_of_it, redirect_error(use_awaitable, error));
    else
      count = co_await stream_.async_write_some(rest_of_it, redirect_error(use_awaitable, error));
    sent_ += count;
    if (error)
      co_return io_error(error, "sending to " + peer_ + " without progress",
                         "the connection to " + peer_ + " was cut", idle);
    bytes.remove_prefix(count);
  }
  co_return Result<void>();
}

Task<Result<Connection::Arrival>> Connection::read_within(std::chrono::milliseconds limit) {
  using asio::deferred;
  const asio::mutable_buffer space =
      buffer_.prepare(std::min(kReadBytes, buffer_.max_size() - buffer_.size()));
  asio::steady_timer timer(stream_.get_executor(), limit);
  stream_.expires_never();  // A deadline of the stream would close it.
  boost::system::error_code error, timer_error;
  std::size_t count = 0;
  std::array<std::size_t, 2> order{};
  if (tls_) {
    auto both = asio::experimental::make_parallel_group(tls_->async_read_some(space, deferred),
                                                        timer.async_wait(deferred));
    std::tie(order, error, count, timer_error) =
        co_await both.async_wait(asio::experimental::wait_for_one(), use_awaitable);
  } else {
    auto both = asio::experimental::make_parallel_group(stream_.async_read_some(space, deferred),
                                                        timer.async_wait(deferred));
    std::tie(order, error, count, timer_error) =
        co_await both.async_wait(asio::experimental::wait_for_one(), use_awaitable);
  }
  buffer_.commit(count);
  received_ += count;
  if (count > 0) co_return Arrival::kBytes;
  if (error == asio::error::eof) co_return Arrival::kEnd;
  if (order[0] == 1 && !timer_error) co_return Arrival::kNothing;
  co_return io_error(error, "waiting for the answer of " + peer_,
                     "the connection to " + peer_ + " was cut", limit);
}

Task<Result<bool>> Connection::read_until(Clock::time_point deadline,
                                          std::chrono::milliseconds limit, std::string what) {
  boost::system::error_code error;
  const auto room = std::min(kReadBytes, buffer_.max_size() - buffer_.size());
  const asio::mutable_buffer space = buffer_.prepare(room);
  std::size_t count = 0;
  stream_.expires_at(deadline);
  if (tls_)
    count = co_await tls_->async_read_some(space, redirect_error(use_awaitable, error));
  else
    count = co_await stream_.async_read_some(space, redirect_error(use_awaitable, error));
  buffer_.commit(count);
  received_ += count;
  if (error == asio::error::eof) co_return false;
  if (error) co_return io_error(error, what, "the connection to " + peer_ + " was cut", limit);
  co_return true;
}

bool Connection::looks_alive() {
  if (buffer_.size() > 0) return false;
  char byte = 0;
  const auto seen = recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (seen < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
  // Inside TLS unread bytes may be a session ticket, which is no answer.
  return seen > 0 && tls_.has_value();
}

}  // namespace kiln::http
