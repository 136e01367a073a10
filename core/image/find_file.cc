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
  void add_below(Index index) {
    layers_.insert(layers_.begin(), std::move(index));
    tree_ = BaseTree();
    for (const auto& layer : layers_) tree_.apply(*layer);
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
    upper.add_below(std::move(*index));
    auto settled = upper.settled(path);
    if (settled.has_error()) co_return std::move(settled).error();
    if (!*settled && upper.count() < count) continue;
    auto real = *settled ? Result<std::string>(**settled) : upper.tree().resolve(path, true);
    if (real.has_error()) co_return std::move(real).error();
    const auto* entry = upper.tree().find(*real);
    if (entry == nullptr) co_return no_such(*real == path ? path : path + "\" -> \"/" + *real);
    if (entry->kind == EntryKind::kDirectory)
      co_return Error(Errc::kInvalid, "\"/" + path + "\" is a directory");
    if (entry->kind == EntryKind::kSpecial)
      co_return Error(Errc::kInvalid, "\"/" + path + "\" is a device or FIFO, not a file");
    auto origin = upper.tree().origin_of(*real);
    co_return Found{count - upper.count() + origin->layer, std::move(origin->path)};
  }
  co_return no_such(path);
}

/// The last entry of each name, as far as links can lead to it.
struct TarNames {
  struct Item {
    std::uint64_t number = 0;
    EntryKind kind = EntryKind::kFile;
    std::string target{};
  };
  std::map<std::string, Item> items{};
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
    auto& entry = (*next)->entry;
    if (entry.kind == EntryKind::kWhiteout) continue;
    TarNames::Item item{number, entry.kind, std::move(entry.link_target)};
    names.items.insert_or_assign(std::move(entry.path), std::move(item));
  }
}

/// What a search in one layer came to: the bytes were written, or it is a hard link to something
/// that the layer itself does not have.
struct Written {
  bool done = false;
  std::string target{};
};

Result<Written> write_file(const layer::Blob& blob, const std::string& path, ByteSink& out) {
  auto names = names_of(blob);
  if (names.has_error()) return std::move(names).error();
  auto at = path;
  for (int links = 0; links <= kMaxLinks; ++links) {
    const auto found = names->items.find(at);
    if (found == names->items.end()) return Written{false, at};
    if (found->second.kind == EntryKind::kHardlink) {
      at = found->second.target;
      continue;
    }
    if (found->second.kind != EntryKind::kFile) return Written{false, at};
    const auto copy = [&](std::uint64_t, layer::TarEntry&,
                          layer::TarReader& bytes) -> Result<void> {
      std::vector<char> chunk(256 * 1024);
      for (;;) {
        const auto count = bytes.read(chunk);
        if (count.has_error()) return count.error();
        if (*count == 0) return {};
        KILN_TRY(out.write(std::string_view(chunk.data(), *count)));
      }
    };
    KILN_TRY(read_entries(blob, {found->second.number}, copy));
    return Written{true, ""};
  }
  return Error(Errc::kCorrupt, "\"/" + path + "\" is a hard link to itself");
}

/// A hard link has the facts of its file.
IndexedEntry with_file_facts(const BaseTree& tree, const IndexedEntry& entry) {
  auto shown = entry;
  if (entry.kind != EntryKind::kHardlink) return shown;
  const auto target = tree.resolve(entry.link_target, false);
  const auto* file = target.has_value() ? tree.find(*target) : nullptr;
  if (file == nullptr || file->kind != EntryKind::kFile) return shown;
  shown.mode = file->mode;
  shown.uid = file->uid;
  shown.gid = file->gid;
  shown.size_bytes = file->size_bytes;
  shown.mtime = file->mtime;
  return shown;
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
    if (written->done) co_return Result<void>();
    // A hard link into a lower layer, or to a name that leads through a link to this one's.
    if (found->layer == 0 && written->target == found->path) break;
    count = written->target == found->path ? found->layer : found->layer + 1;
    wanted = std::move(written->target);
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
    return std::vector<IndexedEntry>{with_file_facts(tree, *entry)};
  }
  std::vector<IndexedEntry> entries;
  for (const auto* below : tree.below(*real))
    if (recursive || layer::parent_of(below->path) == *real)
      entries.push_back(with_file_facts(tree, *below));
  return entries;
}

}  // namespace kiln::image
