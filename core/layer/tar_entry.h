#pragma once
// From libarchive's view of a header to ours. Heavy: for .cc files of this folder only.
#include <archive_entry.h>

#include <optional>

#include "core/layer/tar_reader.h"

namespace kiln::layer {

/// What `header` says, name and hard link target cleaned; unset for the names that AUFS wrote for
/// itself. Errors: kCorrupt, see TarReader.
[[nodiscard]] Result<std::optional<TarEntry>> tar_entry_of(archive_entry* header);

}  // namespace kiln::layer
