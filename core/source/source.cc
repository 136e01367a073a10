#include "core/source/source.h"

#include "core/base/sha256.h"
#include "core/source/entry_list.h"
#include "core/source/tree_identity.h"

namespace kiln::source {
namespace {

/// Length-prefixed, so that no two different lists of fields give the same bytes.
void feed(std::string& text, std::string_view field) {
  text += std::to_string(field.size());
  text += ':';
  text += field;
}

constexpr std::size_t kSha256Digits = 64;
constexpr std::string_view kGitSha1 = "sha1:";
constexpr std::string_view kGitSha256 = "git-sha256:";

}  // namespace

bool has_entries(const Content& content) {
  return content.list || !content.tree.empty();
}

Result<void> for_each_entry(const Content& content, const TakeEntry& take) {
  for (std::size_t i = 0; content.list && i < content.list->size(); ++i)
    KILN_TRY(take(content.list->entry(i)));
  for (const auto& [path, entry] : content.tree.entries()) KILN_TRY(take(entry));
  return {};
}

bool is_of_bytes(std::string_view identity) {
  return identity.starts_with(kSha256Identity) || identity.starts_with(kGitSha1) ||
         identity.starts_with(kGitSha256);
}

std::string identity_of_git_blob(std::string_view object_id) {
  const auto prefix = object_id.size() == kSha256Digits ? kGitSha256 : kGitSha1;
  return std::string(prefix) + std::string(object_id);
}

std::string identity_of(const layer::FileTree& tree) {
  TreeIdentity identity;
  for (const auto& [path, entry] : tree.entries()) identity.add(entry);
  return identity.finish();
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
