#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/work_pool.h"
#include "core/oci/manifest.h"
#include "core/source/source.h"
#include "core/store/image_reader.h"

namespace kiln::build {

/// How much content out of one image may be. Passing one is kInvalid.
struct ImageContentLimits {
  std::uint64_t download_bytes = 64ULL << 30;  ///< Of all layers, as they are stored.
  std::uint64_t content_bytes = 64ULL << 30;   ///< Of all files at the path.
  std::size_t paths = 2'000'000;               ///< At the path.
  std::size_t tars = 256;                      ///< Layers that are laid one on the other.
};

/// Content that is copied out of another image or artifact.
///
/// Of an image: the folder or file at `path` of its file system as a container would see it (upper
/// layers' whiteouts applied, symlinks on the way followed inside its root); a file comes under the
/// name that `path` ends with. Of an index: linux/amd64, or else its first entry, as content is the
/// same for all platforms of the result. Of an artifact: its layers that are tars, one on the
/// other, and every other layer as a file with the name that its "org.opencontainers.image.title"
/// annotation gives. A tar that has such a title is a file too, unless it is annotated to be
/// unpacked, as `oras push` does it.
///
/// Modes, owners and times are those of the image. Devices and FIFOs at the path are refused by
/// name. On disk are the layers while they are read, and then the files at the path alone, all in
/// one file.
class ImageContent final : public source::Source {
 public:
  /// `path`: absolute. `spool_dir` "" = $TMPDIR or /tmp. Shared: `reader` may serve others too.
  /// Lifetime: `pool` outlives the source.
  ImageContent(std::shared_ptr<store::ImageReader> reader, std::string path, std::string spool_dir,
               WorkPool& pool, ImageContentLimits limits = {})
      : reader_(std::move(reader)),
        path_(std::move(path)),
        spool_dir_(std::move(spool_dir)),
        pool_(pool),
        limits_(limits) {}

  std::string description() const override { return "image " + reader_->name(); }
  /// The revision is the digest of what the image's name stands for.
  /// Errors: those of the reader; kInvalid where the image has no such path, an index names no
  /// image, for titles and files that no content may have, and for more than the limits say;
  /// kUnsupported for an index within an index and for what has neither a tar's type nor a title.
  Task<Result<source::Content>> fetch() override;

 private:
  struct Layers;
  Task<Result<oci::Manifest>> manifest();
  Task<Result<Layers>> read_layers(oci::Manifest manifest);
  Task<Result<source::Content>> read_part(Layers layers, std::string path);

  std::shared_ptr<store::ImageReader> reader_;
  std::string path_;
  std::string spool_dir_;
  WorkPool& pool_;
  ImageContentLimits limits_;
  std::string revision_{};
};

}  // namespace kiln::build
