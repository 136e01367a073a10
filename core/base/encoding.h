#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln {

std::string to_hex(std::span<const std::uint8_t> bytes);  ///< Lower case.

/// RFC 4648 part 4 (with padding).
std::string base64_encode(std::string_view bytes);

/// RFC 4648 part 5, without padding, as JSON Web Tokens have it.
std::string base64url_encode(std::string_view bytes);

/// Strict: padding required, no white space. Errors: kInvalid.
[[nodiscard]] Result<std::string> base64_decode(std::string_view text);

/// RFC 3986: everything but unreserved characters becomes %XX; for one part of a path or a query
/// value.
std::string percent_encode(std::string_view text);

/// True for well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view text);

}  // namespace kiln
