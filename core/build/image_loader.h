#pragma once
#include <vector>

#include "core/base/task.h"
#include "core/build/builder.h"
#include "core/store/image_reader.h"

namespace kiln::build {

/// Reads an image with manifests and configs, but no layer's bytes. `wanted` empty = every Linux
/// platform; else those that are asked for. Of an index's entries for one platform the first counts
/// (image-spec: "the first match"), and its platform is what the index says.
/// Errors: those of the reader; kUnsupported for an index within an index; kInvalid for more than
/// 64 platforms. Lifetime: `reader` outlives the task.
[[nodiscard]] Task<Result<ResolvedImage>> load_image(store::ImageReader& reader,
                                                     std::vector<oci::Platform> wanted);
/// The same, where the reader has told its `top` already.
[[nodiscard]] Task<Result<ResolvedImage>> load_image(store::ImageReader& reader,
                                                     oci::RawManifest top,
                                                     std::vector<oci::Platform> wanted);

}  // namespace kiln::build
