#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/base/io.h"
#include "core/layer/compressor.h"
#include "core/layer/file_tree.h"
#include "core/layer/tar_writer.h"
#include "core/oci/manifest.h"

namespace kiln::layer {

/// A blob whose bytes can be had again and again: in memory, or in a file. Cheap to copy.
class Blob {
 public:
  using Open = std::function<Result<std::unique_ptr<ByteSource>>()>;
  Blob(oci::Descriptor descriptor, Open open)
      : descriptor_(std::move(descriptor)), open_(std::move(open)) {}
  /// From bytes in memory; the digest is computed.
  static Blob of(std::string media_type, std::string bytes);

  const oci::Descriptor& descriptor() const { return descriptor_; }
  Result<std::unique_ptr<ByteSource>> open() const { return open_(); }

 private:
  oci::Descriptor descriptor_;
  Open open_;
};

/// Told of bytes that were worked on since it was told last. Threads: any. Empty = nobody listens.
using Progress = std::function<void(std::uint64_t bytes)>;

struct LayerOptions {
  Compression compression = Compression::kGzip;
  TimestampPolicy timestamps{};
  bool docker_media_types = false;
  /// Bytes of compressed layer kept in memory; beyond it they spool to an unlinked file in
  /// `spool_dir`.
  std::uint64_t memory_limit_bytes = 4 * 1024 * 1024;
  std::string spool_dir{};  ///< "" = $TMPDIR or /tmp.
  Progress progress{};      ///< Told of uncompressed bytes as they go in.
  /// Hashes and compresses on a second thread, beside reading. For those who have processors left:
  /// many layers at once need no second thread each. No byte depends on it.
  bool two_threads = false;
};

/// A finished layer.
struct Layer {
  Blob blob;            ///< Compressed, with the descriptor a manifest carries.
  oci::Digest diff_id;  ///< Of the uncompressed tar.
  std::uint64_t uncompressed_bytes = 0;
  std::uint64_t files = 0;          ///< Regular files in it.
  std::uint64_t content_bytes = 0;  ///< Their bytes.

  Layer(Blob b, oci::Digest d) : blob(std::move(b)), diff_id(std::move(d)) {}
};

/// tar → compressor → two digests, in one pass over the content. Runs on the WorkPool (blocking).
///
/// Order of the tar: by path (sorted_before), but whiteouts before their siblings, and hard links
/// at the end, with the mode, owner, time and xattrs of their file. The caller adds the parents it
/// wants. Errors: of the content; kNoSpace when the spool's disk is full; kInvalid for a hard link
/// to something that is no file of `tree`, for zstd with Docker media types, and of the compressor.
[[nodiscard]] Result<Layer> make_layer(const FileTree& tree, const LayerOptions& options);

/// The same for a tar that comes from elsewhere: `write` writes it into the sink it is given.
/// `files` and `content_bytes` of the layer are left at 0.
[[nodiscard]] Result<Layer> compress_layer(const std::function<Result<void>(ByteSink& tar)>& write,
                                           const LayerOptions& options);

}  // namespace kiln::layer
