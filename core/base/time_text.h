#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln {

using WallTime = std::chrono::sys_seconds;

/// RFC 3339 in UTC with whole seconds, as OCI configs have it: "2020-01-01T00:00:00Z".
std::string format_rfc3339(WallTime time);

/// Reads RFC 3339 with any fraction and offset; the fraction is dropped. Errors: kInvalid.
[[nodiscard]] Result<WallTime> parse_rfc3339(std::string_view text);

/// Go's duration syntax: "1h30m", "1.5s", "250ms", "0". Errors: kInvalid with what to write
/// instead.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "10m", "1h30m", "1.5s", "250ms": the shortest form Go users know.
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace kiln
