#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "controller/runtime/key_queue.h"
#include "controller/runtime/watcher.h"
#include "core/base/clock.h"
#include "core/base/task.h"

namespace kiln::runtime {

/// What is to become of a key after a reconcile.
class ReconcileResult {
 public:
  /// All is well (or wrong for good): wait for a change.
  static ReconcileResult done() { return ReconcileResult(false, std::nullopt); }
  /// All is well; look again after `delay`, e.g. to poll.
  static ReconcileResult again_after(std::chrono::milliseconds delay) {
    return ReconcileResult(false, delay);
  }
  /// Failed: again after the key's own growing delay, and not before `at_least` (a server's hint).
  static ReconcileResult retry(std::chrono::milliseconds at_least = {}) {
    return ReconcileResult(true, at_least);
  }

  bool is_retry() const { return retry_; }
  std::optional<std::chrono::milliseconds> delay() const { return delay_; }

 private:
  ReconcileResult(bool retry, std::optional<std::chrono::milliseconds> delay)
      : retry_(retry), delay_(delay) {}
  bool retry_;
  std::optional<std::chrono::milliseconds> delay_;
};

/// Brings the world in line with one object. Level-triggered: told only which one, it looks for
/// itself. Never called for the same key twice at a time.
class Reconciler {
 public:
  virtual ~Reconciler() = default;
  /// `asked`: when somebody last wanted it. What was learned of the world since then is news to
  /// them. An exception is caught, logged, counted, and taken as retry(). Cancellation: at
  /// shutdown, after the grace; the key is then left as it is.
  [[nodiscard]] virtual Task<ReconcileResult> reconcile(kube::ObjectKey key,
                                                        WorkQueue::Time asked) = 0;
};

/// For metrics.
struct ControllerCounters {
  std::size_t succeeded = 0;
  std::size_t requeued_after = 0;
  std::size_t retried = 0;
  std::size_t exceptions = 0;
  std::size_t running = 0;
};

/// Hears of each reconcile; for metrics. Must not throw.
class ReconcileObserver {
 public:
  virtual ~ReconcileObserver() = default;
  /// `result` is "success", "requeue_after", "error" or "exception"; `queued` is how long the key
  /// had waited.
  virtual void reconciled(const kube::ObjectKey& key, std::string_view result,
                          std::chrono::steady_clock::duration queued,
                          std::chrono::steady_clock::duration took) = 0;
};

/// Runs watchers and workers, from start to a graceful end.
///
///   1. The watchers run.
///   2. All of them have told a full state (or `sync_limit` is over: run() fails).
///   3. `before_work`, if there is one (to become leader).
///   4. `concurrent` workers take keys from the queue and reconcile.
///   5. stop(): no new keys; reconciles under way get `grace` to end, then they are cancelled; then
///      the watchers are.
///
/// Threads: all on the executor that run() runs on; stop() and abandon() must be posted to it.
/// Lifetime: everything given to it outlives run().
class Controller {
 public:
  struct Options {
    std::size_t concurrent = 4;  ///< --concurrent
    std::chrono::milliseconds sync_limit{120'000};
    std::chrono::milliseconds grace{30'000};
    std::chrono::milliseconds pause{0};  ///< Before what changed during its own reconcile.
    std::function<Task<Result<void>>()> before_work{};
    ReconcileObserver* observer = nullptr;
    Options() = default;
  };

  Controller(KeyQueue& queue, Reconciler& reconciler, std::vector<Watcher*> watchers,
             const Clock& clock, Options options);

  /// Until stop(), or until it is cancelled (then without grace). Success after stop().
  /// Errors: kTimeout (no full state in time, naming the watch and its failure), what before_work
  /// says.
  [[nodiscard]] Task<Result<void>> run();
  void stop();
  /// As stop(), but at once: reconciles under way are cancelled, and run() answers `why`.
  void abandon(Error why);

  bool working() const { return working_; }  ///< Ready: synced, and the workers run.
  const ControllerCounters& counters() const { return counters_; }

 private:
  Task<void> watch(Watcher* watcher);
  Task<void> start();
  Task<void> work();
  Task<void> reconcile_one(WorkQueue::Taken taken);
  Task<bool> wait_for_change(std::optional<std::chrono::milliseconds> limit);
  Task<void> shut_down(std::chrono::milliseconds grace);
  void finish(const kube::ObjectKey& key, const ReconcileResult& result);
  void count(std::string_view outcome);
  struct Children;

  KeyQueue& queue_;
  Reconciler& reconciler_;
  std::vector<Watcher*> watchers_;
  const Clock& clock_;
  Options options_;
  ControllerCounters counters_;
  std::shared_ptr<Children> children_;
  bool working_ = false;
  bool stopping_ = false;
  std::optional<Error> abandoned_;
};

}  // namespace kiln::runtime
