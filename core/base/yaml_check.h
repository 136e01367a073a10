#pragma once
#include <string_view>

#include "core/base/error.h"

namespace kiln {

/// That reading `text` as YAML costs no more than its size lets expect: no anchors and aliases
/// (some lines of them stand for a billion values, or for one that holds itself), at most 64
/// levels. What is no YAML at all is left to whoever reads it. Errors: kInvalid with the line;
/// never with a copy of the text.
[[nodiscard]] Result<void> check_yaml(std::string_view text);

}  // namespace kiln
