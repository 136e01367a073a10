#include "controller/runtime/work_queue.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kiln::runtime {

WorkQueue::WorkQueue(RetryDelays delays, std::function<double()> random)
    : delays_(delays), random_(random ? std::move(random) : random_share) {}

WorkQueue::Rank WorkQueue::rank(const Waiting& waiting) {
  return Rank(-static_cast<int>(waiting.priority), waiting.turn, waiting.number);
}

std::size_t WorkQueue::next_turn(const Key& key, Priority priority) {
  const auto on = turns_on_[priority];
  const auto [lane, first] = lanes_.try_emplace(Lane(priority, key.namespace_), on);
  if (!first) lane->second = std::max(lane->second + 1, on);
  return lane->second;
}

void WorkQueue::add(const Key& key, Priority priority, Time now) {
  if (closed_) return;
  if (const auto paused = paused_.find(key); paused != paused_.end() && now < paused->second)
    return add_at(key, paused->second, priority);
  undelay(key);
  enqueue(key, Again{priority, now, now});
}

void WorkQueue::add_at(const Key& key, Time due, Priority priority) {
  if (closed_ || waiting_.contains(key)) return;
  const auto running = processing_.find(key);
  if (running != processing_.end() && running->second.again) return;  // Comes again, and sooner.
  const auto found = delayed_.find(key);
  if (found != delayed_.end()) {
    priority = std::max(priority, found->second.second);
    due = std::min(due, found->second.first);
    undelay(key);
  }
  const auto& kept = delayed_.emplace(key, std::pair(due, priority)).first->first;
  due_.insert(Due{due, &kept});
}

std::chrono::milliseconds WorkQueue::retry(const Key& key, Time now,
                                           std::chrono::milliseconds at_least) {
  const int failed = failures_[key]++;
  ++counters_.retries;
  using Millis = std::chrono::duration<double, std::milli>;
  const Millis grown = Millis(delays_.first) * std::exp2(std::min(failed, 60));
  const Millis capped = std::min(grown, Millis(delays_.cap));
  const Millis varied = capped * (1.0 + delays_.jitter * random_());
  const auto delay =
      std::max(at_least, std::chrono::duration_cast<std::chrono::milliseconds>(varied));
  add_at(key, now + delay, Priority::kNormal);
  return delay;
}

int WorkQueue::failures(const Key& key) const {
  const auto found = failures_.find(key);
  return found == failures_.end() ? 0 : found->second;
}

std::optional<WorkQueue::Taken> WorkQueue::take(Time now) {
  wake_due(now);
  if (order_.empty()) return std::nullopt;
  const auto found = waiting_.find(*order_.begin()->second);
  const auto& waiting = found->second;
  Taken taken(found->first, waiting.since, waiting.asked);
  turns_on_[waiting.priority] = waiting.turn;
  order_.erase(order_.begin());
  waiting_.erase(found);
  paused_.erase(taken.key);
  if (order_.empty()) lanes_.clear();  // Nobody is ahead of anybody.
  processing_.emplace(taken.key, Processing{now});
  return taken;
}

void WorkQueue::done(const Key& key, Time now, std::chrono::milliseconds pause) {
  const auto found = processing_.find(key);
  if (found == processing_.end()) return;
  const auto again = found->second.again;
  processing_.erase(found);
  if (!again || closed_) return;
  if (pause.count() == 0) return enqueue(key, *again);
  paused_[key] = now + pause;
  add_at(key, now + pause, again->priority);
}

void WorkQueue::drop(const Key& key) {
  undelay(key);
  paused_.erase(key);
  forget(key);
  const auto found = waiting_.find(key);
  if (found == waiting_.end()) return;
  order_.erase(rank(found->second));
  waiting_.erase(found);
}

void WorkQueue::close() {
  closed_ = true;
  waiting_.clear();
  order_.clear();
  delayed_.clear();
  due_.clear();
  paused_.clear();
}

WorkQueue::Time::duration WorkQueue::unfinished_work(Time now) const {
  Time::duration all{0};
  for (const auto& [key, processing] : processing_) all += now - processing.began;
  return all;
}

WorkQueue::Time::duration WorkQueue::longest_running(Time now) const {
  Time::duration longest{0};
  for (const auto& [key, processing] : processing_)
    longest = std::max(longest, now - processing.began);
  return longest;
}

std::optional<WorkQueue::Time> WorkQueue::next_due() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->at;
}

void WorkQueue::enqueue(const Key& key, const Again& wanted) {
  const auto& [priority, since, asked] = wanted;
  const auto running = processing_.find(key);
  if (running != processing_.end()) {
    auto& again = running->second.again;
    if (!again) again = wanted;
    again->priority = std::max(again->priority, priority);
    again->asked = std::max(again->asked, asked);
    return;
  }
  const auto [found, fresh] =
      waiting_.try_emplace(key, Waiting{priority, 0, next_number_, since, asked});
  found->second.asked = std::max(found->second.asked, asked);
  if (fresh) {
    found->second.turn = next_turn(key, priority);
    order_.emplace(rank(found->second), &found->first);
    ++next_number_;
    ++counters_.adds;
  } else if (priority > found->second.priority) {
    order_.erase(rank(found->second));
    found->second.priority = priority;
    found->second.turn = next_turn(key, priority);
    order_.emplace(rank(found->second), &found->first);
  }
}

void WorkQueue::wake_due(Time now) {
  while (!due_.empty() && due_.begin()->at <= now) {
    const auto due = due_.begin()->at;
    const auto key = *due_.begin()->key;  // A copy: undelay() is the end of the original.
    const auto priority = delayed_.at(key).second;
    undelay(key);
    enqueue(key, Again{priority, due, due});
  }
}

void WorkQueue::undelay(const Key& key) {
  const auto found = delayed_.find(key);
  if (found == delayed_.end()) return;
  due_.erase(Due{found->second.first, &found->first});
  delayed_.erase(found);
}

}  // namespace kiln::runtime
