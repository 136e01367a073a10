#pragma once
#include <compare>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln::oci {

/// The address of some content, e.g. "sha256:9f86d081...". A small immutable value.
/// Invariant: every Digest that exists is well formed, so nobody checks it twice.
class Digest {
 public:
  /// Source: OCI image-spec v1.1, descriptor.md, "Digests" (sha256 is the one we accept).
  /// Errors: kInvalid, naming the part that is wrong.
  [[nodiscard]] static Result<Digest> parse(std::string_view text);

  /// The digest of `bytes`.
  static Digest of(std::string_view bytes);

  const std::string& hex() const { return hex_; }  ///< 64 characters of [0-9a-f].
  std::string str() const { return "sha256:" + hex_; }
  std::string short_hex() const { return hex_.substr(0, 12); }  ///< For people and tag names.
  friend auto operator<=>(const Digest&, const Digest&) = default;

 private:
  explicit Digest(std::string_view hex) : hex_(hex) {}
  std::string hex_;
};

}  // namespace kiln::oci
