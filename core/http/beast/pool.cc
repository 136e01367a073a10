#include "core/http/beast/pool.h"

#include <utility>

namespace kiln::http {

void Pool::close_old(Connection::Clock::time_point now) {
  for (auto& [key, connections] : idle_)
    std::erase_if(connections, [&](const Idle& idle) {
      return now - idle.since > limits_.idle || now - idle.connection->born() > limits_.age;
    });
  std::erase_if(idle_, [](const auto& entry) { return entry.second.empty(); });
}

std::unique_ptr<Connection> Pool::take(const std::string& key) {
  close_old(Connection::Clock::now());
  const auto found = idle_.find(key);
  if (found == idle_.end()) return nullptr;
  auto& connections = found->second;
  while (!connections.empty()) {
    auto connection = std::move(connections.back().connection);
    connections.pop_back();
    if (connection->looks_alive()) return connection;
  }
  return nullptr;
}

void Pool::give(const std::string& key, std::unique_ptr<Connection> connection) {
  const auto now = Connection::Clock::now();
  close_old(now);
  connection->rest();
  auto& connections = idle_[key];
  connections.push_back({std::move(connection), now});
  if (connections.size() > limits_.max_idle_per_key) connections.erase(connections.begin());
}

}  // namespace kiln::http
