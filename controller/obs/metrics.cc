#include "controller/obs/metrics.h"

namespace kiln::obs {
/// As controller-runtime has them, so that histograms of both can be added up.
std::vector<double> Metrics::reconcile_bounds() {
  return {0.005, 0.01, 0.025, 0.05, 0.1,  0.15, 0.2,  0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6,
          0.7,   0.8,  0.9,   1.0,  1.25, 1.5,  1.75, 2.0,  2.5, 3.0,  3.5, 4.0,  4.5, 5,
          6,     7,    8,     9,    10,   15,   20,   25,   30,  40,   50,  60};
}

std::vector<double> Metrics::queue_bounds() {
  return exponential_bounds(10e-9, 10, 12);
}

/// 50 ms to an hour: a small site takes less than a second, the longest timeouts are of that order.
std::vector<double> Metrics::build_bounds() {
  return {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600};
}

Metrics::Metrics() {
  for (const auto* result : {"success", "requeue_after", "error"})
    reconciles.start({kController, result});
  for (auto* counter : {&reconcile_errors, &reconcile_panics, &queue_adds, &queue_retries})
    counter->start({kController});
  for (auto* histogram : {&reconcile_time, &queue_time, &work_time})
    histogram->start({kController});
  for (auto* gauge :
       {&active_workers, &max_concurrent, &queue_depth, &unfinished_work, &longest_running})
    gauge->set({kController}, 0);
  for (const auto* reason : {"Created", "SpecChanged", "ContentChanged", "BaseChanged", "Requested",
                             "Adopted", "Restored"})
    for (const auto* result : {"succeeded", "failed"}) builds.start({reason, result});
  for (const auto* stage : {"content", "base", "layers", "push", "publish"})
    stage_time.start({stage});
  for (const auto* operation : {"ask", "fetch"}) {
    git_time.start({operation});
    for (const auto* result : {"succeeded", "failed"}) git_work.start({operation, result});
  }
  for (const auto* result : {"applied", "refused", "failed"}) rollouts.start({result});
  for (const auto* ready : {"true", "false", "unknown"}) image_builds.set({ready}, 0);
  build_info.set({KILN_VERSION}, 1);
}

}  // namespace kiln::obs
