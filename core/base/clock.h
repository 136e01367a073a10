#pragma once
#include <chrono>

#include "core/base/time_text.h"

namespace kiln {

/// Time as a parameter, so that tests can move it. Threads: any.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime now() const = 0;  ///< For people: status, events, tags.
  /// For measuring and waiting; never jumps.
  virtual std::chrono::steady_clock::time_point steady_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  WallTime now() const override {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  }
  std::chrono::steady_clock::time_point steady_now() const override {
    return std::chrono::steady_clock::now();
  }
};

}  // namespace kiln
