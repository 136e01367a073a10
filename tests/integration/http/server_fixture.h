#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "core/base/deadline.h"
#include "core/http/beast/server.h"

namespace kiln::http {

/// The client's end of a connection, blocking, raw bytes.
class Wire {
 public:
  struct Answer {
    int status = 0;  ///< 0 = the server closed instead of answering.
    std::string head{};
    std::string body{};
    bool has(std::string_view text) const { return head.find(text) != head.npos; }
  };

  explicit Wire(std::uint16_t port, bool ipv6 = false) {
    using boost::asio::ip::tcp;
    const auto host = ipv6 ? boost::asio::ip::address(boost::asio::ip::address_v6::loopback())
                           : boost::asio::ip::address(boost::asio::ip::address_v4::loopback());
    socket_.connect(tcp::endpoint(host, port));
    const timeval limit{20, 0};  // No test hangs because of a server that says nothing.
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }

  /// False when the server no longer takes anything.
  bool send(std::string_view bytes) {
    boost::system::error_code error;
    boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), error);
    return !error;
  }
  void half_close() { socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send); }

  /// The next answer; `head_request`: it has no body, whatever its length says.
  Answer read(bool head_request = false) {
    Answer answer;
    std::size_t end = 0;
    while ((end = pending_.find("\r\n\r\n")) == pending_.npos)
      if (!fill()) return answer;
    answer.head = pending_.substr(0, end + 2);
    answer.status = std::stoi(answer.head.substr(9, 3));
    pending_.erase(0, end + 4);
    std::size_t length = 0;
    if (const auto at = answer.head.find("Content-Length: "); at != answer.head.npos)
      length = std::stoul(answer.head.substr(at + 16));
    if (head_request) return answer;
    while (pending_.size() < length)
      if (!fill()) break;
    answer.body = pending_.substr(0, length);
    pending_.erase(0, answer.body.size());
    return answer;
  }
  Answer ask(std::string_view bytes, bool head_request = false) {
    send(bytes);
    return read(head_request);
  }
  /// True once the server has closed, without another byte.
  bool is_closed() { return pending_.empty() && !fill(); }

 private:
  bool fill() {
    char block[16384];
    boost::system::error_code error;
    const auto count = socket_.read_some(boost::asio::buffer(block), error);
    if (error == boost::asio::error::try_again) ADD_FAILURE() << "the server says nothing";
    pending_.append(block, count);
    return !error;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_{io_};
  std::string pending_;
};

/// Answers "METHOD PATH ?QUERY BODY", or what the path says.
class EchoHandler final : public RequestHandler {
 public:
  Task<ServerResponse> handle(ServerRequest request) override {
    if (request.path == "/throws") throw std::runtime_error("a bug");
    if (request.path == "/waits") {
      entered_.set_value();
      [[maybe_unused]] const auto waited = co_await sleep_for(pause);
    }
    if (request.path == "/peer") co_return ServerResponse(200, request.peer.to_string());
    if (request.path == "/host")
      co_return ServerResponse(200, std::string(request.headers.get("host")));
    if (request.path == "/nothing") co_return ServerResponse(204);
    if (request.path == "/large") co_return ServerResponse(200, std::string(1'000'000, 'x'));
    co_return ServerResponse(
        200, request.method + " " + request.path + " ?" + request.query + " " + request.body);
  }
  /// Blocks until a request for /waits is being handled.
  void await_entry() { entered_.get_future().wait_for(std::chrono::seconds(20)); }

  std::chrono::milliseconds pause{100};

 private:
  std::promise<void> entered_;
};

/// A real server on a thread of its own, ended at the end of the test at the latest.
class ServerTest : public testing::Test {
 protected:
  ~ServerTest() override {
    if (thread_.joinable()) stop();
  }

  void serve(ServerOptions options = {}, std::string_view where = "127.0.0.1:0") {
    auto made = make_server(io_.get_executor(), *ListenAddress::parse(where), handler_, options);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    server_ = std::move(*made);
    boost::asio::co_spawn(io_, server_->run(), [this](std::exception_ptr, Result<void> result) {
      ended_.emplace(std::move(result));
    });
    thread_ = std::thread([this] { io_.run(); });
  }
  std::uint16_t port() const { return ListenAddress::parse(server_->addresses().front())->port; }
  void begin_stop() {
    boost::asio::post(io_, [this] { server_->stop(); });
  }
  /// Waits for the end of run(); answers what it said.
  Result<void> stop() {
    begin_stop();
    thread_.join();
    return ended_ ? *ended_ : Result<void>(Error(Errc::kInternal, "run() did not end"));
  }

  EchoHandler handler_;
  boost::asio::io_context io_;
  std::unique_ptr<Server> server_;
  std::optional<Result<void>> ended_;
  std::thread thread_;
};

}  // namespace kiln::http
