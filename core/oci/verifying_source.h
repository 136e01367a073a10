#pragma once
#include <memory>
#include <utility>

#include "core/base/io.h"
#include "core/base/sha256.h"
#include "core/oci/manifest.h"

namespace kiln::oci {

/// Passes bytes on and checks at the end that they are those of `expected`: whoever reads to the
/// end without an error has read exactly that blob. Errors: kCorrupt, also as soon as there are too
/// many bytes; the source's own.
class VerifyingSource final : public ByteSource {
 public:
  VerifyingSource(std::unique_ptr<ByteSource> source, Descriptor expected)
      : source_(std::move(source)), expected_(std::move(expected)) {}
  Result<std::size_t> read(std::span<char> buffer) override;

 private:
  std::unique_ptr<ByteSource> source_;
  Descriptor expected_;
  Sha256 hash_;
  std::uint64_t size_bytes_ = 0;
  bool ended_ = false;
};

}  // namespace kiln::oci
