#pragma once
#include <cstdint>

#include "core/base/io.h"
#include "core/layer/tar_reader.h"
#include "core/oci/digest.h"

namespace kiln::layer {

/// What a whole layer turned out to be.
struct LayerFacts {
  oci::Digest digest;  ///< Of the compressed bytes.
  std::uint64_t size_bytes = 0;
  oci::Digest diff_id;  ///< Of the tar in it.
  std::uint64_t uncompressed_bytes = 0;
};

/// Reads a layer (plain, gzip or zstd) to its end and, where `tar` is given, writes what it unpacks
/// to into it. What the tar holds is not looked at. Blocking: for the WorkPool.
///
/// Errors: kCorrupt (a broken stream), kInvalid (it unpacks to more than `limits` allow), and those
/// of the source and the sink.
[[nodiscard]] Result<LayerFacts> unpack_layer(ByteSource& compressed, ByteSink* tar,
                                              const ReadLimits& limits);

}  // namespace kiln::layer
