#pragma once
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace kiln::source {

/// Stands between a client and a server on 127.0.0.1 and spoils what the server sends, after so
/// many bytes of it. Passes everything on until it is told otherwise.
class FaultyProxy {
 public:
  enum class Fault {
    kCut,    ///< Both ends are closed.
    kStall,  ///< Nothing is passed on any more; the connections stay open.
  };

  explicit FaultyProxy(std::uint16_t server);
  ~FaultyProxy();
  FaultyProxy(const FaultyProxy&) = delete;
  FaultyProxy& operator=(const FaultyProxy&) = delete;

  std::uint16_t port() const { return port_; }
  /// Counts from now on, over all connections.
  void fail_after(std::int64_t bytes, Fault fault);
  void behave();                                         ///< Ends the fault for new connections.
  bool has_failed() const { return failed_; }            ///< Since fail_after().
  std::int64_t passed_bytes() const { return passed_; }  ///< From the server, in all.

 private:
  using Socket = boost::asio::ip::tcp::socket;
  void accept();
  void serve(Socket client);
  void pass_requests(Socket& client, Socket& server);
  bool pass_answers(Socket& server, Socket& client);
  void keep(int fd);

  std::uint16_t server_;
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_;
  std::atomic<std::int64_t> left_;
  std::atomic<std::int64_t> passed_ = 0;
  std::atomic<Fault> fault_ = Fault::kCut;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;
  std::vector<int> open_;  ///< Guarded by mutex_: duplicates, to wake up who reads.
  std::vector<std::thread> threads_;
  std::thread accepting_;
};

}  // namespace kiln::source
