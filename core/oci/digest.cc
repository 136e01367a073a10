#include "core/oci/digest.h"

#include "core/base/sha256.h"

namespace kiln::oci {

Result<Digest> Digest::parse(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  constexpr std::size_t kHexLength = 64;
  if (!text.starts_with(kPrefix))
    return Error(Errc::kInvalid, "digest must start with \"sha256:\"");
  const auto hex = text.substr(kPrefix.size());
  if (hex.size() != kHexLength) return Error(Errc::kInvalid, "digest must have 64 hex digits");
  if (hex.find_first_not_of("0123456789abcdef") != hex.npos)
    return Error(Errc::kInvalid, "digest hex must be lower case [0-9a-f]");
  return Digest(hex);
}

Digest Digest::of(std::string_view bytes) {
  return Digest(sha256_hex(bytes));
}

}  // namespace kiln::oci
