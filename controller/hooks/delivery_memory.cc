#include "controller/hooks/delivery_memory.h"

namespace kiln::hooks {

bool DeliveryMemory::remember(const Sha256Sum& id, Time now) {
  while (!order_.empty() && order_.front().first + kHowLong <= now) drop_oldest();
  if (when_.contains(id)) return false;
  if (order_.size() >= kHowMany) drop_oldest();
  when_.emplace(id, now);
  order_.emplace_back(now, id);
  return true;
}

void DeliveryMemory::drop_oldest() {
  const auto& [time, id] = order_.front();
  const auto found = when_.find(id);
  // Forgotten and remembered again meanwhile, it has a later place in the order.
  if (found != when_.end() && found->second == time) when_.erase(found);
  order_.pop_front();
}

}  // namespace kiln::hooks
