#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "core/base/io.h"

namespace kiln::layer {

/// The profiles of `spec.output.compression`. See decision 3 of docs/architecture.md: no thread
/// count, buffer size or CPU changes a byte, or else the encoder id is another.
enum class Compression {
  /// ISA-L level 2 in stateless 1 MiB blocks, one gzip member. Where ISA-L's bytes are not the
  /// known
  /// ones (a CPU without SSE4.2, another version of the library): zlib level 6, framed alike.
  kGzip,
  kGzipSmall,  ///< libdeflate level 7 over the whole layer (256 MiB at most); smaller and slower.
  kZstd,       ///< zstd level 3, single-worker streaming. OCI only.
};

/// Errors: kInvalid, listing the names ("gzip", "gzip-small", "zstd"; also as the API writes them:
/// "Gzip", "GzipSmall", "Zstd").
[[nodiscard]] Result<Compression> parse_compression(std::string_view text);

/// Names the encoder whose bytes these are, e.g. "igzip-2/1": another id means another digest. Part
/// of the input key and of the status; changes only when bytes change.
std::string encoder_id(Compression compression);

/// Compresses what is written to it and writes the result on to `out`. The sizes of the writes do
/// not matter: equal bytes give equal bytes.
///
/// Errors: of `out`; kInvalid beyond 256 MiB with kGzipSmall.
///
/// Threads: one object, one thread.
class Compressor : public ByteSink {
 public:
  /// Ends the stream. Nothing may be written after it.
  [[nodiscard]] virtual Result<void> finish() = 0;
};

/// Lifetime: `out` must outlive the compressor.
std::unique_ptr<Compressor> make_compressor(Compression compression, ByteSink& out);

}  // namespace kiln::layer
