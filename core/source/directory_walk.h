#pragma once
#include <filesystem>
#include <vector>

#include "core/base/error.h"
#include "core/layer/entry.h"
#include "core/source/directory_source.h"
#include "core/source/file_checksums.h"

namespace kiln::source {

struct Walked {
  std::vector<layer::Entry> entries{};
  std::vector<FileVersion> versions{};  ///< Of the entries, in the same order; empty but for files.
};

/// All entries below `root` (or `root` itself, a file), in no particular order, hard links already
/// told from their files. Files are stamped, not read; their contents keep the folder open.
/// Blocking. At most three descriptors are open at a time, however deep the tree, and the stack
/// does not grow. Errors: see DirectorySource::fetch.
[[nodiscard]] Result<Walked> walk_directory(const std::filesystem::path& root,
                                            const DirectoryOptions& options);

}  // namespace kiln::source
