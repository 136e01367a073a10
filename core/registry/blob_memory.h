#pragma once
#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string_view>

#include "core/base/half_sum.h"

namespace kiln::registry {

/// What this process knows of blobs in repositories, so that it need not ask again for some
/// minutes, and which of them a registry was caught lacking although it says otherwise (R8: a
/// garbage collection behind a cache). Keys are the caller's, and are kept as their half_sum().
/// Bounded; forgetting is always safe.
class BlobMemory {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kHolds{5};
  static constexpr std::size_t kMaxEntries = 16 * 1024;

  void remember(std::string_view key, TimePoint now) {
    drop_old(now);
    if (present_.size() >= kMaxEntries) present_.clear();
    present_.insert_or_assign(half_sum(key), now + kHolds);
  }
  bool knows(std::string_view key, TimePoint now) const {
    const auto it = present_.find(half_sum(key));
    return it != present_.end() && it->second > now;
  }
  /// The registry lacks this blob, whatever a HEAD says.
  void mark_lost(std::string_view key) {
    const auto id = half_sum(key);
    present_.erase(id);
    if (lost_.size() < kMaxEntries) lost_.insert(id);
  }
  bool is_lost(std::string_view key) const {
    return !lost_.empty() && lost_.contains(half_sum(key));
  }
  void mark_found(std::string_view key) {
    if (!lost_.empty()) lost_.erase(half_sum(key));
  }
  std::size_t size() const { return present_.size(); }

 private:
  void drop_old(TimePoint now) {
    if (now < next_drop_) return;
    next_drop_ = now + kHolds;
    std::erase_if(present_, [now](const auto& one) { return one.second <= now; });
  }

  std::map<HalfSum, TimePoint> present_;  // Until when it is believed.
  std::set<HalfSum> lost_;
  TimePoint next_drop_{};
};

}  // namespace kiln::registry
