#pragma once
#include <filesystem>
#include <memory>

#include "core/store/layout_files.h"

namespace kiln::store {

/// The files below a folder and none but those: symlinks are followed as long as they stay inside
/// it, whatever is exchanged meanwhile. `directory` itself may be a symlink: the user named it.
/// Errors: as errno_error; kUnsupported where the kernel or a seccomp filter has no openat2.
[[nodiscard]] Result<std::shared_ptr<const LayoutFiles>> open_layout_folder(
    const std::filesystem::path& directory);

}  // namespace kiln::store
