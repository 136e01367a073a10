#include "tests/integration/http/scripted_server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace kiln::http {

namespace asio = boost::asio;
using asio::ip::tcp;

Peer::Peer(Socket socket, asio::ssl::context* tls) : socket_(std::move(socket)) {
  if (tls != nullptr) tls_.emplace(socket_, *tls);
  const timeval limit{20, 0};  // No test hangs because of a client that says nothing.
  setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  boost::system::error_code no_tcp;
  socket_.set_option(tcp::no_delay(true), no_tcp);
}

bool Peer::handshake() {
  boost::system::error_code error;
  if (tls_) tls_->handshake(asio::ssl::stream_base::server, error);
  return !error;
}

std::size_t Peer::read_some(char* data, std::size_t size, boost::system::error_code& error) {
  const auto space = asio::buffer(data, size);
  return tls_ ? tls_->read_some(space, error) : socket_.read_some(space, error);
}

std::optional<Peer::Request> Peer::read() {
  Request request;
  std::size_t wanted = std::string::npos;
  for (;;) {
    if (const auto end = pending_.find("\r\n\r\n"); end != pending_.npos) {
      request.head = pending_.substr(0, end + 2);
      std::size_t length = 0;
      if (const auto at = request.head.find("Content-Length: "); at != request.head.npos)
        length = std::stoul(request.head.substr(at + 16));
      wanted = end + 4 + length;
      if (pending_.size() >= wanted) {
        request.body = pending_.substr(end + 4, length);
        pending_.erase(0, wanted);
        return request;
      }
    }
    char block[16384];
    boost::system::error_code error;
    const auto count = read_some(block, sizeof block, error);
    if (error) return std::nullopt;
    pending_.append(block, count);
  }
}

void Peer::write(std::string_view bytes) {
  boost::system::error_code ignored;
  const auto buffer = asio::buffer(bytes.data(), bytes.size());
  if (tls_)
    asio::write(*tls_, buffer, ignored);
  else
    asio::write(socket_, buffer, ignored);
}

void Peer::answer(std::string_view body, std::string_view status, std::string_view extra) {
  write("HTTP/1.1 " + std::string(status) + "\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n" + std::string(extra) + "\r\n" + std::string(body));
}

bool Peer::wait_for_close(std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const timeval wait{limit.count(), 0};
  setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  char block[4096];
  boost::system::error_code error;
  while (!error) read_some(block, sizeof block, error);
  return std::chrono::steady_clock::now() < deadline;
}

void Peer::reset() {
  boost::system::error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

ScriptedServer::ScriptedServer(Script script, std::optional<ServerTls> tls)
    : script_(std::move(script)),
      acceptor_(context_,
                Acceptor::endpoint_type(tcp::endpoint(asio::ip::address_v4::loopback(), 0))) {
  sockaddr_in name{};
  socklen_t size = sizeof name;
  getsockname(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&name), &size);
  port_ = ntohs(name.sin_port);
  if (tls) {
    tls_.emplace(asio::ssl::context::tls_server);
    tls_->use_certificate_chain(asio::buffer(tls->cert_pem));
    tls_->use_private_key(asio::buffer(tls->key_pem), asio::ssl::context::pem);
    if (!tls->client_ca_pem.empty()) {
      tls_->add_certificate_authority(asio::buffer(tls->client_ca_pem));
      tls_->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    }
  }
  accepting_ = std::thread([this] { serve(); });
}

ScriptedServer::ScriptedServer(Script script, const std::filesystem::path& local_socket)
    : script_(std::move(script)),
      acceptor_(context_, Acceptor::endpoint_type(
                              asio::local::stream_protocol::endpoint(local_socket.string()))) {
  accepting_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
  shutdown(acceptor_.native_handle(), SHUT_RDWR);  // Ends the blocking accept().
  accepting_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
}

void ScriptedServer::serve() {
  for (;;) {
    boost::system::error_code error;
    Peer::Socket socket(context_);
    acceptor_.accept(socket, error);
    if (error) return;
    ++connections_;
    const int fd = socket.native_handle();
    {
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
    }
    threads_.emplace_back([this, fd, socket = std::move(socket)]() mutable {
      std::optional<Peer> peer(std::in_place, std::move(socket), tls_ ? &*tls_ : nullptr);
      if (peer->handshake()) script_(*peer);
      const std::lock_guard lock(mutex_);
      std::erase(open_, fd);
      peer.reset();
    });
  }
}

Url ScriptedServer::url(const std::string& path, const std::string& host) const {
  return *Url::parse((tls_ ? "https://" : "http://") + host + ":" + std::to_string(port_) + path);
}

}  // namespace kiln::http
