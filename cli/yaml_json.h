#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace kiln::cli {

/// One document of a YAML stream, as JSON text. Scalars resolve as kubectl resolves them (YAML 1.1:
/// 0644 is octal, yes is true); quoted ones are strings.
struct YamlDocument {
  std::string json;
  int line = 1;  ///< Where it begins in its file.

  YamlDocument(std::string j, int l) : json(std::move(j)), line(l) {}
};

/// Empty documents are left out. JSON is YAML, so JSON files work too.
/// Errors: kInvalid with line and column: not YAML, anchors and aliases (refused: they can blow up
/// a small file), a key that stands twice, keys that are no scalars, more than 64 levels.
[[nodiscard]] Result<std::vector<YamlDocument>> read_yaml(std::string_view text);

}  // namespace kiln::cli
