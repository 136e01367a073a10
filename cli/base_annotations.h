#pragma once
#include "core/oci/manifest.h"
#include "core/oci/reference.h"

namespace kiln::cli {

// What an image says of the base it stands on. Source: image-spec v1.1, annotations.md.
inline constexpr const char* kBaseName = "org.opencontainers.image.base.name";
inline constexpr const char* kBaseDigest = "org.opencontainers.image.base.digest";

inline oci::Annotations base_annotations(const oci::Reference& base, const oci::Digest& digest) {
  const auto named = base.tag().empty() ? base : base.with_tag(base.tag());
  return {{kBaseName, named.str()}, {kBaseDigest, digest.str()}};
}

}  // namespace kiln::cli
