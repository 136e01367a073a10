#include "controller/imagebuild/build_meter.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "core/base/time_text.h"

namespace kiln::imagebuild {
namespace {

double seconds(const std::string& duration) {
  const auto parsed = parse_duration(duration);
  return parsed ? std::chrono::duration<double>(*parsed).count() : 0;
}

std::string first_type(const std::vector<api::Reason>& reasons) {
  return reasons.empty() ? "SpecChanged" : reasons.front().type;
}

/// The status is the record of a build: metrics say the same.
void meter_build(obs::Metrics& metrics, const api::Status& status) {
  if (!status.last_build) return;
  const auto& build = *status.last_build;
  metrics.builds.add({first_type(build.reasons), "succeeded"});
  metrics.build_time.observe({}, seconds(build.duration));
  for (const auto& stage : build.stages)
    metrics.stage_time.observe({stage.name}, seconds(stage.duration));
  const auto reused = [](const api::Stage& stage) { return stage.name == "reuse"; };
  const auto layers = static_cast<double>(status.layers.size());
  metrics.uploaded_bytes.add({}, static_cast<double>(build.uploaded_bytes));
  metrics.reused_bytes.add({}, static_cast<double>(build.reused_bytes));
  if (std::any_of(build.stages.begin(), build.stages.end(), reused))
    return metrics.layers_reused.add({}, layers);
  metrics.layers.add({}, layers);
  const auto bytes = std::accumulate(
      status.content.begin(), status.content.end(), std::int64_t{0},
      [](std::int64_t sum, const api::ContentStatus& one) { return sum + one.size; });
  metrics.content_bytes.add({}, static_cast<double>(bytes));
}

/// Reasons are ours, from the table in outcome.cc and the halts of a pass; there are some twenty.
void meter_failure(obs::Metrics& metrics, const api::Status& status) {
  const auto* ready = api::find_condition(status.conditions, api::condition_type::kReady);
  if (ready == nullptr || ready->status != "False" || ready->reason == "Suspended") return;
  metrics.reconcile_failures.add({ready->reason});
}

}  // namespace

void meter_pass(obs::Metrics& metrics, const BuildPass& pass, const Result<Next>& last) {
  if (pass.built()) meter_build(metrics, pass.status());
  // Steps are in order, and everything after the comparison is a build.
  else if (last.has_error() && pass.step() > Step::kCompare)
    metrics.builds.add({first_type(pass.reasons()), "failed"});
  meter_failure(metrics, pass.status());
}

void meter_view(obs::Metrics& metrics, const ClusterView& view) {
  metrics.add_refresh([&metrics, &view] {
    const auto counts = view.count_ready();
    metrics.image_builds.set({"true"}, static_cast<double>(counts.ready));
    metrics.image_builds.set({"false"}, static_cast<double>(counts.not_ready));
    metrics.image_builds.set({"unknown"}, static_cast<double>(counts.unknown));
    metrics.unreadable.raise_to({}, static_cast<double>(view.unreadable()));
  });
}

}  // namespace kiln::imagebuild
