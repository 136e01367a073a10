#pragma once
#include "core/base/io.h"
#include "core/oci/manifest.h"

namespace kiln::store {

/// How a layer is packed, by its first bytes: media types of archives are guesses. kUnknown: by
/// something that no image may have (bzip2, xz). Reads up to 6 bytes of `layer`.
[[nodiscard]] Result<oci::media_type::LayerCompression> packing_of(ByteSource& layer);

}  // namespace kiln::store
