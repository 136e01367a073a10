#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln {

/// read_file() of a file whose content nobody but this process's user (and root) can have decided.
/// Errors: also kDenied for one that somebody else owns, or that a group or all may write to.
[[nodiscard]] Result<std::string> read_own_file(const std::filesystem::path& path,
                                                std::uint64_t limit_bytes);

/// Writes such a file: aside, with mode 0600, and then in place; makes its folder where there is
/// none. Unlike write_file_atomically() it does not wait for the disk, as caches need not: after a
/// crash of the machine the file may be cut or empty, so it must show whether it is whole.
[[nodiscard]] Result<void> write_own_file(const std::filesystem::path& path,
                                          std::string_view bytes);

}  // namespace kiln
