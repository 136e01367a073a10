#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace kiln {

/// "a, b, c, d, e and 7 more": what there is, of which `most` are named.
inline std::string some_of(const std::vector<std::string>& names, std::size_t most = 5) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

}  // namespace kiln
