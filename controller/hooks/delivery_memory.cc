#include "controller/hooks/delivery_memory.h"

namespace kiln::hooks {

bool DeliveryMemory::remember(const Sha256Sum& id, Time now) {
  while (!order_.empty() && (order_.front().first + kHowLong <= now || order_.size() >= kHowMany)) {
    const auto found = when_.find(order_.front().second);
    // Forgotten and remembered again meanwhile, it has a later place in the order.
    if (found != when_.end() && found->second == order_.front().first) when_.erase(found);
    order_.pop_front();
  }
  if (!when_.emplace(id, now).second) return false;
  order_.emplace_back(now, id);
  return true;
}

}  // namespace kiln::hooks
