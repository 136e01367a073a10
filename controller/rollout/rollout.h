#pragma once
#include <vector>

#include "controller/rollout/rollout_reconciler.h"
#include "controller/runtime/watcher_list.h"

namespace kiln::rollout {

/// Everything that brings new images into workloads: watches, work queue, workers.
///
/// The watches may begin at any time; run() only when all ImageBuilds are known, and where work may
/// be done. A watch that fails (rights are missing) is its own trouble and tries again.
/// Threads: one executor. Lifetime: what it is given outlives it, it outlives run() and its
/// watchers.
class Rollout {
 public:
  struct Options {
    runtime::RetryDelays delays{};
    std::size_t concurrent = 2;
    runtime::WatchScope scope{};
    RolloutOptions reconciler{};
    Options() = default;
  };

  Rollout(kube::Client& kube, runtime::EventSink& events, const Clock& clock,
          const Executor& executor, FindImage find_image, Options options);

  /// One or more for each type; whoever runs them cancels them.
  runtime::WatcherList& watchers() { return watchers_; }
  /// See WorkloadView.
  void image_build_changed(const kube::ObjectKey& key) { view_.image_build_changed(key); }

  /// Until stop() or until it is cancelled.
  [[nodiscard]] Task<Result<void>> run();
  void stop() { controller_.stop(); }

 private:
  runtime::KeyQueue queue_;
  WorkloadView view_;
  runtime::WatcherList watchers_;
  RolloutReconciler reconciler_;
  runtime::Controller controller_;
};

}  // namespace kiln::rollout
