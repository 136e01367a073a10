#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln::layer {

/// What each block of a gzip layer holds before compression, the last one aside.
inline constexpr std::size_t kDeflateBlockBytes = 1 << 20;

/// Some deflate blocks that end at a byte boundary, refer to nothing before them and are not final:
/// such pieces can be made in any order, on any thread, and joined.
struct DeflatedBlock {
  std::string bytes;
  std::uint32_t crc32 = 0;       ///< Of the uncompressed bytes, as gzip counts.
  std::uint64_t size_bytes = 0;  ///< Uncompressed.
};

/// Deflates one block at a time, as a function of its bytes alone.
/// Threads: one object, one thread; several objects may work side by side.
class BlockDeflater {
 public:
  virtual ~BlockDeflater() = default;
  /// `input`: 1 byte to kDeflateBlockBytes. Errors: kInternal.
  [[nodiscard]] virtual Result<DeflatedBlock> deflate(std::string_view input) = 0;
};

/// ISA-L, level 2, stateless with a full flush. Its bytes depend on the CPU's hash instructions.
std::unique_ptr<BlockDeflater> make_isal_deflater();
/// zlib, level 6; the same bytes everywhere.
std::unique_ptr<BlockDeflater> make_zlib_deflater();

/// True when ISA-L gives here the bytes that the encoder id "igzip-2/1" stands for; found out once,
/// by compressing a known text. Threads: any.
bool isal_bytes_are_known();

/// The text of that test and the CRC-32 of what must come of it; for tests.
std::string isal_probe_text();
std::uint32_t isal_probe_crc();
inline constexpr std::uint32_t kIsalProbeCrc = 0x28eae425;

}  // namespace kiln::layer
