#pragma once
#include <cstdint>

#include "core/base/io.h"
#include "core/oci/digest.h"

namespace kiln::layer {

/// What a whole layer turned out to be.
struct LayerFacts {
  oci::Digest digest;  ///< Of the compressed bytes.
  std::uint64_t size_bytes = 0;
  oci::Digest diff_id;  ///< Of the tar in it.
  std::uint64_t uncompressed_bytes = 0;
};

/// Reads a layer (plain, gzip or zstd tar) that this program made, to its end, and checks what
/// image-spec v1.1, layer.md asks of a tar: no path twice, parents before children, hard links
/// after their files. For tests and for checking one's own work: keeps every name in memory, has no
/// limits. Blocking: for the WorkPool.
///
/// Errors: kCorrupt with the first thing wrong; the source's own.
[[nodiscard]] Result<LayerFacts> check_layer(ByteSource& compressed);

}  // namespace kiln::layer
