#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace kiln {

/// How much a folder of a cache may hold.
struct FolderLimit {
  std::size_t max_files = SIZE_MAX;
  std::uint64_t max_bytes = UINT64_MAX;
  /// So many files are left where there are more than max_files; 0 = max_files. Fewer, so that not
  /// every new file makes somebody look for the oldest.
  std::size_t files_left = 0;
};

/// Removes the files of `folder` that were written (or touched) longest ago, until it holds no more
/// than it may. The newest one stays, however large. What cannot be removed or is gone meanwhile is
/// no error. Blocking.
void forget_oldest_files(const std::filesystem::path& folder, const FolderLimit& limit);

}  // namespace kiln
