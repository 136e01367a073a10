#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/http/server.h"

namespace kiln::obs {

/// Servers on a thread of their own: they take connections, and say that the program hangs, however
/// busy its event loop is.
///
/// Threads: add(), start() and stop() from one thread. Lifetime: handlers outlive stop(); this
/// object outlives the context of the event loop that handlers ask (see ask()).
class ServerThread {
 public:
  using MakeServer = std::function<Result<std::unique_ptr<http::Server>>(
      Executor, const http::ListenAddress&, http::RequestHandler&)>;

  explicit ServerThread(MakeServer make) : make_(std::move(make)) {}
  ~ServerThread() { stop(); }

  /// Listens on `address` and logs where; "0" = not at all. `what` names it in the log.
  /// Errors: kInvalid (no address), kUnavailable (cannot listen there).
  [[nodiscard]] Result<void> add(std::string what, const std::string& address,
                                 http::RequestHandler& handler);
  void start();
  /// Waits until requests under way are answered, for a short time at most.
  void stop();

 private:
  MakeServer make_;
  boost::asio::io_context io_{1};
  std::vector<std::unique_ptr<http::Server>> servers_;
  std::thread thread_;
};

}  // namespace kiln::obs
