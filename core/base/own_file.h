#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "core/base/error.h"

namespace kiln {

/// read_file() of a file whose content nobody but this process's user (and root) can have decided.
/// Errors: also kDenied for one that somebody else owns, or that a group or all may write to.
[[nodiscard]] Result<std::string> read_own_file(const std::filesystem::path& path,
                                                std::uint64_t limit_bytes);

}  // namespace kiln
