#pragma once
// What the fuzzers share: claims, and how an input is taken apart.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/base/encoding.h"
#include "core/base/error.h"

namespace kiln::fuzzing {

/// A claim that must hold whatever the input. Aborts, which libFuzzer and the replay report.
inline void require(bool claim, const char* what) {
  if (claim) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// What stands before the first `end`, which is taken away with it; all when there is none.
inline std::string_view take_part(std::string_view& rest, char end) {
  const auto at = std::min(rest.find(end), rest.size());
  const auto part = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return part;
}

inline std::vector<std::string_view> parts_of(std::string_view text, char end) {
  std::vector<std::string_view> parts;
  while (!text.empty()) parts.push_back(take_part(text, end));
  return parts;
}

/// C0, DEL, and U+0080 to U+009F, which terminals obey as well.
inline bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) return true;
  }
  return false;
}

/// What a request line or a header field may carry without doubt.
inline bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// One line for people that a hostile input cannot make long.
inline void require_short_line(std::string_view text, std::size_t limit_bytes) {
  require(!text.empty(), "an error says something");
  require(text.size() <= limit_bytes, "an error is short, however long the input");
  require(!has_control(text), "an error has no control characters");
}

}  // namespace kiln::fuzzing
