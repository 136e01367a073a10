#pragma once
#include <memory>
#include <string>

#include "controller/imagebuild/build_pass.h"
#include "controller/runtime/controller.h"

namespace kiln::imagebuild {

/// Brings the registry in line with one ImageBuild. Level-triggered: looks at the world as it is
/// now and never asks which event woke it, so one reconcile too many is always harmless (and writes
/// nothing). Lifetime: what `ports` refers to outlives it.
class ImageBuildReconciler final : public runtime::Reconciler {
 public:
  explicit ImageBuildReconciler(Ports ports) : ports_(ports) {}

  Task<runtime::ReconcileResult> reconcile(kube::ObjectKey key) override;

 private:
  Task<runtime::ReconcileResult> conclude(std::shared_ptr<BuildPass> pass,
                                          std::shared_ptr<const Seen> seen, Result<Next> last);
  Task<runtime::ReconcileResult> write(std::shared_ptr<BuildPass> pass,
                                       runtime::ReconcileResult result);
  void tell(const Seen& seen, BuildPass& pass, const api::Status& before);

  Ports ports_;
};

}  // namespace kiln::imagebuild
