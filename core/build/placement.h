#pragma once
#include <string>
#include <utility>
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

/// Where in the image content for `path` goes: through the base's symlinks. Errors: kInvalid for a
/// path that is not clean or goes through a file.
[[nodiscard]] Result<std::string> destination_in(const layer::BaseTree& base,
                                                 const std::string& path);

/// Puts entries of content at their places, one by one, parents before children.
/// Lifetime: all that it is given outlives it.
class Placer {
 public:
  /// `destination`: see destination_in().
  Placer(std::string destination, const Ownership& ownership, const layer::BaseTree& base,
         layer::FileTree& into)
      : destination_(std::move(destination)), ownership_(ownership), base_(base), into_(into) {}

  /// The directories of the destination, which come with the first entry anyway.
  [[nodiscard]] Result<void> place_destination();
  /// Errors: see place_content().
  [[nodiscard]] Result<void> place(layer::Entry entry);

 private:
  Result<void> place_directory(const std::string& path, layer::Entry entry);

  std::string destination_;
  const Ownership& ownership_;
  const layer::BaseTree& base_;
  layer::FileTree& into_;
  bool has_last_ = false;
  std::string last_parent_;     ///< Of what was placed last, before symlinks are followed.
  std::string last_directory_;  ///< And after; it is in `into_`.
};

/// Gives what the base does not have the owner and mode that are asked for. `Some`: an entry, or
/// its sketch.
template <class Some>
void take_over(Some& entry, const Ownership& ownership) {
  if (entry.kind == layer::EntryKind::kDirectory)
    entry.mode = ownership.dir_mode.value_or(entry.mode);
  if (entry.kind == layer::EntryKind::kFile) entry.mode = ownership.file_mode.value_or(entry.mode);
  entry.uid = ownership.uid.value_or(entry.uid);
  entry.gid = ownership.gid.value_or(entry.gid);
}

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
