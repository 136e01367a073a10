#pragma once
#include <chrono>
#include <functional>
#include <optional>

namespace kiln::runtime {

struct BackoffOptions {
  std::chrono::milliseconds first{800};
  std::chrono::milliseconds cap{30'000};
  double factor = 2.0;
  double jitter = 1.0;  ///< Waits are longer by a random share of up to this; the cap holds before.
  std::chrono::milliseconds reset_after{
      120'000};  ///< Healthy for so long: start over from `first`.
};

/// Growing, jittered waits of one thing that keeps failing; never shared between things, because
/// one broken watch must not hold up the others. Threads: one.
class Backoff {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// `random` answers 0 ≤ x < 1.
  Backoff(BackoffOptions options, std::function<double()> random);

  /// The next wait; longer than the one before, up to the cap.
  std::chrono::milliseconds next(Time now);
  void reset() { next_ = options_.first; }

 private:
  BackoffOptions options_;
  std::function<double()> random_;
  std::chrono::milliseconds next_;
  std::optional<Time> last_;
};

/// A random number 0 ≤ x < 1 from a generator of this thread.
double random_share();

}  // namespace kiln::runtime
