#include "controller/runtime/backoff.h"

#include <algorithm>
#include <random>
#include <utility>

namespace kiln::runtime {

double random_share() {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

Backoff::Backoff(BackoffOptions options, std::function<double()> random)
    : options_(options),
      random_(random ? std::move(random) : random_share),
      next_(options_.first) {}

std::chrono::milliseconds Backoff::next(Time now) {
  if (last_ && now - *last_ > options_.reset_after + next_) reset();
  last_ = now;
  const auto base = next_;
  const std::chrono::duration<double, std::milli> grown = base * options_.factor;
  next_ = std::min(options_.cap, std::chrono::duration_cast<std::chrono::milliseconds>(grown));
  const std::chrono::duration<double, std::milli> extra = base * (options_.jitter * random_());
  return base + std::chrono::duration_cast<std::chrono::milliseconds>(extra);
}

}  // namespace kiln::runtime
