#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/layer/file_tree.h"

namespace kiln::build {

/// About how large the tar of one layer is, where content is cut into several (decision 9).
inline constexpr std::uint64_t kLayerBytes = 32ULL << 20;
inline constexpr std::size_t kMaxCutLayers = 40;

/// Cuts a large tree into trees for layers of about kLayerBytes each, or of a power of two times as
/// much where that would be too many. What is smaller than two of them stays one.
///
/// Where a cut falls depends on paths and sizes near it alone, so an edit changes one layer, and
/// a new or removed file one or two. Files are not cut. Every tree has the directories above what
/// is in it, as `tree` has them, and hard links are with their file. The trees together are `tree`:
/// put on top of each other in any order they give the same. `tree` is taken apart, so that large
/// ones are not there twice.
[[nodiscard]] Result<std::vector<std::shared_ptr<const layer::FileTree>>> cut_into_layers(
    layer::FileTree tree);

}  // namespace kiln::build
