#include "core/source/source.h"

#include "core/base/sha256.h"

namespace kiln::source {
namespace {

/// Length-prefixed, so that no two different lists of fields give the same bytes.
void feed(std::string& text, std::string_view field) {
  text += std::to_string(field.size());
  text += ':';
  text += field;
}

void feed(std::string& text, const layer::Entry& entry) {
  feed(text, entry.path);
  feed(text, std::to_string(static_cast<int>(entry.kind)));
  feed(text, std::to_string(entry.mode) + " " + std::to_string(entry.uid) + " " +
                 std::to_string(entry.gid));
  feed(text, entry.link_target);
  feed(text, entry.identity);
  feed(text, entry.mtime ? std::to_string(*entry.mtime) : "");
  // No path has a line break, so this field is not the next entry's.
  if (!entry.xattrs.empty()) feed(text, "xattrs\n" + std::to_string(entry.xattrs.size()));
  for (const auto& [name, value] : entry.xattrs) {
    feed(text, name);
    feed(text, value);
  }
}

}  // namespace

std::string identity_of(const layer::FileTree& tree) {
  Sha256 hash;
  std::string text;  // Hashed entry by entry: a call for each field takes longer than the fields.
  feed(text, "kiln tree 1");
  for (const auto& [path, entry] : tree.entries()) {
    feed(text, entry);
    hash.update(text);
    text.clear();
  }
  hash.update(text);
  return "sha256:" + hash.finish_hex();
}

std::string identity_of(const Content& content) {
  auto tree = identity_of(content.tree);
  if (content.removed.empty() && content.emptied.empty()) return tree;
  std::string text;
  feed(text, tree);
  feed(text, std::to_string(content.removed.size()));
  for (const auto& path : content.removed) feed(text, path);
  for (const auto& path : content.emptied) feed(text, path);
  return "sha256:" + sha256_hex(text);
}

}  // namespace kiln::source
