#pragma once
#include <chrono>

#include "core/base/clock.h"

namespace kiln::fakes {

/// Time that stands still until the test moves it. Starts on 2026-01-01T00:00:00Z.
class ManualClock final : public Clock {
 public:
  WallTime now() const override {
    return kStart + std::chrono::floor<std::chrono::seconds>(passed_);
  }
  std::chrono::steady_clock::time_point steady_now() const override {
    return std::chrono::steady_clock::time_point(std::chrono::hours(1)) + passed_;
  }
  void advance(std::chrono::milliseconds by) { passed_ += by; }

 private:
  static constexpr WallTime kStart{std::chrono::seconds(1'767'225'600)};
  std::chrono::milliseconds passed_{0};
};

}  // namespace kiln::fakes
