#pragma once
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/build/request.h"
#include "core/layer/file_tree.h"
#include "core/layer/layer_index.h"
#include "core/source/source.h"

namespace kiln::build {

/// The whiteouts for `remove`, resolved through the base's symlinks, with the base's directories
/// above them. Paths that the base does not have are left out and named in `warnings`. Errors:
/// kInvalid for a path that is not clean, or the root.
[[nodiscard]] Result<layer::FileTree> place_whiteouts(const std::vector<std::string>& remove,
                                                      const layer::BaseTree& base,
                                                      std::vector<std::string>& warnings);

/// Puts content's entries at `path` of the image and adds it to `into`: resolved through the base's
/// symlinks, directories of the base with the base's mode and owner, new ones by `ownership`.
/// `base` is what lies below: the base after its removals (and earlier layers of this build).
/// Errors: kInvalid where content would replace a directory of the base by a file, or go below a
/// file.
[[nodiscard]] Result<void> place_content(const source::Content& content, const std::string& path,
                                         const Ownership& ownership, const layer::BaseTree& base,
                                         layer::FileTree& into);

/// What a tree of ours looks like to those who build on top of it.
layer::LayerIndex index_of(const layer::FileTree& tree);

}  // namespace kiln::build
