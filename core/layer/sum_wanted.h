#pragma once
#include "core/base/error.h"
#include "core/base/sha256.h"

namespace kiln::layer {

/// A ByteSource of a file may be this too: then whoever hashes all of its bytes tells it their
/// SHA-256, so that nobody has to read them once more for it. TarWriter does.
/// Threads: as the source.
class SumWanted {
 public:
  virtual ~SumWanted() = default;
  /// Once, after the last byte. Errors: kConflict when the file had another one before.
  [[nodiscard]] virtual Result<void> tell_sum(const Sha256Sum& sum) = 0;
};

}  // namespace kiln::layer
