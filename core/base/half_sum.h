#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "core/base/sha256.h"

namespace kiln {

/// The first half of a text's SHA-256: in the place of long texts where many are kept only to be
/// found again. No two texts are known that have the same.
using HalfSum = std::array<std::uint8_t, 16>;

inline HalfSum half_sum(std::string_view text) {
  const auto sum = sha256(text);
  HalfSum half{};
  std::copy_n(sum.begin(), half.size(), half.begin());
  return half;
}

}  // namespace kiln
