#pragma once
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/layer/entry_path.h"
#include "core/layer/path_walk.h"

namespace kiln::layer {

/// The paths of a file system, changed as unpacking layers changes them. Paths are clean and
/// relative; "" is the root, which may be missing.
///
/// Item: what stands at a path. It has kind() and link_target(), and
/// `static Item implied_directory(const std::string& path)` makes the directories that no layer
/// names.
template <class Item>
class PathTree {
 public:
  using Paths = std::map<std::string, Item, std::less<>>;
  const Paths& paths() const { return paths_; }

  const Item* find(std::string_view path) const {
    const auto found = paths_.find(path);
    return found == paths_.end() ? nullptr : &found->second;
  }

  /// See walk_path.
  [[nodiscard]] Result<std::string> resolve(std::string_view path, bool follow_last) const {
    return walk_path(path, follow_last, [this](const std::string& at) -> std::optional<PathStep> {
      const auto* item = find(at);
      if (item == nullptr) return std::nullopt;
      return PathStep{item->kind(), item->link_target()};
    });
  }

  /// Where unpacking finds `path`: the links among its directories followed. Unlike resolve() it
  /// goes on through what is no directory, as there is none of the layer's own; a loop of links is
  /// not followed at all.
  std::string real_path(std::string_view path) const {
    if (path.empty()) return {};
    return join_path(real_directory(parent_of(path)), name_of_path(path));
  }

  /// The same with the last part followed too.
  std::string real_directory(std::string_view path) const {
    auto real = walk_path(path, true, [this](const std::string& at) -> std::optional<PathStep> {
      const auto* item = find(at);
      const bool way = item != nullptr && (item->kind() == EntryKind::kDirectory ||
                                           item->kind() == EntryKind::kSymlink);
      if (!way) return std::nullopt;
      return PathStep{item->kind(), item->link_target()};
    });
    return real.has_error() ? std::string(path) : std::move(*real);
  }

  /// Where `path` leads to, the links among its directories followed and missing ones made.
  std::string make_way(std::string_view path) {
    if (path.empty()) return {};
    return join_path(make_directory(parent_of(path)), name_of_path(path));
  }

  /// Puts `item` at a real path. What was there goes, and what was below it too unless `item` is a
  /// directory.
  void put(const std::string& path, Item item) {
    if (item.kind() != EntryKind::kDirectory) remove_below(path);
    paths_.insert_or_assign(path, std::move(item));
  }

  /// Removes a real path with all that is below it.
  void remove(const std::string& path) {
    remove_below(path);
    paths_.erase(path);
  }

  void remove_below(const std::string& path) {
    if (path.empty()) {
      std::erase_if(paths_, [](const auto& item) { return !item.first.empty(); });
      return;
    }
    const auto first = paths_.lower_bound(path + "/");
    const auto last = paths_.lower_bound(path + "0");  // "0" follows "/".
    paths_.erase(first, last);
  }

 private:
  /// Where a directory really is; made if it is missing, in the place of what is in its way.
  std::string make_directory(std::string_view path) {
    auto directory = real_directory(path);
    for (std::size_t end = 0; !directory.empty() && end != directory.npos;) {
      end = directory.find('/', end + 1);
      auto part = directory.substr(0, end);
      const auto* known = find(part);
      if (known != nullptr && known->kind() == EntryKind::kDirectory) continue;
      auto made = Item::implied_directory(part);
      paths_.insert_or_assign(std::move(part), std::move(made));
    }
    return directory;
  }

  Paths paths_;
};

}  // namespace kiln::layer
