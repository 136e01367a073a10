#pragma once
#include "core/image/image.h"

namespace kiln::image {

/// The oracle: reads every blob made here and checks digest, size, diff_id, that manifest and
/// config agree (layers, diff_ids, history), that no path stands twice in a layer, that parents
/// come first. Layers that are only in a registry are checked by their descriptors alone. A base's
/// history may have fewer lines than layers (it is optional), but not more.
/// Blocking: for the WorkPool.
///
/// Errors: kCorrupt with the first disagreement; those of opening and reading a blob.
[[nodiscard]] Result<void> validate(const Image& image);

/// The same for every image of a set, and what the set says of them: one image where there is no
/// index; an index whose entries are its images (digest, size, media type) with platforms that do
/// not contradict their configs, no platform twice, one family of media types throughout, and the
/// set's annotations. Errors are those of validate(Image), after the image's platform.
[[nodiscard]] Result<void> validate(const ImageSet& set);

}  // namespace kiln::image
