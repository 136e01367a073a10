#pragma once
#include <string>
#include <vector>

#include "core/image/image.h"
#include "core/layer/layer_index.h"

namespace kiln::image {

struct Rebased {
  Image image;
  /// What the image's own changes rested on and the new base no longer has, for people:
  /// "the new base has no environment variable FOO, which the image unset".
  std::vector<std::string> warnings{};

  explicit Rebased(Image i) : image(std::move(i)) {}
};

/// Puts an image onto another base (decision 7 of docs/architecture.md): the new base's layers,
/// then the image's own as they are; the image's changes of the old base's config applied to the
/// NEW base's config and history (see oci::rebase_config), and to its annotations by key. What
/// org.opencontainers.image.base.* say then is for the caller to set. The platform for an index is
/// the new base's; the family of media types is the image's.
///
/// Errors: kInvalid when `image` does not begin with the layers of `old_base` (compared by
/// diff_id), naming the first that differs; when the platforms differ; when Docker's media types
/// would have to name a zstd layer of the new base.
[[nodiscard]] Result<Rebased> rebase(const Image& image, const Image& old_base,
                                     const Image& new_base);

/// Whether the image's own layers fit the new base: every directory and symlink of a base that they
/// repeat or go through must be the same in both (kind, mode, owner, target), and what they replace
/// or delete must not be a directory in the new base alone. A directory of their own may be in the
/// new base too, just so. `own` are the indexes of the layers above the base. Errors: kInvalid,
/// naming the first path that differs and how, and that building again is what helps.
[[nodiscard]] Result<void> check_fits(const std::vector<layer::LayerIndex>& own,
                                      const layer::BaseTree& old_base,
                                      const layer::BaseTree& new_base);

}  // namespace kiln::image
