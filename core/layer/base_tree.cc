#include <algorithm>
#include <cstddef>
#include <deque>
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

constexpr int kMaxLinks = 40;                 // As Linux: path_resolution(7).
constexpr std::size_t kMaxParts = 64 * 1024;  // Bounds what 40 long links can unfold to.

/// Puts the parts of `path` in front of what is still to be walked.
void push_parts(std::deque<std::string>& todo, std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    if (end > 0) parts.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  todo.insert(todo.begin(), parts.begin(), parts.end());
}

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

BaseTree BaseTree::merge(const std::vector<LayerIndex>& layers) {
  BaseTree tree;
  for (const auto& layer : layers) tree.apply(layer);
  return tree;
}

void BaseTree::apply(const LayerIndex& layer) {
  // First what the layer hides of the lower ones, then what it adds: whiteouts do not hide
  // siblings.
  for (const auto& entry : layer.entries) {
    if (entry.kind != EntryKind::kWhiteout && !entry.opaque) continue;
    const auto path = real_path(entry.path);
    remove_below(path);
    if (!entry.opaque) entries_.erase(path);
  }
  for (const auto& entry : layer.entries)
    if (entry.kind != EntryKind::kWhiteout) put(entry);
}

/// `path` with the links among its directories followed; as it stands where that is not possible.
std::string BaseTree::real_path(std::string_view path) const {
  const auto directory = resolve(parent_of(path), true);
  return directory.has_error() ? std::string(path) : join_path(*directory, name_of_path(path));
}

void BaseTree::put(IndexedEntry entry) {
  if (!entry.path.empty()) {
    const auto directory = make_directory(parent_of(entry.path));
    entry.path = join_path(directory, name_of_path(entry.path));
  }
  if (entry.kind != EntryKind::kDirectory) remove_below(entry.path);
  entry.opaque = false;  // Said and done.
  auto path = entry.path;
  entries_.insert_or_assign(std::move(path), std::move(entry));
}

std::string BaseTree::make_directory(std::string_view path) {
  auto real = resolve(path, true);
  // A loop or a file in the way: the layer's own idea of the path replaces it, as extracting does.
  std::string directory = real.has_error() ? std::string(path) : std::move(*real);
  for (std::size_t end = 0; !directory.empty() && end != directory.npos;) {
    end = directory.find('/', end + 1);
    auto part = directory.substr(0, end);
    const auto* known = find(part);
    if (known != nullptr && known->kind == EntryKind::kDirectory) continue;
    IndexedEntry made;
    made.path = part;
    made.kind = EntryKind::kDirectory;
    made.mode = 0755;
    entries_.insert_or_assign(std::move(part), std::move(made));
  }
  return directory;
}

void BaseTree::remove_below(const std::string& path) {
  if (path.empty()) {
    std::erase_if(entries_, [](const auto& item) { return !item.first.empty(); });
    return;
  }
  const auto first = entries_.lower_bound(path + "/");
  const auto last = entries_.lower_bound(path + "0");  // "0" follows "/".
  entries_.erase(first, last);
}

const IndexedEntry* BaseTree::find(std::string_view path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : &found->second;
}

Result<std::string> BaseTree::resolve(std::string_view path, bool follow_last) const {
  std::deque<std::string> todo;
  push_parts(todo, path);
  std::string done;
  int links = 0;
  while (!todo.empty()) {
    const auto part = std::move(todo.front());
    todo.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      done = parent_of(done);
      continue;
    }
    auto next = join_path(done, part);
    const auto* entry = find(next);
    const bool last = todo.empty();
    if (entry != nullptr && entry->kind == EntryKind::kSymlink && (!last || follow_last)) {
      if (++links > kMaxLinks || todo.size() > kMaxParts)
        return Error(
            Errc::kInvalid,
            "\"/" + std::string(path) + "\" leads through more than 40 symlinks of the base image");
      if (entry->link_target.starts_with('/')) done.clear();
      push_parts(todo, entry->link_target);
      continue;
    }
    const bool is_file = entry != nullptr && entry->kind != EntryKind::kDirectory;
    if (is_file && !last)
      return Error(Errc::kInvalid, "\"/" + std::string(path) + "\" cannot be used: \"/" + next +
                                       "\" is not a directory in the base image");
    done = std::move(next);
  }
  return done;
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
