#include "core/base/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <new>

#include "core/base/encoding.h"

namespace kiln {
namespace {

/// Looked up once: OpenSSL takes locks for it, which costs more than hashing a small file.
const EVP_MD* algorithm() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return fetched != nullptr ? fetched : EVP_sha256();
}

class Hashing {
 public:
  Hashing() : context_(EVP_MD_CTX_new()) { begin(); }
  ~Hashing() { EVP_MD_CTX_free(context_); }
  Hashing(const Hashing&) = delete;
  Hashing& operator=(const Hashing&) = delete;

  /// Also once more, after finish().
  void begin() {
    if (context_ == nullptr || EVP_DigestInit_ex2(context_, algorithm(), nullptr) != 1)
      throw std::bad_alloc();
  }
  void update(std::string_view bytes) { EVP_DigestUpdate(context_, bytes.data(), bytes.size()); }
  Sha256Sum finish() {
    Sha256Sum sum{};
    EVP_DigestFinal_ex(context_, sum.data(), nullptr);
    return sum;
  }

 private:
  EVP_MD_CTX* context_;
};

}  // namespace

struct Sha256::Context : Hashing {};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  context_->update(bytes);
}

Sha256Sum Sha256::finish() {
  return context_->finish();
}

std::string Sha256::finish_hex() {
  return to_hex(finish());
}

Sha256Sum sha256(std::string_view bytes) {
  // A new one takes longer than hashing a small file.
  static thread_local Hashing hashing;
  hashing.begin();
  hashing.update(bytes);
  return hashing.finish();
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
