#include "core/base/oldest_files.h"

#include <algorithm>
#include <system_error>
#include <vector>

namespace kiln {

namespace fs = std::filesystem;

void forget_oldest_files(const fs::path& folder, const FolderLimit& limit) {
  struct Kept {
    fs::file_time_type time;
    std::uint64_t size_bytes;
    fs::path path;
  };
  std::vector<Kept> files;
  std::uint64_t bytes = 0;
  std::error_code failed;
  for (auto at = fs::directory_iterator(folder, failed); at != fs::directory_iterator();
       at.increment(failed)) {
    std::error_code gone;
    const auto time = at->last_write_time(gone);
    const auto size = gone ? 0 : at->file_size(gone);
    if (gone) continue;
    files.push_back(Kept{time, size, at->path()});
    bytes += size;
  }
  auto count = files.size();
  if (count <= limit.max_files && bytes <= limit.max_bytes) return;
  const auto most =
      count > limit.max_files && limit.files_left > 0 ? limit.files_left : limit.max_files;
  std::sort(files.begin(), files.end(),
            [](const Kept& a, const Kept& b) { return a.time < b.time; });
  for (const auto& file : files) {
    if (count <= 1 || (count <= most && bytes <= limit.max_bytes)) return;
    fs::remove(file.path, failed);
    bytes -= file.size_bytes;
    --count;
  }
}

}  // namespace kiln
