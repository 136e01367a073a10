#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string_view>

#include "core/base/sha256.h"

namespace kiln::registry {

/// What this process knows of blobs in repositories, so that it need not ask again for some
/// minutes, and which of them a registry was caught lacking although it says otherwise (R8: a
/// garbage collection behind a cache). Keys are the caller's, and are kept as the first half of
/// their SHA-256, of which no two are known to be equal. Bounded; forgetting is always safe.
class BlobMemory {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kHolds{5};
  static constexpr std::size_t kMaxEntries = 16 * 1024;

  void remember(std::string_view key, TimePoint now) {
    drop_old(now);
    if (present_.size() >= kMaxEntries) present_.clear();
    present_.insert_or_assign(id_of(key), now + kHolds);
  }
  bool knows(std::string_view key, TimePoint now) const {
    const auto it = present_.find(id_of(key));
    return it != present_.end() && it->second > now;
  }
  /// The registry lacks this blob, whatever a HEAD says.
  void mark_lost(std::string_view key) {
    const auto id = id_of(key);
    present_.erase(id);
    if (lost_.size() < kMaxEntries) lost_.insert(id);
  }
  bool is_lost(std::string_view key) const { return !lost_.empty() && lost_.contains(id_of(key)); }
  void mark_found(std::string_view key) {
    if (!lost_.empty()) lost_.erase(id_of(key));
  }
  std::size_t size() const { return present_.size(); }

 private:
  using Id = std::array<std::uint8_t, 16>;
  static Id id_of(std::string_view key) {
    const auto sum = sha256(key);
    Id id;
    std::copy_n(sum.begin(), id.size(), id.begin());
    return id;
  }
  void drop_old(TimePoint now) {
    if (now < next_drop_) return;
    next_drop_ = now + kHolds;
    std::erase_if(present_, [now](const auto& one) { return one.second <= now; });
  }

  std::map<Id, TimePoint> present_;  // Until when it is believed.
  std::set<Id> lost_;
  TimePoint next_drop_{};
};

}  // namespace kiln::registry
