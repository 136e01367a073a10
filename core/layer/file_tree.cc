#include "core/layer/file_tree.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string_view>
#include <utility>

#include "core/base/redact.h"
#include "core/layer/entry_path.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kMaxLinkBytes = 4095;

std::string_view noun(EntryKind kind) {
  switch (kind) {
    case EntryKind::kDirectory:
      return "a directory";
    case EntryKind::kFile:
      return "a file";
    case EntryKind::kSymlink:
      return "a symlink";
    case EntryKind::kHardlink:
      return "a hard link";
    case EntryKind::kWhiteout:
      return "removed";
    case EntryKind::kSpecial:
      return "a device node";
  }
  return "unknown";
}

bool is_leaf(EntryKind kind) {
  return kind == EntryKind::kFile || kind == EntryKind::kSymlink || kind == EntryKind::kHardlink;
}

/// May `later` take the place of `earlier` at the same path?
bool may_replace(EntryKind earlier, EntryKind later) {
  return earlier == later || (is_leaf(earlier) && is_leaf(later));
}

Error conflict(const Entry& entry, const std::string& other, std::string_view what) {
  return {Errc::kInvalid, quoted_name("/" + entry.path) + " cannot be " +
                              std::string(noun(entry.kind)) + ": " + quoted_name("/" + other) +
                              " is " + std::string(what) + " in the same layer"};
}

/// Has `path` surely nothing that check_path() would refuse? Most have not, and are many.
bool is_plain(std::string_view path) {
  if (path.empty() || path.size() > kMaxPathBytes) return false;
  std::size_t part = 0;
  for (std::size_t i = 0; i <= path.size(); ++i) {
    if (i < path.size() && path[i] != '/') {
      if (static_cast<unsigned char>(path[i]) < 0x20 || path[i] == 0x7f) return false;
      continue;
    }
    // Those that begin with a dot are looked at in full.
    if (i == part || i - part > kMaxPartBytes || path[part] == '.') return false;
    part = i + 1;
  }
  return true;
}

Result<void> check_path(const std::string& path) {
  if (is_plain(path)) return {};
  auto clean = clean_relative_path(path);
  if (clean.has_error()) return std::move(clean).error();
  if (*clean != path) return Error(Errc::kInvalid, "path \"" + path + "\" must not end with \"/\"");
  return refuse_whiteout_names(path);
}

/// Is `path` somewhere below `directory`?
bool is_below(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path[directory.size()] == '/' &&
         path.starts_with(directory);
}

Result<void> check_entry(const Entry& entry) {
  KILN_TRY(check_path(entry.path));
  if (entry.kind == EntryKind::kSpecial)
    return Error(Errc::kInvalid, quoted_name("/" + entry.path) +
                                     " is a device node or FIFO; those cannot be put into a layer");
  if (entry.kind == EntryKind::kSymlink || entry.kind == EntryKind::kHardlink) {
    const auto& target = entry.link_target;
    if (target.empty() || target.size() > kMaxLinkBytes || target.find('\0') != target.npos)
      return Error(Errc::kInvalid,
                   quoted_name("/" + entry.path) + " is " + std::string(noun(entry.kind)) +
                       " whose target is empty, longer than 4095 bytes or has a NUL");
  }
  return {};
}

/// How many bytes at their beginnings are equal. By eights: paths of a tree begin alike.
std::size_t equal_bytes(std::string_view a, std::string_view b) {
  const auto both = std::min(a.size(), b.size());
  std::size_t count = 0;
  for (; count + sizeof(std::uint64_t) <= both; count += sizeof(std::uint64_t))
    if (std::memcmp(a.data() + count, b.data() + count, sizeof(std::uint64_t)) != 0) break;
  while (count < both && a[count] == b[count]) ++count;
  return count;
}

}  // namespace

bool sorted_before(const std::string& a, const std::string& b) {
  const auto at = equal_bytes(a, b);
  if (at == b.size()) return false;
  if (at == a.size()) return true;
  // "/" ends a part, so it comes before every byte a name can have.
  if (a[at] == '/') return true;
  if (b[at] == '/') return false;
  return static_cast<unsigned char>(a[at]) < static_cast<unsigned char>(b[at]);
}

FileTree::FileTree() : entries_(&sorted_before) {}

Result<void> FileTree::add(Entry entry) {
  KILN_TRY(check_entry(entry));

  // Most come in order. The entry before it is the nearest above it, or below that one, which then
  // is a directory.
  const bool last = !entries_.empty() && sorted_before(entries_.rbegin()->first, entry.path);
  const auto place = last ? entries_.end() : entries_.lower_bound(entry.path);
  const bool is_new = place == entries_.end() || place->first != entry.path;
  if (place != entries_.begin()) {
    const auto& before = std::prev(place)->second;
    if (before.kind != EntryKind::kDirectory && is_below(entry.path, before.path))
      return conflict(entry, before.path, noun(before.kind));
  }
  if (entry.kind != EntryKind::kDirectory) {
    const auto next = is_new ? place : std::next(place);
    if (next != entries_.end() && is_below(next->first, entry.path))
      return conflict(entry, next->first, "below it");
  }

  if (is_new) {
    auto path = entry.path;
    entries_.emplace_hint(place, std::move(path), std::move(entry));
    return {};
  }
  if (!may_replace(place->second.kind, entry.kind))
    return conflict(entry, place->first, noun(place->second.kind));
  place->second = std::move(entry);
  return {};
}

Entry FileTree::take_first() {
  return std::move(entries_.extract(entries_.begin()).mapped());
}

void FileTree::move_first_to(FileTree& other) {
  other.entries_.insert(other.entries_.end(), entries_.extract(entries_.begin()));
}

const Entry* FileTree::find(std::string_view path) const {
  const auto found = entries_.find(std::string(path));
  return found == entries_.end() ? nullptr : &found->second;
}

std::uint64_t FileTree::content_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [path, entry] : entries_)
    if (entry.kind == EntryKind::kFile) sum += entry.content.size_bytes();
  return sum;
}

}  // namespace kiln::layer
