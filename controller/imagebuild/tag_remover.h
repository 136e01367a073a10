#pragma once
#include <optional>
#include <string>
#include <vector>

#include "controller/imagebuild/cluster_view.h"
#include "controller/imagebuild/pushed_tags.h"
#include "core/base/task.h"
#include "core/registry/client.h"

namespace kiln::imagebuild {

/// What became of tags that were to be deleted. Those that are absent, or that another ImageBuild
/// has a claim to, are in none of the lists.
struct Removal {
  std::vector<std::string> deleted{};
  std::vector<std::string> foreign{};  ///< Somebody moved them, so they are not ours to delete.
  std::vector<std::string> refused{};  ///< The registry deletes no tags.
  std::optional<Error> failure{};      ///< What stopped it, and may pass; the rest was not tried.

  Removal() = default;  // Not an aggregate: may travel through co_await.
};

/// Deletes those of `tags` that still hold one of `ours` and that no ImageBuild but `owner` names.
/// Deletes tags, never manifests by digest, which would take away tags of other people with them.
/// Lifetime: `registry` and `view` outlive the task.
[[nodiscard]] Task<Removal> remove_tags(registry::Client& registry, registry::Access access,
                                        const ClusterView& view, kube::ObjectKey owner,
                                        PushedTags pushed);

}  // namespace kiln::imagebuild
