#pragma once
#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <utility>

#include "core/base/sha256.h"

namespace kiln::hooks {

/// Which deliveries were received already, for some time and up to some number: beyond it the
/// oldest is forgotten. Threads: one.
class DeliveryMemory {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kHowLong{60};
  static constexpr std::size_t kHowMany = 8192;

  /// False when it was remembered already.
  bool remember(const Sha256Sum& id, Time now);
  /// It came to nothing and may be sent again.
  void forget(const Sha256Sum& id) { when_.erase(id); }
  std::size_t size() const { return when_.size(); }

 private:
  void drop_oldest();

  std::map<Sha256Sum, Time> when_;
  std::deque<std::pair<Time, Sha256Sum>> order_;  ///< Also what is forgotten, until its time.
};

}  // namespace kiln::hooks
