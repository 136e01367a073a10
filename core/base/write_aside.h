#pragma once
#include <filesystem>
#include <functional>

#include "core/base/file.h"

namespace kiln {

/// Lets `write` fill a new file of mode 0600 beside `path`, and puts it in place; removes it when
/// that fails. Errors: also those of `write`.
[[nodiscard]] Result<void> write_aside(const std::filesystem::path& path,
                                       const std::function<Result<void>(int fd)>& write);

}  // namespace kiln
