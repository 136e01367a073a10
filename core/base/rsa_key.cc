#include "core/base/rsa_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

namespace kiln {
namespace {

constexpr int kLeastBits = 2048;

/// What OpenSSL complains about stays in a list of the thread's, which whoever is next would read.
struct ForgetErrors {
  ~ForgetErrors() { ERR_clear_error(); }
};

/// A program must not ask on the terminal for a passphrase.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

Result<RsaKey> RsaKey::parse(const std::string& pem) {
  const ForgetErrors forget;
  if (pem.find("-----BEGIN ") == pem.npos)
    return Error(Errc::kInvalid, "is no PEM: it must begin with -----BEGIN");
  if (pem.find("ENCRYPTED") != pem.npos)
    return Error(Errc::kInvalid, "is locked with a passphrase: store it without one");
  const std::unique_ptr<BIO, decltype(&BIO_free)> bytes(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  std::shared_ptr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bytes.get(), nullptr, &no_passphrase, nullptr), &EVP_PKEY_free);
  if (!key)
    return Error(Errc::kInvalid, "is no private key: it is cut off, changed, or another kind");
  if (EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)
    return Error(Errc::kInvalid, "is no RSA key");
  const auto bits = EVP_PKEY_get_bits(key.get());
  if (bits < kLeastBits)
    return Error(Errc::kInvalid, "has " + std::to_string(bits) + " bits, and it must have 2048");
  return RsaKey(std::move(key));
}

Result<std::string> RsaKey::sign(std::string_view bytes) const {
  const ForgetErrors forget;
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  const auto* input = reinterpret_cast<const unsigned char*>(bytes.data());
  std::string signature;
  std::size_t size = 0;
  bool good = context != nullptr &&
              EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
              EVP_DigestSign(context.get(), nullptr, &size, input, bytes.size()) == 1;
  if (good) {
    signature.resize(size);
    good = EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                          input, bytes.size()) == 1;
  }
  if (!good) return Error(Errc::kInternal, "OpenSSL cannot sign with this key");
  signature.resize(size);
  return signature;
}

}  // namespace kiln
