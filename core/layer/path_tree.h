#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/layer/entry_path.h"
#include "core/layer/path_walk.h"

namespace kiln::layer {

/// What a tree of hostile layers may cost at most. One short entry can make 2047 directories, and
/// one that goes through links can take 80,000 steps and end at a path of 4 KiB.
struct TreeLimits {
  std::uint64_t max_bytes = 2ULL << 30;   ///< See PathTree::cost_bytes.
  std::uint64_t max_steps = 200'000'000;  ///< From name to name; a minute or two.
};

/// The paths of a file system, changed as unpacking layers changes them. Paths are clean and
/// relative; "" is the root, which may be missing. What is there has directories above it, all of
/// them but the root.
///
/// Item: what stands at a path. It has kind() and link_target(), and
/// `static Item implied_directory(const std::string& path)` makes the directories that no layer
/// names.
template <class Item>
class PathTree {
 public:
  using Paths = std::map<std::string, Item, std::less<>>;

  explicit PathTree(const TreeLimits& limits = {}) : limits_(limits) {}

  const Paths& paths() const { return paths_; }

  const Item* find(std::string_view path) const {
    const auto found = paths_.find(path);
    return found == paths_.end() ? nullptr : &found->second;
  }

  /// See walk_path.
  [[nodiscard]] Result<std::string> resolve(std::string_view path, bool follow_last) const {
    std::uint64_t steps = 0;
    return walk(path, follow_last, steps);
  }

  /// Where unpacking finds `path`: the links among its directories followed. Unlike resolve() it
  /// goes on through what is no directory, as there is none of the layer's own; a loop of links is
  /// not followed at all.
  std::string real_path(std::string_view path) {
    if (path.empty()) return {};
    return join_path(real_directory(parent_of(path)), name_of_path(path));
  }

  /// The same with the last part followed too.
  std::string real_directory(std::string_view path) {
    if (is_directory(path)) return std::string(path);
    auto real = walk_path(path, true, [this](const std::string& at) -> std::optional<PathStep> {
      ++steps_;
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
    const auto parent = parent_of(path);
    if (is_directory(parent)) return std::string(path);
    return join_path(make_directory(parent), name_of_path(path));
  }

  /// Puts `item` at a real path. What was there goes, and what was below it too unless `item` is a
  /// directory.
  void put(const std::string& path, Item item) {
    const bool keeps_below = item.kind() == EntryKind::kDirectory;
    auto [place, fresh] = paths_.try_emplace(path, std::move(item));
    if (fresh) path_bytes_ += path.size();
    // Nothing is below what was not there, but for the root, which may be missing.
    if (!keeps_below && (!fresh || path.empty())) remove_below(path);
    if (!fresh) place->second = std::move(item);  // Not moved from.
  }

  /// Removes a real path with all that is below it.
  void remove(const std::string& path) {
    remove_below(path);
    erase(paths_.lower_bound(path), paths_.upper_bound(path));
  }

  void remove_below(const std::string& path) {
    if (path.empty()) return erase(paths_.upper_bound(path), paths_.end());
    erase(paths_.lower_bound(path + "/"), paths_.lower_bound(path + "0"));  // "0" follows "/".
  }

  /// To be asked after each change. Errors: kInvalid once the tree costs more than it may.
  [[nodiscard]] Result<void> check_cost() const {
    if (cost_bytes() > limits_.max_bytes)
      return Error(Errc::kInvalid, "the layers' paths take more than the allowed " +
                                       std::to_string(limits_.max_bytes) + " bytes of memory");
    if (steps_ > limits_.max_steps)
      return Error(Errc::kInvalid, "the layers' paths take more than the allowed " +
                                       std::to_string(limits_.max_steps) + " steps to follow");
    return {};
  }

  /// Of memory, about: each path is there twice, and has a node.
  std::uint64_t cost_bytes() const { return 2 * path_bytes_ + kNodeBytes * paths_.size(); }

 private:
  static constexpr std::uint64_t kNodeBytes = 256;
  using Place = typename Paths::iterator;

  Result<std::string> walk(std::string_view path, bool follow_last, std::uint64_t& steps) const {
    return walk_path(path, follow_last, [&](const std::string& at) -> std::optional<PathStep> {
      ++steps;
      const auto* item = find(at);
      if (item == nullptr) return std::nullopt;
      return PathStep{item->kind(), item->link_target()};
    });
  }

  /// Then there is no link among the directories above it either.
  bool is_directory(std::string_view path) const {
    const auto* item = find(path);
    return item != nullptr && item->kind() == EntryKind::kDirectory;
  }

  void set(const std::string& path, Item item) {
    if (paths_.insert_or_assign(path, std::move(item)).second) path_bytes_ += path.size();
  }

  void erase(Place first, Place last) {
    for (auto at = first; at != last; ++at) path_bytes_ -= at->first.size();
    paths_.erase(first, last);
  }

  /// Where a directory really is; made if it is missing, in the place of what is in its way.
  std::string make_directory(std::string_view path) {
    auto directory = real_directory(path);
    if (is_directory(directory)) return directory;
    for (std::size_t end = 0; !directory.empty() && end != directory.npos;) {
      end = directory.find('/', end + 1);
      const auto part = directory.substr(0, end);
      ++steps_;
      if (is_directory(part)) continue;
      set(part, Item::implied_directory(part));
    }
    return directory;
  }

  TreeLimits limits_;
  Paths paths_;
  std::uint64_t path_bytes_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace kiln::layer
