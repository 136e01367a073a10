#pragma once
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/http/beast/connection.h"

namespace kiln::http {

/// Kept-alive connections that nobody uses right now. A key holds all that must be equal for a
/// connection to serve a request: origin and TLS identity. Threads: one.
class Pool {
 public:
  struct Limits {
    std::size_t max_idle_per_key = 8;
    std::chrono::milliseconds idle{60'000};
    std::chrono::milliseconds age{300'000};
  };
  explicit Pool(Limits limits) : limits_(limits) {}

  /// The most recently used live connection; null when there is none.
  std::unique_ptr<Connection> take(const std::string& key);
  /// Keeps a connection whose last response was read in full.
  void give(const std::string& key, std::unique_ptr<Connection> connection);
  /// Closes those of the key.
  void forget(const std::string& key) { idle_.erase(key); }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    Connection::Clock::time_point since;
  };
  void close_old(Connection::Clock::time_point now);

  Limits limits_;
  std::map<std::string, std::vector<Idle>> idle_;  ///< Oldest first within a key.
};

}  // namespace kiln::http
