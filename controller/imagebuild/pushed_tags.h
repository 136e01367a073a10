#pragma once
#include <set>
#include <string>
#include <vector>

#include "controller/api/image_build.h"
#include "core/oci/reference.h"

namespace kiln::imagebuild {

/// What an ImageBuild has pushed, as its status remembers it.
struct PushedTags {
  std::vector<oci::Reference> tags{};  ///< Those it has now, those of its history, and kiln-….
  std::set<std::string> digests{};     ///< What a tag that is still its own may hold.
};
[[nodiscard]] PushedTags pushed_by(const api::ImageBuild& build);

/// What `before` has pushed and `after`, which goes on from there, has no use for: tags that its
/// output does not name any more, all of a repository that it left, and the kiln-… tags of images
/// that dropped out of the history. Tags of single builds (with variables) stay.
[[nodiscard]] std::vector<oci::Reference> obsolete_tags(const api::ImageBuild& before,
                                                        const api::ImageBuild& after);

}  // namespace kiln::imagebuild
