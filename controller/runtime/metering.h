#pragma once
#include <chrono>
#include <string_view>
#include <vector>

#include "controller/obs/metrics.h"
#include "controller/runtime/controller.h"
#include "controller/runtime/key_queue.h"
#include "controller/runtime/watcher.h"
#include "core/base/clock.h"

namespace kiln::runtime {

/// Turns what controller, queue and watchers do into metrics: reconciles as they end, everything
/// else when the metrics are read. Threads: the controller's.
class Metering final : public ReconcileObserver {
 public:
  /// Lifetime: both outlive it.
  Metering(obs::Metrics& metrics, const Clock& clock) : metrics_(metrics), clock_(clock) {}

  void reconciled(const kube::ObjectKey& key, std::string_view result,
                  std::chrono::steady_clock::duration queued,
                  std::chrono::steady_clock::duration took) override;

  /// From now on these are copied each time the metrics are read. Lifetime: they, and this
  /// object, are there as long as metrics are read.
  void follow(const KeyQueue& queue, const Controller& controller, std::size_t concurrent,
              std::vector<const Watcher*> watchers);

 private:
  void refresh_queue(const WorkQueue& queue);
  void refresh_watches(const std::vector<const Watcher*>& watchers);

  obs::Metrics& metrics_;
  const Clock& clock_;
};

}  // namespace kiln::runtime
