#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/layer/entry_path.h"
#include "core/layer/layer_index.h"
#include "core/oci/digest.h"

namespace kiln::layer {
namespace {

// Hard links to hard links that are followed. Programs write none, so more are as good as no file.
constexpr int kMaxHardLinks = 40;

std::string fact(const std::string& path, const IndexedEntry* entry) {
  // NUL cannot be in a path, so the fields cannot run into each other.
  std::string text = path + '\0';
  if (entry == nullptr) return text + "-" + '\0';
  // A hard link is one name of a file; which of its names came first is no fact about the file.
  const bool file = entry->kind == EntryKind::kHardlink;
  const auto kind = file ? EntryKind::kFile : entry->kind;
  text += std::to_string(static_cast<int>(kind)) + " " + std::to_string(entry->mode) + " " +
          std::to_string(entry->uid) + " " + std::to_string(entry->gid) + '\0';
  return text + (file ? "" : entry->link_target) + '\0';
}

}  // namespace

Result<BaseTree> BaseTree::merge(const std::vector<LayerIndex>& layers) {
  BaseTree tree;
  for (const auto& layer : layers) KILN_TRY(tree.apply(layer));
  return tree;
}

BaseTree::Placed BaseTree::Placed::implied_directory(const std::string& path) {
  Placed made;
  made.entry.path = path;
  made.entry.kind = EntryKind::kDirectory;
  made.entry.mode = 0755;
  return made;
}

Result<void> BaseTree::apply(const LayerIndex& layer) {
  // First what the layer hides of the lower ones, then what it adds: whiteouts do not hide
  // siblings.
  for (const auto& entry : layer.entries) {
    if (entry.kind == EntryKind::kWhiteout && !entry.opaque)
      tree_.remove(tree_.real_path(entry.path));
    else if (entry.kind == EntryKind::kWhiteout)
      tree_.remove_below(tree_.real_directory(entry.path));
    else if (entry.opaque)
      // The layer's own directory: it takes the place of a link, so that is not followed.
      tree_.remove_below(tree_.real_path(entry.path));
    KILN_TRY(tree_.check_cost());
  }
  std::vector<std::string> hard_links;
  for (const auto& entry : layer.entries) {
    if (entry.kind == EntryKind::kWhiteout) continue;
    Placed placed{entry, layers_};
    placed.entry.opaque = false;  // Said and done.
    placed.entry.path = tree_.make_way(entry.path);
    if (placed.entry.path != entry.path) placed.path_in_layer = entry.path;
    const auto path = placed.entry.path;
    if (entry.kind == EntryKind::kHardlink) hard_links.push_back(path);
    tree_.put(path, std::move(placed));
    KILN_TRY(tree_.check_cost());
  }
  for (const auto& path : hard_links) take_facts_of_file(path);
  ++layers_;
  return {};
}

void BaseTree::take_facts_of_file(const std::string& path) {
  const auto* link = tree_.find(path);
  const auto* file = link;
  for (int links = 0; file != nullptr && links < kMaxHardLinks; ++links) {
    const bool known = file->kind() != EntryKind::kHardlink || file->layer != layers_;
    if (known) break;
    file = tree_.find(tree_.real_path(file->entry.link_target));
  }
  if (link == nullptr || link->kind() != EntryKind::kHardlink || file == nullptr) return;
  if (file->kind() != EntryKind::kFile && file->kind() != EntryKind::kHardlink) return;
  auto same = *link;
  same.entry.mode = file->entry.mode;
  same.entry.uid = file->entry.uid;
  same.entry.gid = file->entry.gid;
  same.entry.size_bytes = file->entry.size_bytes;
  same.entry.mtime = file->entry.mtime;
  tree_.put(path, std::move(same));
}

const IndexedEntry* BaseTree::find(std::string_view path) const {
  const auto* placed = tree_.find(path);
  return placed == nullptr ? nullptr : &placed->entry;
}

std::vector<const IndexedEntry*> BaseTree::below(std::string_view directory) const {
  std::vector<const IndexedEntry*> found;
  const auto prefix = directory.empty() ? std::string() : std::string(directory) + "/";
  for (auto at = tree_.paths().lower_bound(prefix);
       at != tree_.paths().end() && at->first.starts_with(prefix); ++at)
    if (!at->first.empty()) found.push_back(&at->second.entry);
  return found;
}

std::optional<BaseTree::Origin> BaseTree::origin_of(std::string_view path) const {
  const auto* placed = tree_.find(path);
  if (placed == nullptr || placed->layer == kNoLayer) return std::nullopt;
  return Origin{placed->layer,
                placed->path_in_layer.empty() ? placed->entry.path : placed->path_in_layer};
}

Result<std::string> BaseTree::resolve(std::string_view path, bool follow_last) const {
  return tree_.resolve(path, follow_last);
}

BaseTree BaseTree::only(const std::set<std::string>& paths) const {
  BaseTree some;
  some.layers_ = layers_;
  for (const auto& path : paths)  // Those above come first.
    if (const auto* placed = tree_.find(path)) some.tree_.put(path, *placed);
  return some;
}

std::string BaseTree::facts_about(const std::vector<std::string>& paths) const {
  std::set<std::string> wanted;
  for (std::string_view path : paths)
    while (wanted.emplace(path).second && !path.empty()) path = parent_of(path);
  std::string facts;
  for (const auto& path : wanted) facts += fact(path, find(path));
  return oci::Digest::of(facts).str();
}

}  // namespace kiln::layer
