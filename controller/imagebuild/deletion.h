#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/imagebuild/build_pass.h"
#include "controller/imagebuild/tag_remover.h"
#include "controller/runtime/controller.h"

namespace kiln::imagebuild {

/// Keeps an ImageBuild with deletionPolicy Delete there until its tags are gone.
inline constexpr std::string_view kFinalizer = "kiln.build/pushed-tags";

/// The patch of metadata.finalizers that puts Kiln's among the others or takes it away.
[[nodiscard]] std::string finalizer_patch(const kube::ObjectMeta& meta, bool wanted);

/// The end of an ImageBuild: deletes what it pushed, if it says so, and lets it go. It goes also
/// when that cannot be done: a registry that deletes no tags, or that is away, or a missing Secret
/// hold it up for a while at most (spec.timeout, counted from the deletion), and an Event names
/// what is left. Every step may be repeated.
class Deletion {
 public:
  /// `seen` is being deleted. `asked`: see runtime::Reconciler.
  Deletion(Ports ports, std::shared_ptr<const Seen> seen, runtime::WorkQueue::Time asked);

  Task<runtime::ReconcileResult> run();

 private:
  Task<Removal> remove_pushed();
  std::chrono::milliseconds patience(const Removal& removal) const;
  Task<runtime::ReconcileResult> wait(Error failure, std::chrono::milliseconds left);
  void tell(const Removal& removal);
  Task<runtime::ReconcileResult> let_go();

  Ports ports_;
  std::shared_ptr<const Seen> seen_;
  runtime::WorkQueue::Time asked_;
  bool secret_missing_ = false;
};

}  // namespace kiln::imagebuild
