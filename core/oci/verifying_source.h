#pragma once
#include <memory>
#include <optional>
#include <utility>

#include "core/base/io.h"
#include "core/base/sha256.h"
#include "core/oci/manifest.h"

namespace kiln::oci {

/// Passes bytes on and checks that they are those of `expected`: whoever reads to the end without
/// an error has read exactly that blob. The digest is checked with the last byte, for those who
/// know the size and do not ask for more. Errors: kCorrupt, also as soon as there are too many
/// bytes; the source's own. After one every read answers it again.
class VerifyingSource final : public ByteSource {
 public:
  VerifyingSource(std::unique_ptr<ByteSource> source, Descriptor expected)
      : source_(std::move(source)), expected_(std::move(expected)) {}
  Result<std::size_t> read(std::span<char> buffer) override;

 private:
  Result<std::size_t> read_checked(std::span<char> buffer);

  std::unique_ptr<ByteSource> source_;
  Descriptor expected_;
  Sha256 hash_;
  std::uint64_t size_bytes_ = 0;
  bool checked_ = false;
  std::optional<Error> failed_;
};

}  // namespace kiln::oci
