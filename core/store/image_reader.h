#pragma once
#include <optional>
#include <string>

#include "core/base/task.h"
#include "core/image/image.h"
#include "core/layer/layer.h"
#include "core/oci/digest.h"
#include "core/oci/manifest.h"

namespace kiln::store {

/// One image (or index of images) in a place that images are read from: a registry, an OCI layout,
/// an archive, a daemon. The counterpart of Destination.
///
/// All bytes are checked against size and digest before they are answered.
/// Errors of all calls: kNotFound (no such image, manifest or blob), kCorrupt (bytes are not what
/// their digest says, or no manifest), and those of the medium.
/// Threads: the I/O executor; files are read on the pool. Cancellation: at any point.
class ImageReader {
 public:
  virtual ~ImageReader() = default;
  /// For messages, as the user wrote it: "nginx:1.27", "oci:DIR:TAG".
  virtual std::string name() const = 0;

  /// The manifest or index that the image's name stands for.
  [[nodiscard]] virtual Task<Result<oci::RawManifest>> top() = 0;
  /// A manifest that an index names.
  [[nodiscard]] virtual Task<Result<oci::RawManifest>> manifest(oci::Descriptor descriptor) = 0;
  /// A small blob (config) in memory; at most 8 MiB.
  [[nodiscard]] virtual Task<Result<std::string>> small_blob(oci::Descriptor blob) = 0;

  /// Where the bytes of a layer (or any large blob) can be had, without reading them yet: with a
  /// `blob` that opens a local file, or the `repository` that has it.
  [[nodiscard]] virtual Task<Result<image::LayerSource>> locate(oci::Descriptor blob) = 0;
  /// The bytes of a layer as a blob that can be opened here, verified; a registry's are downloaded
  /// into a nameless file first.
  [[nodiscard]] virtual Task<Result<layer::Blob>> fetch(oci::Descriptor blob) = 0;
};

}  // namespace kiln::store
