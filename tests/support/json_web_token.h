#pragma once
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/base/encoding.h"
#include "core/base/json.h"

namespace kiln::testing {

template <class Write>
std::string written_pem(Write write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  if (write(out.get()) != 1) throw std::runtime_error("OpenSSL writes no key");
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

/// An RSA key that is made for a test, and what checks a signature of it: by OpenSSL itself, with
/// the public half alone.
class MadeRsaKey {
 public:
  explicit MadeRsaKey(unsigned bits = 2048) : key_(EVP_RSA_gen(bits), &EVP_PKEY_free) {
    if (!key_) throw std::runtime_error("OpenSSL makes no key");
  }

  /// As GitHub gives it: PKCS#1.
  std::string pem() const {
    return written_pem([&](BIO* out) {
      return PEM_write_bio_PrivateKey_traditional(out, key_.get(), nullptr, nullptr, 0, nullptr,
                                                  nullptr);
    });
  }
  std::string pkcs8_pem() const {
    return written_pem([&](BIO* out) {
      return PEM_write_bio_PKCS8PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  std::string locked_pem(const std::string& passphrase) const {
    return written_pem([&](BIO* out) {
      return PEM_write_bio_PKCS8PrivateKey(out, key_.get(), EVP_aes_128_cbc(), passphrase.data(),
                                           static_cast<int>(passphrase.size()), nullptr, nullptr);
    });
  }
  std::string public_pem() const {
    return written_pem([&](BIO* out) { return PEM_write_bio_PUBKEY(out, key_.get()); });
  }

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

/// A key of another kind.
inline std::string made_elliptic_pem() {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                &EVP_PKEY_free);
  return written_pem([&](BIO* out) {
    return PEM_write_bio_PKCS8PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

/// RS256 of RFC 7518.
inline bool is_signed_by(const std::string& public_pem, std::string_view text,
                         std::string_view signature) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(
      BIO_new_mem_buf(public_pem.data(), static_cast<int>(public_pem.size())), &BIO_free);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  const auto bytes = [](std::string_view s) {
    return reinterpret_cast<const unsigned char*>(s.data());
  };
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(text),
                          text.size()) == 1;
}

inline std::string base64url_decode(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  const auto bytes = base64_decode(text);
  return bytes ? *bytes : "";
}

/// What a JSON Web Token claims, if it is one of RS256 that the key has signed.
inline std::optional<Json> claims_of(const std::string& token, const std::string& public_pem) {
  const auto first = token.find('.');
  const auto second = token.find('.', first + 1);
  if (first == token.npos || second == token.npos) return std::nullopt;
  const auto header = parse_json(base64url_decode(token.substr(0, first)));
  const auto claims = parse_json(base64url_decode(token.substr(first + 1, second - first - 1)));
  if (!header || json_string(*header, "alg") != "RS256" || !claims) return std::nullopt;
  if (!is_signed_by(public_pem, token.substr(0, second),
                    base64url_decode(token.substr(second + 1))))
    return std::nullopt;
  return *claims;
}

}  // namespace kiln::testing
