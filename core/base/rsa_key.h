#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY.

namespace kiln {

/// A private RSA key that signs. A value, cheap to copy. Threads: any.
class RsaKey {
 public:
  /// From PEM, of PKCS#1 ("BEGIN RSA PRIVATE KEY") or PKCS#8 ("BEGIN PRIVATE KEY"), without a
  /// passphrase and of at least 2048 bits (RFC 7518, 3.3).
  /// Errors: kInvalid, as the end of a sentence that begins with the key's name: "is no …". Never
  /// with a part of the key.
  [[nodiscard]] static Result<RsaKey> parse(const std::string& pem);

  /// RSASSA-PKCS1-v1_5 with SHA-256: RS256 of RFC 7518. Errors: kInternal.
  [[nodiscard]] Result<std::string> sign(std::string_view bytes) const;

 private:
  explicit RsaKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;  // Shared by the copies, never changed.
};

}  // namespace kiln
