#include "controller/imagebuild/tag_remover.h"

namespace kiln::imagebuild {

Task<Removal> remove_tags(registry::Client& registry, registry::Access access,
                          const ClusterView& view, kube::ObjectKey owner, PushedTags pushed) {
  Removal removal;
  for (const auto& tag : pushed.tags) {
    if (view.is_claimed(tag, owner)) continue;
    const auto held = co_await registry.resolve(tag, access);
    if (!held && held.error().code == Errc::kNotFound) continue;
    if (!held) {
      removal.failure = held.error();
      break;
    }
    if (!pushed.digests.contains(held->digest.str())) {
      removal.foreign.push_back(tag.str() + " (" + held->digest.str() + ")");
      continue;
    }
    const auto removed = co_await registry.remove(tag, access);
    if (removed) {
      removal.deleted.push_back(tag.str());
    } else if (removed.error().code == Errc::kUnsupported ||
               removed.error().code == Errc::kInvalid) {
      removal.refused.push_back(tag.str());
    } else {
      removal.failure = removed.error();
      break;
    }
  }
  co_return removal;
}

}  // namespace kiln::imagebuild
