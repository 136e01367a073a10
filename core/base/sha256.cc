#include "core/base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <new>

#include "core/base/encoding.h"

namespace kiln {

struct Sha256::Context {
  Context() : evp(EVP_MD_CTX_new()) {
    if (evp == nullptr || EVP_DigestInit_ex(evp, EVP_sha256(), nullptr) != 1)
      throw std::bad_alloc();
  }
  ~Context() { EVP_MD_CTX_free(evp); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  EVP_MD_CTX* evp;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  EVP_DigestUpdate(context_->evp, bytes.data(), bytes.size());
}

Sha256Sum Sha256::finish() {
  Sha256Sum sum{};
  EVP_DigestFinal_ex(context_->evp, sum.data(), nullptr);
  return sum;
}

std::string Sha256::finish_hex() {
  return to_hex(finish());
}

Sha256Sum sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string sha256_hex(std::string_view bytes) {
  return to_hex(sha256(bytes));
}

Result<Sha256Sum> sha256(ByteSource& source) {
  struct HashSink final : ByteSink {
    Result<void> write(std::string_view bytes) override {
      hash.update(bytes);
      return {};
    }
    Sha256 hash;
  } sink;
  KILN_TRY(copy_all(source, sink));
  return sink.hash.finish();
}

Result<std::string> sha256_hex(ByteSource& source) {
  const auto sum = sha256(source);
  if (sum.has_error()) return sum.error();
  return to_hex(*sum);
}

Sha256Sum hmac_sha256(std::string_view key, std::string_view bytes) {
  Sha256Sum sum{};
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), sum.data(), &length);
  return sum;
}

bool equal_secrets(std::string_view a, std::string_view b) {
  // Sums are of one length, whatever the texts' are.
  const auto sum_a = sha256(a);
  const auto sum_b = sha256(b);
  return CRYPTO_memcmp(sum_a.data(), sum_b.data(), sum_a.size()) == 0;
}

}  // namespace kiln
