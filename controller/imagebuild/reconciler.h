#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "controller/imagebuild/build_pass.h"
#include "controller/obs/metrics.h"
#include "controller/runtime/controller.h"

namespace kiln::imagebuild {

struct ReconcilerOptions {
  double interval_jitter = 0.05;    ///< The share by which a wait differs from spec.interval.
  obs::Metrics* metrics = nullptr;  ///< Counts builds and failures, if there is one.
  /// How long a look or build may take before its status says what is waited for.
  std::chrono::milliseconds patience = BuildPass::kPatience;
  ReconcilerOptions() = default;
};

/// Brings the registry in line with one ImageBuild. Level-triggered: looks at the world as it is
/// now and never asks which event woke it, so one reconcile too many is always harmless (and writes
/// nothing). Lifetime: what `ports` refers to outlives it.
class ImageBuildReconciler final : public runtime::Reconciler {
 public:
  explicit ImageBuildReconciler(Ports ports, ReconcilerOptions options = {})
      : ports_(ports), options_(options) {}

  Task<runtime::ReconcileResult> reconcile(kube::ObjectKey key,
                                           runtime::WorkQueue::Time asked) override;

 private:
  Task<runtime::ReconcileResult> conclude(std::shared_ptr<BuildPass> pass,
                                          std::shared_ptr<const Seen> seen, Result<Next> last);
  Task<runtime::ReconcileResult> interrupted(std::shared_ptr<BuildPass> pass);
  Task<runtime::ReconcileResult> write(std::shared_ptr<BuildPass> pass,
                                       runtime::ReconcileResult result);
  std::optional<std::chrono::milliseconds> poll_delay(const api::ImageBuild& build) const;
  runtime::ReconcileResult until_next_poll(const api::ImageBuild& build) const;
  void tell(const Seen& seen, BuildPass& pass, const api::Status& before);

  Ports ports_;
  ReconcilerOptions options_;
};

}  // namespace kiln::imagebuild
