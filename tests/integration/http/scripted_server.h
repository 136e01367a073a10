#pragma once
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/http/url.h"

namespace kiln::http {

/// What the server's certificate is, and whom it lets in.
struct ServerTls {
  std::string cert_pem, key_pem;
  std::string client_ca_pem;  ///< Not empty: a client certificate of this authority is demanded.
};

/// The server's end of one connection, blocking, in its own thread. Sees raw bytes and sends raw
/// bytes.
class Peer {
 public:
  struct Request {
    std::string head;  ///< Request line and fields, up to the empty line.
    std::string body;
    bool has(std::string_view text) const { return head.find(text) != head.npos; }
  };

  using Socket = boost::asio::generic::stream_protocol::socket;

  Peer(Socket socket, boost::asio::ssl::context* tls);
  /// The next request with a Content-Length body; nullopt when the client has closed.
  std::optional<Request> read();
  void write(std::string_view bytes);
  /// "HTTP/1.1 200 OK" with this body and these extra header lines ("Name: value\r\n").
  void answer(std::string_view body, std::string_view status = "200 OK",
              std::string_view extra = {});
  /// Waits until the client closes; false when it did not within the limit.
  bool wait_for_close(std::chrono::seconds limit);
  void reset();  ///< Ends with RST instead of FIN.
  int fd() { return socket_.native_handle(); }
  bool handshake();

 private:
  std::size_t read_some(char* data, std::size_t size, boost::system::error_code& error);
  Socket socket_;
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
  std::string pending_;
};

/// Listens on 127.0.0.1 or a Unix-domain socket and runs `script` for every connection, each in a
/// thread.
class ScriptedServer {
 public:
  using Script = std::function<void(Peer&)>;
  explicit ScriptedServer(Script script, std::optional<ServerTls> tls = std::nullopt);
  ScriptedServer(Script script, const std::filesystem::path& local_socket);
  ~ScriptedServer();

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  /// "http(s)://host:port/path".
  Url url(const std::string& path = "/", const std::string& host = "127.0.0.1") const;

 private:
  using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;
  void serve();

  Script script_;
  std::optional<boost::asio::ssl::context> tls_;
  boost::asio::io_context context_;
  Acceptor acceptor_;
  std::uint16_t port_ = 0;  ///< 0: a Unix-domain socket.
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::vector<int> open_;  ///< Guarded by mutex_.
  std::vector<std::thread> threads_;
  std::thread accepting_;
};

}  // namespace kiln::http
