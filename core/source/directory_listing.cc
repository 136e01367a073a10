#include "core/source/directory_listing.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/layer/entry_path.h"
#include "core/source/number_slots.h"
#include "core/source/tree_identity.h"

namespace kiln::source {

using layer::EntryKind;

std::string FoundPath::path() const {
  return layer::join_path(directory, name);
}

layer::FileContent DirectoryListing::content_of(const FoundPath& found) const {
  return root->content_of(path_of(found), FileStamp(found.version));
}

Result<std::unique_ptr<ByteSource>> DirectoryListing::open_content(const FoundPath& found) const {
  return root->open_content(path_of(found), FileStamp(found.version));
}

layer::Entry DirectoryListing::entry(std::size_t number) const {
  const auto& found = paths[number];
  layer::Entry entry(found.path(), found.kind);
  entry.mode = found.mode;
  entry.uid = found.uid;
  entry.gid = found.gid;
  if (found.kind == EntryKind::kFile) entry.content = content_of(found);
  if (found.sum) entry.identity = identity_of_sum(*found.sum);
  if (found.rare) {
    entry.link_target = found.rare->link_target;
    entry.xattrs = found.rare->xattrs;
  }
  return entry;
}

void DirectoryListing::look_at(std::size_t number, EntrySketch& sketch) const {
  look_at_outside(number, sketch);
  if (const auto& sum = paths[number].sum) identity_of_sum(*sum, sketch.identity);
}

void DirectoryListing::look_at_outside(std::size_t number, EntrySketch& sketch) const {
  const auto& found = paths[number];
  sketch.path.assign(found.directory);
  if (!sketch.path.empty()) sketch.path += '/';
  sketch.path += found.name;
  sketch.kind = found.kind;
  sketch.mode = found.mode;
  sketch.uid = found.uid;
  sketch.gid = found.gid;
  sketch.link_target.clear();
  sketch.identity.clear();
  sketch.xattrs = nullptr;
  if (!found.rare) return;
  sketch.link_target = found.rare->link_target;
  sketch.xattrs = &found.rare->xattrs;
}

std::string DirectoryListing::identity() const {
  TreeIdentity identity;
  EntrySketch sketch;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    look_at(i, sketch);
    identity.add(sketch);
  }
  return identity.finish();
}

void tell_hard_links(DirectoryListing& listing) {
  auto& paths = listing.paths;
  const auto may_have_others = [](const FoundPath& found) {
    return found.kind == EntryKind::kFile && found.links > 1;
  };
  const auto names = std::count_if(paths.begin(), paths.end(), may_have_others);
  if (names < 2) return;
  NumberSlots files(static_cast<std::size_t>(names));
  for (std::uint32_t i = 0; i < paths.size(); ++i) {
    if (!may_have_others(paths[i])) continue;
    const auto& version = paths[i].version;
    const auto first = files.find_or_add(version.inode, i, [&](std::uint32_t other) {
      const auto& known = paths[other].version;
      return known.inode == version.inode && known.device == version.device;
    });
    if (first == i) continue;
    auto rare = std::make_unique<FoundPath::Rare>();
    rare->link_target = paths[first].path();
    paths[i].rare = std::move(rare);
    paths[i].kind = EntryKind::kHardlink;
  }
}

}  // namespace kiln::source
