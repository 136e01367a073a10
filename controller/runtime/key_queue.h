#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <optional>

#include "controller/runtime/work_queue.h"
#include "core/base/clock.h"
#include "core/base/task.h"

namespace kiln::runtime {

/// Where watch handlers and reconcilers put keys.
class KeySink {
 public:
  virtual ~KeySink() = default;
  virtual void add(const kube::ObjectKey& key, Priority priority) = 0;
  virtual void add_after(const kube::ObjectKey& key, std::chrono::milliseconds delay,
                         Priority priority) = 0;
};

/// A WorkQueue that can be waited for: the workers' side of it. Threads: one executor.
class KeyQueue final : public KeySink {
 public:
  /// Lifetime: `clock` and the executor's context outlive the queue, the queue outlives its waits.
  KeyQueue(const Executor& executor, const Clock& clock, RetryDelays delays);

  void add(const kube::ObjectKey& key, Priority priority) override;
  void add_after(const kube::ObjectKey& key, std::chrono::milliseconds delay,
                 Priority priority) override;
  std::chrono::milliseconds retry(const kube::ObjectKey& key,
                                  std::chrono::milliseconds at_least = {});
  void forget(const kube::ObjectKey& key) { queue_.forget(key); }
  void drop(const kube::ObjectKey& key) { queue_.drop(key); }

  /// Waits for the next key; nullopt = the queue was closed. Errors: kCancelled.
  /// Each key taken must be given back with done().
  [[nodiscard]] Task<Result<std::optional<WorkQueue::Taken>>> next();
  void done(const kube::ObjectKey& key, std::chrono::milliseconds pause = {});

  void close();
  const WorkQueue& queue() const { return queue_; }

 private:
  void wake();
  void arm();

  const Clock& clock_;
  WorkQueue queue_;
  std::optional<std::chrono::steady_clock::time_point> armed_;  ///< What the timer is set to.
  boost::asio::steady_timer timer_;  ///< Ends at the next delay, or when something is added.
};

}  // namespace kiln::runtime
