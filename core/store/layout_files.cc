#include "core/store/layout_files.h"

namespace kiln::store {

Result<std::string> read_small_file(const LayoutFiles& files, const std::string& path,
                                    std::uint64_t limit_bytes) {
  auto file = files.open(path);
  if (!file) return std::move(file).error();
  if (file->size_bytes > limit_bytes)
    return Error(Errc::kInvalid, files.shown(path) + " has " + std::to_string(file->size_bytes) +
                                     " bytes, more than the allowed " +
                                     std::to_string(limit_bytes));
  auto bytes = read_all(*file->source, limit_bytes);
  if (!bytes) return std::move(bytes).error().while_doing(files.shown(path));
  return bytes;
}

}  // namespace kiln::store
