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
  }
  return "sha256:" + hash.finish_hex();
}

}  // namespace kiln::source
