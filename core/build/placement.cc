#include "core/build/placement.h"

#include <algorithm>

#include "core/layer/entry_path.h"

namespace kiln::build {
namespace {

using layer::BaseTree;
using layer::Entry;
using layer::EntryKind;
using layer::FileTree;

constexpr std::uint32_t kNewDirectoryMode = 0755;

Error in_the_way(const std::string& path, const std::string& what, const std::string& wanted) {
  return {Errc::kInvalid, "/" + path + " is " + what + " in the base, but the content has " +
                              wanted + " there; add /" + path +
                              " to remove, or choose another path"};
}

bool is_below(std::string_view path, std::string_view directory) {
  return directory.empty() || path == directory ||
         (path.starts_with(directory) && path[directory.size()] == '/');
}

Entry base_directory(const std::string& path, const layer::IndexedEntry& known) {
  Entry entry(path, EntryKind::kDirectory);
  entry.mode = known.mode;
  entry.uid = known.uid;
  entry.gid = known.gid;
  return entry;
}

/// The directory `path` and all above it, root excluded, where `into` lacks them. New ones at or
/// below `owned` get the content's ownership.
Result<void> add_directories(std::string_view path, std::string_view owned,
                             const Ownership& ownership, const BaseTree& base, FileTree& into) {
  if (path.empty()) return {};
  if (const auto* placed = into.find(path);
      placed != nullptr && placed->kind == EntryKind::kDirectory)
    return {};
  KILN_TRY(add_directories(layer::parent_of(path), owned, ownership, base, into));
  const auto* known = base.find(path);
  const std::string name(path);
  if (known != nullptr && known->kind == EntryKind::kDirectory)
    return into.add(base_directory(name, *known));
  if (known != nullptr) return in_the_way(name, "a file", "a directory");
  Entry entry(name, EntryKind::kDirectory);
  const bool ours = is_below(path, owned);
  entry.mode = ours ? ownership.dir_mode.value_or(kNewDirectoryMode) : kNewDirectoryMode;
  entry.uid = ours ? ownership.uid.value_or(0) : 0;
  entry.gid = ours ? ownership.gid.value_or(0) : 0;
  return into.add(std::move(entry));
}

}  // namespace

Result<std::string> destination_in(const BaseTree& base, const std::string& path) {
  auto clean = layer::clean_absolute_path(path);
  if (!clean) return std::move(clean).error();
  return base.resolve(*clean, true);
}

Result<void> Placer::place_destination() {
  return add_directories(destination_, destination_, ownership_, base_, into_);
}

Result<void> Placer::place(Entry entry) {
  // Where it would go before symlinks are followed.
  auto path = layer::join_path(destination_, entry.path);
  if (entry.kind == EntryKind::kDirectory) return place_directory(path, std::move(entry));
  const auto parent = layer::parent_of(path);
  // Most have the parent of the one before.
  if (!has_last_ || parent != last_parent_) {
    has_last_ = false;
    auto directory = base_.resolve(parent, true);
    if (!directory) return std::move(directory).error();
    last_directory_ = std::move(*directory);
    last_parent_ = parent;
  }
  if (last_directory_ != parent)
    path = layer::join_path(last_directory_, layer::name_of_path(path));
  if (const auto* known = base_.find(path);
      known != nullptr && known->kind == EntryKind::kDirectory)
    return in_the_way(path, "a directory", "a file");
  if (!has_last_)
    KILN_TRY(add_directories(last_directory_, destination_, ownership_, base_, into_));
  has_last_ = true;
  entry.path = std::move(path);
  if (entry.kind == EntryKind::kHardlink) {
    auto file = base_.resolve(layer::join_path(destination_, entry.link_target), false);
    if (!file) return std::move(file).error();
    entry.link_target = std::move(*file);
  }
  take_over(entry, ownership_);
  return into_.add(std::move(entry));
}

Result<void> Placer::place_directory(const std::string& path, Entry entry) {
  auto target = base_.resolve(path, true);
  if (!target) return std::move(target).error();
  KILN_TRY(add_directories(layer::parent_of(*target), destination_, ownership_, base_, into_));
  if (const auto* known = base_.find(*target); known != nullptr || target->empty())
    return add_directories(*target, destination_, ownership_, base_, into_);
  entry.path = std::move(*target);
  take_over(entry, ownership_);
  return into_.add(std::move(entry));
}

Result<FileTree> place_whiteouts(const std::vector<std::string>& remove, const BaseTree& base,
                                 std::vector<std::string>& warnings) {
  std::vector<std::string> targets;
  for (const auto& path : remove) {
    auto clean = layer::clean_absolute_path(path);
    if (!clean) return std::move(clean).error().while_doing("remove");
    if (clean->empty())
      return Error(Errc::kInvalid, "remove: / cannot be removed; use the base \"scratch\"");
    auto resolved = base.resolve(*clean, false);
    if (!resolved) return std::move(resolved).error().while_doing("remove " + path);
    if (base.find(*resolved) == nullptr)
      warnings.push_back("remove: " + path + " is not in the base");
    else
      targets.push_back(std::move(*resolved));
  }
  // Shorter first, so that what lies below something removed is left out.
  std::sort(targets.begin(), targets.end(), layer::sorted_before);
  FileTree tree;
  std::vector<std::string> kept;
  for (const auto& target : targets) {
    const auto covers = [&](const std::string& above) { return is_below(target, above); };
    if (std::any_of(kept.begin(), kept.end(), covers)) continue;
    KILN_TRY(add_directories(layer::parent_of(target), "", {}, base, tree));
    Entry whiteout(target, EntryKind::kWhiteout);
    KILN_TRY(tree.add(std::move(whiteout)));
    kept.push_back(target);
  }
  return tree;
}

Result<void> place_content(const source::Content& content, const std::string& path,
                           const Ownership& ownership, const BaseTree& base, FileTree& into) {
  auto destination = destination_in(base, path);
  if (!destination) return std::move(destination).error();
  Placer placer(std::move(*destination), ownership, base, into);
  return source::for_each_entry(content,
                                [&](Entry entry) { return placer.place(std::move(entry)); });
}

layer::LayerIndex index_of(const FileTree& tree) {
  layer::LayerIndex index;
  for (const auto& [path, entry] : tree.entries()) {
    layer::IndexedEntry known;
    known.path = path;
    known.kind = entry.kind;
    known.mode = entry.mode;
    known.uid = entry.uid;
    known.gid = entry.gid;
    known.link_target = entry.link_target;
    if (entry.kind == EntryKind::kFile) known.size_bytes = entry.content.size_bytes();
    known.mtime = entry.mtime;
    index.entries.push_back(std::move(known));
  }
  return index;
}

}  // namespace kiln::build
