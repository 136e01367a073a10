#include "core/layer/tar_entry.h"

#include <archive.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "core/base/redact.h"
#include "core/layer/entry_path.h"

namespace kiln::layer {
namespace {

constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::size_t kPrefixBytes = kWhiteoutPrefix.size();
constexpr std::string_view kOpaqueName = ".wh..wh..opq";

Error corrupt(const std::string& what) {
  return {Errc::kCorrupt, "the tar has " + what};
}

/// "./usr//share/" → "usr/share". Errors: kCorrupt for what would leave the root.
Result<std::string> clean_tar_name(std::string_view name) {
  if (name.starts_with('/')) return corrupt("the absolute name " + quoted_name(name));
  std::string clean;
  for (auto rest = name; !rest.empty();) {
    const auto end = std::min(rest.find('/'), rest.size());
    const auto part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (part == "..") return corrupt("a name with \"..\": " + quoted_name(name));
    // A whiteout of the longest name is longer by its prefix.
    if (part.size() > kMaxPartBytes + (part.starts_with(kWhiteoutPrefix) ? kPrefixBytes : 0))
      return corrupt("a name part of more than 255 bytes: " + quoted_name(name));
    if (part.empty() || part == ".") continue;
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  const bool whiteout = name_of_path(clean).starts_with(kWhiteoutPrefix);
  if (clean.size() > kMaxPathBytes + (whiteout ? kPrefixBytes : 0))
    return corrupt("a name of more than 4095 bytes: " + quoted_name(name));
  return clean;
}

bool has_whiteout_part(std::string_view path) {
  return refuse_whiteout_names(path).has_error();
}

bool is_aufs_metadata(std::string_view path) {
  return ("/" + std::string(path)).find("/.wh..wh.") != std::string::npos &&
         name_of_path(path) != kOpaqueName;
}

Result<TarEntry> whiteout_of(const std::string& path) {
  const std::string directory(parent_of(path));
  if (has_whiteout_part(directory))
    return corrupt("something below a whiteout: " + quoted_name(path));
  if (name_of_path(path) == kOpaqueName) {
    TarEntry mark(Entry(directory, EntryKind::kWhiteout));
    mark.opaque = true;
    return mark;
  }
  const auto name = name_of_path(path).substr(kPrefixBytes);
  if (name.empty() || name == "." || name == "..")
    return corrupt("a whiteout of nothing: " + quoted_name(path));
  return TarEntry(Entry(join_path(directory, name), EntryKind::kWhiteout));
}

EntryKind kind_of(archive_entry* header) {
  switch (archive_entry_filetype(header)) {
    case AE_IFDIR:
      return EntryKind::kDirectory;
    case AE_IFREG:
      return EntryKind::kFile;
    case AE_IFLNK:
      return EntryKind::kSymlink;
    default:
      return EntryKind::kSpecial;
  }
}

Result<void> take_owner(Entry& entry, archive_entry* header) {
  const auto uid = archive_entry_uid(header);
  const auto gid = archive_entry_gid(header);
  if (uid < 0 || uid > UINT32_MAX || gid < 0 || gid > UINT32_MAX)
    return corrupt("an owner out of range at " + quoted_name(entry.path));
  entry.uid = static_cast<std::uint32_t>(uid);
  entry.gid = static_cast<std::uint32_t>(gid);
  return {};
}

/// Whole seconds, rounded down: of -1.5 libarchive makes -1 second and half of one.
std::int64_t floored_mtime(archive_entry* header) {
  // What libarchive reads in a PAX record is never less, and a time must survive being written.
  constexpr std::int64_t kFirst = INT64_MIN + 1;
  const std::int64_t seconds = std::max(std::int64_t{archive_entry_mtime(header)}, kFirst);
  return seconds < 0 && seconds > kFirst && archive_entry_mtime_nsec(header) > 0 ? seconds - 1
                                                                                 : seconds;
}

void take_xattrs(Entry& entry, archive_entry* header) {
  archive_entry_xattr_reset(header);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(header, &name, &value, &size) == ARCHIVE_OK) {
    const auto* bytes = size > 0 ? static_cast<const char*>(value) : "";
    // Of one name the last record comes first, and counts.
    entry.xattrs.emplace(name != nullptr ? name : "", std::string(bytes, size));
  }
}

Result<void> take_device(Entry& entry, archive_entry* header) {
  Device device;
  if (archive_entry_filetype(header) == AE_IFCHR) device.type = Device::Type::kCharacter;
  if (archive_entry_filetype(header) == AE_IFBLK) device.type = Device::Type::kBlock;
  if (device.type != Device::Type::kFifo) {
    const auto major = archive_entry_rdevmajor(header);
    const auto minor = archive_entry_rdevminor(header);
    if (major > UINT32_MAX || minor > UINT32_MAX)
      return corrupt("a device number out of range at " + quoted_name(entry.path));
    device.major = static_cast<std::uint32_t>(major);
    device.minor = static_cast<std::uint32_t>(minor);
  }
  entry.device = device;
  return {};
}

Result<void> take_symlink(Entry& entry, archive_entry* header) {
  const char* target = archive_entry_symlink(header);
  entry.link_target = target != nullptr ? target : "";
  if (entry.link_target.empty() || entry.link_target.size() > kMaxPathBytes)
    return corrupt("a symlink without a usable target at " + quoted_name(entry.path));
  return {};
}

Result<void> take_hardlink(Entry& entry, const char* target) {
  auto clean = clean_tar_name(target);
  if (clean.has_error()) return std::move(clean).error().while_doing("a hard link");
  if (clean->empty() || has_whiteout_part(*clean))
    return corrupt("a hard link to no file at " + quoted_name(entry.path));
  entry.kind = EntryKind::kHardlink;
  entry.link_target = std::move(*clean);
  return {};
}

Result<void> fill_by_kind(Entry& entry, archive_entry* header) {
  const char* target = archive_entry_hardlink(header);
  if (target != nullptr) return take_hardlink(entry, target);
  if (entry.kind == EntryKind::kSymlink) return take_symlink(entry, header);
  if (entry.kind == EntryKind::kSpecial) return take_device(entry, header);
  return {};
}

Result<void> fill(TarEntry& found, archive_entry* header) {
  auto& entry = found.entry;
  entry.mode = static_cast<std::uint32_t>(archive_entry_perm(header)) & 07777U;
  KILN_TRY(take_owner(entry, header));
  entry.mtime = floored_mtime(header);
  take_xattrs(entry, header);
  found.size_bytes = static_cast<std::uint64_t>(archive_entry_size(header));
  return fill_by_kind(entry, header);
}

/// Whatever its name is, also one that means a whiteout.
Result<void> check_size(archive_entry* header, std::string_view path) {
  const auto size = archive_entry_size(header);
  if (size < 0) return corrupt("a negative size at " + quoted_name(path));
  const bool file =
      kind_of(header) == EntryKind::kFile && archive_entry_hardlink(header) == nullptr;
  // Readers do not agree whether such content is there, so one of them would see other entries.
  if (!file && size > 0) return corrupt("content where there can be none, at " + quoted_name(path));
  return {};
}

}  // namespace

Result<std::optional<TarEntry>> tar_entry_of(archive_entry* header) {
  const char* raw = archive_entry_pathname(header);
  if (raw == nullptr || *raw == '\0') return corrupt("an entry without a name");
  auto path = clean_tar_name(raw);
  if (path.has_error()) return std::move(path).error();
  KILN_TRY(check_size(header, *path));
  if (is_aufs_metadata(*path)) return std::optional<TarEntry>();
  if (name_of_path(*path).starts_with(kWhiteoutPrefix)) {
    auto mark = whiteout_of(*path);
    if (mark.has_error()) return std::move(mark).error();
    return std::optional(std::move(*mark));
  }
  if (has_whiteout_part(*path)) return corrupt("something below a whiteout: " + quoted_name(*path));

  TarEntry found(Entry(std::move(*path), kind_of(header)));
  KILN_TRY(fill(found, header));
  if (found.entry.path.empty() && found.entry.kind != EntryKind::kDirectory)
    return corrupt("a root that is not a directory");
  return std::optional(std::move(found));
}

}  // namespace kiln::layer
