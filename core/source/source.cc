#include "core/source/source.h"

#include "core/base/sha256.h"

namespace kiln::source {
namespace {

/// Length-prefixed, so that no two different lists of fields give the same bytes.
void feed(Sha256& hash, std::string_view field) {
  hash.update(std::to_string(field.size()) + ":");
  hash.update(field);
}

}  // namespace

std::string identity_of(const layer::FileTree& tree) {
  Sha256 hash;
  feed(hash, "kiln tree 1");
  for (const auto& [path, entry] : tree.entries()) {
    feed(hash, path);
    feed(hash, std::to_string(static_cast<int>(entry.kind)));
    feed(hash, std::to_string(entry.mode) + " " + std::to_string(entry.uid) + " " +
                   std::to_string(entry.gid));
    feed(hash, entry.link_target);
    feed(hash, entry.identity);
    feed(hash, entry.mtime ? std::to_string(*entry.mtime) : "");
    // No path has a line break, so this field is not the next entry's.
    if (!entry.xattrs.empty()) feed(hash, "xattrs\n" + std::to_string(entry.xattrs.size()));
    for (const auto& [name, value] : entry.xattrs) {
      feed(hash, name);
      feed(hash, value);
    }
  }
  return "sha256:" + hash.finish_hex();
}

std::string identity_of(const Content& content) {
  auto tree = identity_of(content.tree);
  if (content.removed.empty() && content.emptied.empty()) return tree;
  Sha256 hash;
  feed(hash, tree);
  feed(hash, std::to_string(content.removed.size()));
  for (const auto& path : content.removed) feed(hash, path);
  for (const auto& path : content.emptied) feed(hash, path);
  return "sha256:" + hash.finish_hex();
}

}  // namespace kiln::source
