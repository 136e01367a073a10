#pragma once
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/layer/file_tree.h"

namespace kiln::build {

/// About how large the tar of one layer is, where content is cut into several (decision 9).
inline constexpr std::uint64_t kLayerBytes = 32ULL << 20;
inline constexpr std::size_t kMaxCutLayers = 40;
/// Raised when cuts fall elsewhere than before: then the same inputs make other layers.
inline constexpr int kCutVersion = 2;

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

/// Decides the same entry by entry, for those who have no tree.
class LayerCutter {
 public:
  /// What an entry counts; `content_bytes`: of a file, else 0.
  static std::uint64_t tar_bytes(std::uint64_t content_bytes);

  /// `total`: tar_bytes() of all entries together.
  explicit LayerCutter(std::uint64_t total);

  /// The number of the layer that the next entry by path goes to: that of the one before, or one
  /// more.
  std::size_t layer_for(std::string_view path, std::uint64_t tar_bytes);

 private:
  bool cuts_;
  std::uint64_t target_;
  std::size_t layer_ = 0;
  std::uint64_t in_layer_ = 0;
};

}  // namespace kiln::build
