#pragma once
#include <chrono>
#include <optional>

#include "controller/api/status.h"
#include "core/base/time_text.h"

/// Two writers that put one tag back, each after the other, would never end. What tells that it has
/// come to this is status.lastBuild: its reasons hold one Restored for each time in a row.
namespace kiln::imagebuild {

/// How often the tags were put back in a row, each time from an image that is not Kiln's; 0 where
/// the last build was another one, or is long ago.
[[nodiscard]] std::size_t times_put_back(const std::optional<api::LastBuild>& last, WallTime now);

/// How long to leave a moved tag alone before it is put back once more: nothing at first, then
/// longer each time, up to half an hour.
[[nodiscard]] std::chrono::milliseconds wait_before_putting_back(
    const std::optional<api::LastBuild>& last, WallTime now);

}  // namespace kiln::imagebuild
