#pragma once
// For .cc files of this folder only.
#include <cstdint>
#include <string>

#include "core/base/io.h"
#include "core/base/sha256.h"
#include "core/layer/archive_reading.h"
#include "core/layer/tar_reader.h"
#include "core/oci/digest.h"

namespace kiln::layer {

/// Hashes and counts what goes through.
class HashingSource final : public ByteSource {
 public:
  /// Lifetime: `next` outlives it.
  explicit HashingSource(ByteSource& next) : next_(next) {}
  Result<std::size_t> read(std::span<char> buffer) override;

  std::uint64_t size_bytes() const { return size_bytes_; }
  Result<oci::Digest> finish() { return oci::Digest::parse("sha256:" + hash_.finish_hex()); }

 private:
  ByteSource& next_;
  Sha256 hash_;
  std::uint64_t size_bytes_ = 0;
};

/// The tar in a layer (plain, gzip or zstd), as bytes. Reads the layer to its own end.
/// Errors: kCorrupt (a broken stream), kInvalid (a limit), and the layer's own.
class UnpackedSource final : public ByteSource {
 public:
  /// Lifetime: `compressed` outlives it.
  UnpackedSource(ByteSource& compressed, const ReadLimits& limits)
      : input_(compressed), limits_(limits) {}
  Result<std::size_t> read(std::span<char> buffer) override;

 private:
  Result<void> open();
  Result<void> check_limits() const;

  ArchiveInput input_;
  const ReadLimits limits_;
  bool opened_ = false;
};

}  // namespace kiln::layer
