#pragma once
// Heavy: include it in .cc files only. Public headers keep JSON as text or hide it behind a
// pointer.
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln {

using Json = nlohmann::json;

/// Parses untrusted JSON. Refuses more than `max_depth` nested containers (deep nesting would
/// overflow the stack later, when the value is written or compared) and anything after the value.
/// Errors: kInvalid, with the position; never with a copy of the text.
[[nodiscard]] Result<Json> parse_json(std::string_view text, std::size_t max_depth = 64);

/// Compact, keys sorted, no escapes beyond what JSON demands: equal values give equal bytes.
/// Bytes that are not UTF-8 become U+FFFD.
std::string dump_json(const Json& value);

/// The string at `key`, or "" when it is absent or not a string. For tolerant readers.
std::string json_string(const Json& object, std::string_view key);

/// The object or array at `key`, or a shared null value when absent.
const Json& json_at(const Json& object, std::string_view key);

}  // namespace kiln
