#pragma once
#include "controller/hooks/receiver.h"
#include "controller/imagebuild/cluster_view.h"

namespace kiln::imagebuild {

/// What a webhook tells becomes keys of the work queue, those that people wait for. Threads: the
/// view's. Lifetime: `view` outlives it.
class HookStarter final : public hooks::Starter {
 public:
  explicit HookStarter(ClusterView& view) : view_(view) {}
  std::size_t start(const hooks::Notice& notice) override;

 private:
  std::size_t start_git(const hooks::GitPush& push);

  ClusterView& view_;
};

}  // namespace kiln::imagebuild
