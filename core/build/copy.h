#pragma once
#include <string>
#include <vector>

#include "core/base/task.h"
#include "core/build/pusher.h"
#include "core/store/image_reader.h"

namespace kiln::build {

struct CopyRequest {
  /// The one platform to copy out of an index; unset = the index with all it names.
  std::optional<oci::Platform> platform{};
  std::vector<std::string> tags{};  ///< "" = by digest alone.
  AccessTo origins{};               ///< How to read blobs, where `from` is a registry.
  PushListener listener{};

  CopyRequest() = default;  // Not an aggregate: may travel through co_await.
};

struct CopyReport {
  PushReport push{};
  oci::RawManifest top;  ///< What the tags point at now.

  explicit CopyReport(oci::RawManifest t) : top(std::move(t)) {}
};

/// Copies an image as it is: manifests byte for byte, so that digests stay, with everything an
/// index names (other operating systems, attestations and artifacts too). Layers that must not be
/// distributed stay behind, as their descriptors say where to get them.
/// Order: blobs, manifests, index, tags; all once more where the destination proves to lack what it
/// said it had (kConflict). Errors: those of both sides; kNotFound where the index has no such
/// platform, naming those it has. Lifetime: `from`, `to` and `registry` outlive the task.
[[nodiscard]] Task<Result<CopyReport>> copy_image(store::ImageReader& from, store::Destination& to,
                                                  registry::Client& registry, CopyRequest request);

}  // namespace kiln::build
