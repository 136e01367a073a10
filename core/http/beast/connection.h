#pragma once
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/task.h"
#include "core/http/client.h"

namespace kiln::http {

/// One TCP connection, with or without TLS, or one on a Unix-domain socket. Its destruction closes
/// the socket: whoever was cancelled or failed in the middle just lets go of it.
///
/// Cancellation: every call answers kCancelled; the connection is of no use afterwards.
class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  /// `peer` names the server in messages: "registry.example.com:443".
  Connection(const Executor& executor, std::string peer);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// `real`: where the socket goes; the same as `endpoint` but in tests. Errors: kUnavailable,
  /// kTimeout.
  [[nodiscard]] Task<Result<void>> connect(boost::asio::ip::tcp::endpoint endpoint,
                                           boost::asio::ip::tcp::endpoint real,
                                           std::chrono::milliseconds limit);
  /// To the Unix-domain socket `path`. Errors: kInvalid for a path too long, kUnavailable,
  /// kTimeout.
  [[nodiscard]] Task<Result<void>> connect_local(std::string path, std::chrono::milliseconds limit);
  /// Ends a connect() under way, which then answers an error.
  void abort() { stream_.cancel(); }
  /// Lifetime: the context is shared with the pool's cache, which may forget it earlier.
  /// Errors: kUnavailable with what is wrong with the certificate, kTimeout.
  [[nodiscard]] Task<Result<void>> start_tls(std::shared_ptr<boost::asio::ssl::context> context,
                                             std::string host, bool verify,
                                             std::chrono::milliseconds limit);
  /// Sends everything; the limit starts anew with all progress. Lifetime: `bytes` outlives the
  /// task.
  [[nodiscard]] Task<Result<void>> write(std::string_view bytes, std::chrono::milliseconds idle);
  /// What came within a time that may pass without harm.
  enum class Arrival { kBytes, kEnd, kNothing };
  /// Waits so long for the first bytes; they are in buffer().
  [[nodiscard]] Task<Result<Arrival>> read_within(std::chrono::milliseconds limit);
  /// Reads something into buffer(); false = the server ended the connection in order.
  [[nodiscard]] Task<Result<bool>> read_until(Clock::time_point deadline,
                                              std::chrono::milliseconds limit, std::string what);

  boost::beast::flat_buffer& buffer() { return buffer_; }
  const std::string& peer() const { return peer_; }
  /// From now on another server is spoken to: a tunnel through a proxy is open.
  void set_peer(std::string peer) { peer_ = std::move(peer); }
  /// Requests go to a proxy, which passes them on: with whole URLs, and with this value of
  /// Proxy-Authorization unless it is "".
  void forward_through_proxy(std::string authorization) { forwarded_ = std::move(authorization); }
  const std::optional<std::string>& forwarded() const { return forwarded_; }
  /// Where it is connected to; of a Unix-domain socket none.
  boost::asio::ip::tcp::endpoint endpoint() const { return endpoint_; }
  Clock::time_point born() const { return born_; }

  /// Bytes since begin_exchange(): of a request, of its answer.
  void begin_exchange() {
    sent_ = received_ = 0;
    body_begun_ = false;
  }
  void begin_body() { body_begun_ = true; }
  bool body_begun() const { return body_begun_; }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t received() const { return received_; }

  /// False if the server has closed it, or has said something unasked.
  bool looks_alive();
  /// No deadline runs while nobody waits.
  void rest() { stream_.expires_never(); }

 private:
  using Stream = boost::beast::basic_stream<boost::asio::generic::stream_protocol>;

  void tune();

  std::string peer_;
  Stream stream_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::optional<boost::asio::ssl::stream<Stream&>> tls_;
  std::string distrust_;  ///< Why the certificate was refused.
  boost::beast::flat_buffer buffer_;
  boost::asio::ip::tcp::endpoint endpoint_;
  Clock::time_point born_ = Clock::now();
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  bool body_begun_ = false;
  std::optional<std::string> forwarded_;
};

}  // namespace kiln::http
