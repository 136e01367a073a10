#include "controller/runtime/metering.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace kiln::runtime {
namespace {

constexpr auto kName = obs::Metrics::kController;

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// What the watches of one resource come to, one for each namespace perhaps.
struct Sums {
  WatchCounters counters{};
  double quiet_seconds = 0;
  int failing = 0;
};

}  // namespace

void Metering::reconciled(const kube::ObjectKey&, std::string_view result,
                          std::chrono::steady_clock::duration queued,
                          std::chrono::steady_clock::duration took) {
  const bool threw = result == "exception";
  const bool failed = threw || result == "error";
  metrics_.reconciles.add({kName, failed ? "error" : result});
  if (failed) metrics_.reconcile_errors.add({kName});
  if (threw) metrics_.reconcile_panics.add({kName});
  metrics_.reconcile_time.observe({kName}, seconds(took));
  metrics_.queue_time.observe({kName}, seconds(queued));
  metrics_.work_time.observe({kName}, seconds(took));
}

void Metering::follow(const KeyQueue& queue, const Controller& controller, std::size_t concurrent,
                      std::vector<const Watcher*> watchers) {
  metrics_.max_concurrent.set({kName}, static_cast<double>(concurrent));
  metrics_.add_refresh([this, &queue, &controller, watchers = std::move(watchers)] {
    metrics_.active_workers.set({kName}, static_cast<double>(controller.counters().running));
    refresh_queue(queue.queue());
    refresh_watches(watchers);
  });
}

void Metering::refresh_queue(const WorkQueue& queue) {
  const auto now = clock_.steady_now();
  metrics_.queue_depth.set({kName}, static_cast<double>(queue.waiting()));
  metrics_.queue_adds.raise_to({kName}, static_cast<double>(queue.counters().adds));
  metrics_.queue_retries.raise_to({kName}, static_cast<double>(queue.counters().retries));
  metrics_.unfinished_work.set({kName}, seconds(queue.unfinished_work(now)));
  metrics_.longest_running.set({kName}, seconds(queue.longest_running(now)));
}

void Metering::refresh_watches(const std::vector<const Watcher*>& watchers) {
  const auto now = clock_.steady_now();
  std::map<std::string, Sums> resources;
  for (const auto* watcher : watchers) {
    if (!watcher->started()) continue;
    auto& sums = resources[watcher->name()];
    const auto& counters = watcher->counters();
    sums.counters.relists_expired += counters.relists_expired;
    sums.counters.relists_failed += counters.relists_failed;
    sums.counters.skipped += counters.skipped;
    sums.quiet_seconds = std::max(sums.quiet_seconds, seconds(now - watcher->last_activity()));
    if (!watcher->last_failure().empty()) ++sums.failing;
  }
  for (const auto& [resource, sums] : resources) {
    metrics_.relists.raise_to({resource, "expired"},
                              static_cast<double>(sums.counters.relists_expired));
    metrics_.relists.raise_to({resource, "failed"},
                              static_cast<double>(sums.counters.relists_failed));
    metrics_.undecodable.raise_to({resource}, static_cast<double>(sums.counters.skipped));
    metrics_.watch_quiet.set({resource}, sums.quiet_seconds);
    metrics_.watch_failing.set({resource}, sums.failing);
  }
}

}  // namespace kiln::runtime
