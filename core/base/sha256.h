#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/io.h"

namespace kiln {

using Sha256Sum = std::array<std::uint8_t, 32>;

/// SHA-256, fed in pieces (OpenSSL's implementation: SHA-NI where the CPU has it).
/// Threads: one object, one thread. Movable, not copyable.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::string_view bytes);
  /// The sum of all that was fed. Ends this object's use.
  Sha256Sum finish();
  std::string finish_hex();  ///< finish() as 64 characters of [0-9a-f].

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

Sha256Sum sha256(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
/// Of all that `source` yields. Errors: the source's own.
[[nodiscard]] Result<Sha256Sum> sha256(ByteSource& source);
[[nodiscard]] Result<std::string> sha256_hex(ByteSource& source);

/// HMAC-SHA-256 (RFC 2104).
Sha256Sum hmac_sha256(std::string_view key, std::string_view bytes);

/// Are both the same? For what a stranger may guess at: how long it takes tells nothing of where
/// they differ.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace kiln
