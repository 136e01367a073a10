#pragma once
#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace kiln::registry {

/// What this process knows of blobs in repositories, so that it need not ask again for some
/// minutes, and which of them a registry was caught lacking although it says otherwise (R8: a
/// garbage collection behind a cache). Keys are the caller's. Bounded; forgetting is always safe.
class BlobMemory {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kHolds{5};
  static constexpr std::size_t kMaxEntries = 16 * 1024;

  void remember(const std::string& key, TimePoint now) {
    if (present_.size() >= kMaxEntries) present_.clear();
    present_.insert_or_assign(key, now + kHolds);
  }
  bool knows(const std::string& key, TimePoint now) const {
    const auto it = present_.find(key);
    return it != present_.end() && it->second > now;
  }
  /// The registry lacks this blob, whatever a HEAD says.
  void mark_lost(const std::string& key) {
    present_.erase(key);
    if (lost_.size() < kMaxEntries) lost_.insert(key);
  }
  bool is_lost(const std::string& key) const { return lost_.contains(key); }
  void mark_found(const std::string& key) { lost_.erase(key); }

 private:
  std::map<std::string, TimePoint> present_;  // Until when it is believed.
  std::set<std::string> lost_;
};

}  // namespace kiln::registry
