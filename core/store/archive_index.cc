#include "core/store/archive_index.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/redact.h"
#include "core/layer/path_walk.h"

namespace kiln::store {
namespace {

using layer::EntryKind;

layer::ReadLimits limits_for(std::uint64_t file_bytes) {
  layer::ReadLimits limits;
  limits.max_entries = 100'000;
  limits.max_metadata_bytes = 64 << 20;
  // A plain tar is no larger than its file, which is not unpacked.
  limits.max_uncompressed_bytes = std::max(limits.max_uncompressed_bytes, file_bytes);
  return limits;
}

/// "./a//b" → "a/b"; unset for what would leave the tar.
std::optional<std::string> clean_name(std::string_view path) {
  std::string clean;
  if (path.starts_with('/')) return std::nullopt;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    const auto part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (part == "..") return std::nullopt;
    if (part.empty() || part == ".") continue;
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  return clean;
}

}  // namespace

Result<std::shared_ptr<const ArchiveIndex>> ArchiveIndex::open(const std::filesystem::path& file,
                                                               const std::string& spool_dir) {
  auto fd = open_for_reading(file);
  if (!fd) return std::move(fd).error();
  return of(std::move(*fd), file.string(), spool_dir);
}

Result<std::shared_ptr<const ArchiveIndex>> ArchiveIndex::of(UniqueFd file, std::string name,
                                                             const std::string& spool_dir) {
  std::shared_ptr<ArchiveIndex> index(new ArchiveIndex(std::move(file), std::move(name)));
  auto read = index->read(spool_dir);
  if (!read) return std::move(read).error().while_doing(index->name_);
  return std::shared_ptr<const ArchiveIndex>(std::move(index));
}

std::string ArchiveIndex::shown(const std::string& path) const {
  return sanitize_server_text(path) + " in " + name_;
}

Result<void> ArchiveIndex::read(const std::string& spool_dir) {
  struct stat info {};
  if (::fstat(file_->get(), &info) != 0) return errno_error(errno, "cannot look at", name_);
  SharedFileSource source(file_);
  auto reader =
      layer::TarReader::open(source, limits_for(static_cast<std::uint64_t>(info.st_size)));
  if (!reader) return std::move(reader).error();
  for (;;) {
    auto found = (*reader)->next();
    if (!found) return std::move(found).error();
    if (!*found) return {};
    KILN_TRY(take(**reader, **found, spool_dir));
  }
}

Result<void> ArchiveIndex::take(layer::TarReader& reader, const layer::TarEntry& found,
                                const std::string& spool_dir) {
  const auto& entry = found.entry;
  Node node;
  node.kind = entry.kind;
  node.link_target = entry.link_target;
  node.size_bytes = found.size_bytes;
  if (entry.kind == EntryKind::kHardlink) {
    const auto target = nodes_.find(entry.link_target);
    if (target == nodes_.end())
      return Error(Errc::kCorrupt, "it has a hard link to a file that does not come before it: " +
                                       sanitize_server_text(entry.path));
    node = target->second;
  }
  if (entry.kind == EntryKind::kFile) {
    const auto offset = reader.content_offset();
    if (offset)
      node.offset = *offset;
    else
      KILN_TRY(spool(reader, node, spool_dir));
  }
  nodes_.insert_or_assign(entry.path, std::move(node));
  return {};
}

Result<void> ArchiveIndex::spool(layer::TarReader& reader, Node& node,
                                 const std::string& spool_dir) {
  if (!spool_) {
    auto file = nameless_file(spool_dir);
    if (!file) return std::move(file).error();
    spool_ = std::make_shared<const UniqueFd>(std::move(*file));
  }
  node.spooled = true;
  node.offset = spool_bytes_;
  FdSink sink(spool_->get());
  std::vector<char> chunk(256 * 1024);
  for (;;) {
    auto count = reader.read(chunk);
    if (!count) return std::move(count).error();
    if (*count == 0) return {};
    KILN_TRY(sink.write(std::string_view(chunk.data(), *count)));
    spool_bytes_ += *count;
  }
}

Result<LayoutFiles::File> ArchiveIndex::open(const std::string& path) const {
  const auto clean = clean_name(path);
  if (!clean)
    return Error(Errc::kInvalid, "\"" + sanitize_server_text(path) + "\" leads out of " + name_);
  const auto look_up = [this](const std::string& step) -> std::optional<layer::PathStep> {
    const auto found = nodes_.find(step);
    if (found == nodes_.end()) return std::nullopt;
    return layer::PathStep{found->second.kind, found->second.link_target};
  };
  auto real = layer::walk_path(*clean, true, look_up);
  if (!real)
    return Error(Errc::kInvalid,
                 shown(*clean) + " leads through more than 40 symlinks, or through a file");
  const auto found = nodes_.find(*real);
  if (found == nodes_.end()) return Error(Errc::kNotFound, "there is no " + shown(*clean));
  const auto& node = found->second;
  if (node.kind != EntryKind::kFile)
    return Error(Errc::kInvalid, shown(*clean) + " is not a regular file");
  File file;
  file.size_bytes = node.size_bytes;
  file.source = std::make_unique<SharedFileSource>(node.spooled ? spool_ : file_, node.offset,
                                                   node.size_bytes);
  return file;
}

}  // namespace kiln::store
