#include "core/image/find_file.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "core/image/merged_tree.h"
#include "core/layer/entry_path.h"

namespace kiln::image {
namespace {

using layer::BaseTree;
using layer::EntryKind;
using layer::IndexedEntry;
using layer::LayerIndex;

constexpr int kMaxLinks = 40;  // As Linux: path_resolution(7).

using Index = std::shared_ptr<const LayerIndex>;

/// An entry of one layer's tar.
struct Found {
  std::size_t layer = 0;
  std::string path{};  ///< As the layer names it.
};

Error no_such(const std::string& path) {
  return {Errc::kNotFound, "there is no \"/" + path + "\" in the image"};
}

/// The parts of a path and of what links on it lead to.
void add_parts(std::set<std::string, std::less<>>& parts, std::string_view path) {
  while (!path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    if (end > 0) parts.emplace(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
}

/// The layers from some one up to the top, as far as they were needed.
class Upper {
 public:
  /// Puts one more layer below those that are here.
  Result<void> add_below(Index index) {
    layers_.insert(layers_.begin(), std::move(index));
    tree_ = BaseTree();
    for (const auto& layer : layers_) KILN_TRY(tree_.apply(*layer));
    return {};
  }

  /// What is at `path`, symlinks followed, if no lower layer can change the answer.
  /// Unset = it can. Errors: kInvalid for a loop, or a file on the way.
  Result<std::optional<std::string>> settled(const std::string& path) const {
    auto real = tree_.resolve(path, true);
    // A lower layer may hide nothing, but only what is here can be certain.
    if (real.has_error()) return std::optional<std::string>();
    if (tree_.find(*real) == nullptr || !tree_.origin_of(*real))
      return std::optional<std::string>();
    for (std::string_view at = *real; !at.empty(); at = layer::parent_of(at))
      if (!tree_.origin_of(at)) return std::optional<std::string>();
    if (may_be_elsewhere(path, *real)) return std::optional<std::string>();
    return std::optional(std::move(*real));
  }

  const BaseTree& tree() const { return tree_; }
  std::size_t count() const { return layers_.size(); }

 private:
  /// True if a lower layer's link could lead an entry of these layers to a part of the path: one
  /// whose directories are not all named here.
  bool may_be_elsewhere(const std::string& path, const std::string& real) const {
    std::set<std::string, std::less<>> parts;
    add_parts(parts, path);
    add_parts(parts, real);
    for (const auto& layer : layers_)
      for (const auto& entry : layer->entries) {
        const bool opaque = entry.opaque && entry.kind == EntryKind::kWhiteout;
        if (!opaque && !parts.contains(layer::name_of_path(entry.path))) continue;
        const auto directory = opaque ? entry.path : std::string(layer::parent_of(entry.path));
        for (std::string_view at = directory; !at.empty(); at = layer::parent_of(at))
          if (!tree_.origin_of(at)) return true;
      }
    return false;
  }

  std::vector<Index> layers_;
  BaseTree tree_;
};

/// Where the entry at `path` of the lowest `count` layers stands. Lifetime: as cat_file.
Task<Result<Found>> locate(LayerAccess& layers, std::size_t count,  // NOLINT: see Lifetime
                           std::string path) {
  Upper upper;
  while (upper.count() < count) {
    auto index = co_await layers.index(count - upper.count() - 1);
    if (index.has_error()) co_return std::move(index).error();
    KILN_CO_TRY(upper.add_below(std::move(*index)));
    auto settled = upper.settled(path);
    if (settled.has_error()) co_return std::move(settled).error();
    if (!*settled && upper.count() < count) continue;
    auto real = *settled ? Result<std::string>(**settled) : upper.tree().resolve(path, true);
    if (real.has_error()) co_return std::move(real).error();
    const auto* entry = upper.tree().find(*real);
    const bool root = real->empty();  // There even where no layer names it.
    if (entry == nullptr && !root)
      co_return no_such(*real == path ? path : path + "\" -> \"/" + *real);
    if (root || entry->kind == EntryKind::kDirectory)
      co_return Error(Errc::kInvalid, "\"/" + path + "\" is a directory");
    if (entry->kind == EntryKind::kSpecial)
      co_return Error(Errc::kInvalid, "\"/" + path + "\" is a device or FIFO, not a file");
    auto origin = upper.tree().origin_of(*real);
    co_return Found{count - upper.count() + origin->layer, std::move(origin->path)};
  }
  co_return no_such(path);
}

/// What unpacking the tar alone leaves under each name. A hard link to something that it has is
/// what that was at the time.
struct TarNames {
  struct Item {
    std::uint64_t number = 0;
    EntryKind kind = EntryKind::kFile;  ///< kHardlink: to what the tar does not have by that name.
    std::string target{};
  };
  std::map<std::string, Item> items{};

  void add(std::uint64_t number, layer::Entry entry) {
    Item item{number, entry.kind, std::move(entry.link_target)};
    if (entry.kind == EntryKind::kHardlink)
      if (const auto found = items.find(item.target); found != items.end()) item = found->second;
    items.insert_or_assign(std::move(entry.path), std::move(item));
  }
};

Result<TarNames> names_of(const layer::Blob& blob) {
  auto source = blob.open();
  if (source.has_error()) return std::move(source).error();
  auto reader = layer::TarReader::open(**source, {});
  if (reader.has_error()) return std::move(reader).error();
  TarNames names;
  for (std::uint64_t number = 0;; ++number) {
    auto next = (*reader)->next();
    if (next.has_error()) return std::move(next).error();
    if (!*next) return names;
    if ((*next)->entry.kind != EntryKind::kWhiteout) names.add(number, std::move((*next)->entry));
  }
}

/// What a search in one layer came to: the bytes were written, or they are elsewhere.
struct Written {
  enum class Where {
    kHere,      ///< Done.
    kBelow,     ///< At `path` of the layers below this one.
    kUpToHere,  ///< At `path` of the layers up to this one.
    kAnywhere,  ///< At `path` of the image.
  } where = Where::kHere;
  std::string path{};
};

Result<Written> write_file(const layer::Blob& blob, const std::string& path, ByteSink& out) {
  auto names = names_of(blob);
  if (names.has_error()) return std::move(names).error();
  const auto found = names->items.find(path);
  if (found == names->items.end())
    return Error(Errc::kCorrupt, "the layer " + blob.descriptor().digest.str() + " has no \"/" +
                                     path + "\", which its index names");
  const auto& item = found->second;
  if (item.kind == EntryKind::kHardlink) {
    // What has that name in the tar came later, or it would have been that.
    const bool later = names->items.contains(item.target);
    return Written{later ? Written::Where::kBelow : Written::Where::kUpToHere, item.target};
  }
  if (item.kind == EntryKind::kSymlink) {
    const bool absolute = item.target.starts_with('/');
    return Written{
        Written::Where::kAnywhere,
        absolute ? item.target.substr(1) : layer::join_path(layer::parent_of(path), item.target)};
  }
  if (item.kind != EntryKind::kFile)
    return Error(Errc::kInvalid, "\"/" + path + "\" is a device or FIFO, not a file");
  const auto copy = [&](std::uint64_t, layer::TarEntry&, layer::TarReader& bytes) {
    return copy_all(bytes, out);
  };
  KILN_TRY(read_entries(blob, {item.number}, copy));
  return Written();
}

}  // namespace

Task<Result<void>> cat_file(LayerAccess& layers, WorkPool& pool,  // NOLINT: see Lifetime
                            std::string path, ByteSink& out) {
  auto clean = layer::clean_absolute_path(path);
  if (clean.has_error()) co_return std::move(clean).error();
  auto wanted = std::move(*clean);
  auto count = layers.count();
  for (int links = 0; links <= kMaxLinks; ++links) {
    auto found = co_await locate(layers, count, wanted);
    if (found.has_error()) co_return std::move(found).error();
    auto blob = co_await layers.blob(found->layer);
    if (blob.has_error()) co_return std::move(blob).error();
    auto work = [blob = *blob, name = found->path, &out] { return write_file(blob, name, out); };
    auto written = co_await pool.run(std::move(work));
    if (written.has_error()) co_return std::move(written).error();
    if (written->where == Written::Where::kHere) co_return Result<void>();
    if (written->where == Written::Where::kBelow) count = found->layer;
    if (written->where == Written::Where::kUpToHere) count = found->layer + 1;
    if (written->where == Written::Where::kAnywhere) count = layers.count();
    wanted = std::move(written->path);
  }
  co_return Error(Errc::kCorrupt, "\"" + path + "\" is a hard link that leads nowhere");
}

Result<std::vector<IndexedEntry>> list_files(const BaseTree& tree, const std::string& path,
                                             bool recursive) {
  auto clean = layer::clean_absolute_path(path);
  if (clean.has_error()) return std::move(clean).error();
  auto real = tree.resolve(*clean, true);
  const auto* entry = real.has_value() ? tree.find(*real) : nullptr;
  const bool root = real.has_value() && real->empty();
  if (!root && (entry == nullptr || entry->kind != EntryKind::kDirectory)) {
    auto itself = tree.resolve(*clean, false);
    if (itself.has_error()) return std::move(itself).error();
    entry = tree.find(*itself);
    if (entry == nullptr) return no_such(*clean);
    return std::vector<IndexedEntry>{*entry};
  }
  std::vector<IndexedEntry> entries;
  for (const auto* below : tree.below(*real))
    if (recursive || layer::parent_of(below->path) == *real) entries.push_back(*below);
  return entries;
}

}  // namespace kiln::image
