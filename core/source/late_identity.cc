#include "core/source/late_identity.h"

#include <algorithm>

#include "core/source/tree_identity.h"

namespace kiln::source {

std::string identity_of(const layer::FileTree& tree, const LateIdentities& late) {
  TreeIdentity identity;
  for (const auto& [path, entry] : tree.entries()) {
    const auto gave = [&](const auto& one) { return one->gave(entry.identity); };
    const auto giver = std::find_if(late.begin(), late.end(), gave);
    const auto of_file = giver == late.end() ? entry.identity : (*giver)->find(entry.identity);
    if (giver != late.end() && of_file.empty()) return "";
    identity.add(TreeIdentity::Facts{entry.path, entry.kind, entry.mode, entry.uid, entry.gid,
                                     entry.link_target, of_file, entry.mtime, entry.xattrs});
  }
  return identity.finish();
}

}  // namespace kiln::source
