#include "core/source/directory_listing.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "core/layer/entry_path.h"
#include "core/source/tree_identity.h"

namespace kiln::source {

using layer::EntryKind;

std::string FoundPath::path() const {
  return layer::join_path(directory, name);
}

layer::FileContent DirectoryListing::content_of(const FoundPath& found) const {
  return root->content_of(file_name.empty() ? found.path() : file_name, FileStamp(found.version));
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
  // Their own small list: sorting what is behind pointers takes three times as long.
  std::vector<std::tuple<std::uint64_t, std::uint64_t, std::size_t>> names;  // Device, inode.
  for (std::size_t i = 0; i < listing.paths.size(); ++i) {
    const auto& found = listing.paths[i];
    if (found.kind == EntryKind::kFile && found.links > 1)
      names.emplace_back(found.version.device, found.version.inode, i);
  }
  std::sort(names.begin(), names.end());
  std::size_t file = 0;  // The first name of the file that the names before are of.
  for (std::size_t n = 1; n < names.size(); ++n) {
    const auto& [device, inode, path] = names[n];
    const auto& [first_device, first_inode, first_path] = names[file];
    if (device != first_device || inode != first_inode) {
      file = n;
      continue;
    }
    auto rare = std::make_unique<FoundPath::Rare>();
    rare->link_target = listing.paths[first_path].path();
    listing.paths[path].rare = std::move(rare);
    listing.paths[path].kind = EntryKind::kHardlink;
  }
}

}  // namespace kiln::source
