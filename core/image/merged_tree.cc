#include "core/image/merged_tree.h"

#include "core/base/redact.h"

namespace kiln::image {
namespace {

using layer::EntryKind;
using layer::TarEntry;

/// What the tar of a layer says, in its order. The names of whiteouts stay in: they count.
Result<std::vector<TarEntry>> read_headers(const layer::Blob& layer) {
  auto source = layer.open();
  if (source.has_error()) return std::move(source).error();
  auto reader = layer::TarReader::open(**source, {});
  if (reader.has_error()) return std::move(reader).error();
  std::vector<TarEntry> entries;
  for (;;) {
    auto entry = (*reader)->next();
    if (entry.has_error()) return std::move(entry).error();
    if (!*entry) return entries;
    entries.push_back(std::move(**entry));
  }
}

std::shared_ptr<MergedFile> file_of(TarEntry from, std::size_t layer, std::uint64_t number) {
  auto file = std::make_shared<MergedFile>();
  file->kind = from.entry.kind;
  file->mode = from.entry.mode;
  file->uid = from.entry.uid;
  file->gid = from.entry.gid;
  file->link_target = std::move(from.entry.link_target);
  file->mtime = from.entry.mtime;
  file->xattrs = std::move(from.entry.xattrs);
  file->device = from.entry.device;
  file->size_bytes = from.size_bytes;
  file->named = true;
  file->layer = layer;
  file->number = number;
  return file;
}

}  // namespace

MergedTree::Item MergedTree::Item::implied_directory(const std::string& path) {
  auto made = std::make_shared<MergedFile>();
  made->first_path = path;
  return Item{std::move(made)};
}

Result<MergedTree> MergedTree::of(const std::vector<layer::Blob>& layers) {
  MergedTree tree;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    auto applied = tree.apply(layers[i]);
    if (applied.has_error())
      return std::move(applied).error().while_doing("layer " + std::to_string(i + 1));
  }
  return tree;
}

Result<void> MergedTree::apply(const layer::Blob& layer) {
  auto entries = read_headers(layer);
  if (entries.has_error()) return std::move(entries).error();
  KILN_TRY(hide(*entries));
  for (std::size_t i = 0; i < entries->size(); ++i) {
    if ((*entries)[i].entry.kind != EntryKind::kWhiteout)
      KILN_TRY(put(std::move((*entries)[i]), i));
    KILN_TRY(tree_.check_cost());
  }
  ++layers_;
  return {};
}

Result<void> MergedTree::hide(const std::vector<TarEntry>& entries) {
  std::set<std::string_view> own_directories;
  for (const auto& [entry, size, opaque] : entries)
    if (entry.kind == EntryKind::kDirectory) own_directories.insert(entry.path);
  for (const auto& [entry, size, opaque] : entries) {
    if (entry.kind != EntryKind::kWhiteout) continue;
    if (!opaque)
      tree_.remove(tree_.real_path(entry.path));
    else if (own_directories.contains(entry.path))
      // It takes the place of a lower layer's link, so that is not followed.
      tree_.remove_below(tree_.real_path(entry.path));
    else
      tree_.remove_below(tree_.real_directory(entry.path));
    KILN_TRY(tree_.check_cost());
  }
  return {};
}

Result<void> MergedTree::put(TarEntry entry, std::uint64_t number) {
  const auto path = entry.entry.path;
  if (entry.entry.kind == EntryKind::kHardlink) {
    const auto target = tree_.real_path(entry.entry.link_target);
    const auto* found = tree_.find(target);
    if (found == nullptr || found->kind() == EntryKind::kDirectory)
      return Error(Errc::kCorrupt, quoted_name("/" + path) + " is a hard link to " +
                                       quoted_name("/" + entry.entry.link_target) +
                                       ", which is no file of this layer or a lower one");
    auto same = *found;
    const auto real = tree_.make_way(path);
    if (real != target) tree_.put(real, std::move(same));
    return {};
  }
  const auto real = tree_.make_way(path);
  auto file = file_of(std::move(entry), layers_, number);
  file->first_path = real;
  tree_.put(real, Item{std::move(file)});
  return {};
}

const MergedFile* MergedTree::find(std::string_view path) const {
  const auto* item = tree_.find(path);
  return item == nullptr ? nullptr : item->file.get();
}

void MergedTree::for_each(
    const std::function<void(const std::string& path, const File& file)>& visit) const {
  for (const auto& [path, item] : tree_.paths()) visit(path, item.file);
}

Result<void> read_entries(const layer::Blob& layer, const std::set<std::uint64_t>& numbers,
                          const std::function<Result<void>(std::uint64_t number, TarEntry& entry,
                                                           layer::TarReader& bytes)>& take) {
  if (numbers.empty()) return {};
  auto source = layer.open();
  if (source.has_error()) return std::move(source).error();
  auto reader = layer::TarReader::open(**source, {});
  if (reader.has_error()) return std::move(reader).error();
  for (std::uint64_t number = 0; number <= *numbers.rbegin(); ++number) {
    auto entry = (*reader)->next();
    if (entry.has_error()) return std::move(entry).error();
    if (!*entry)
      return Error(Errc::kCorrupt,
                   "the layer " + layer.descriptor().digest.str() + " changed while it was read");
    if (numbers.contains(number)) KILN_TRY(take(number, **entry, **reader));
  }
  return {};
}

}  // namespace kiln::image
