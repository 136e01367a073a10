#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/layer/entry.h"
#include "core/layer/layer.h"
#include "core/layer/path_tree.h"
#include "core/layer/tar_reader.h"

namespace kiln::image {

/// What is in the merged file system under one path, or under several that are hard links.
struct MergedFile {
  layer::EntryKind kind = layer::EntryKind::kDirectory;  ///< No hard link, no whiteout.
  std::uint32_t mode = 0755;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string link_target{};            ///< Of a symlink.
  std::optional<std::int64_t> mtime{};  ///< Seconds; unset for a directory that no layer names.
  std::map<std::string, std::string> xattrs{};
  std::optional<layer::Device> device{};
  std::uint64_t size_bytes = 0;  ///< Of a regular file.
  std::string first_path{};      ///< The real path it was put at; others are links to it.
  bool named = false;            ///< By a layer; then also, where it stands there:
  std::size_t layer = 0;         ///< In the order of apply(), from 0.
  std::uint64_t number = 0;      ///< Of the entry in that layer's tar, from 0.
};

/// The file system that layers make together, with all that their headers say: what unpacking them
/// one after the other gives. A layer's whiteouts hide only what lower layers have, wherever in the
/// tar they stand; other entries count in the tar's order, so that of a path that stands twice the
/// last one wins. An entry that goes through a lower layer's symlink stands under its real path.
/// Contents stay where they are. Copies share their files.
class MergedTree {
 public:
  using File = std::shared_ptr<const MergedFile>;  ///< Shared: one file has several names.

  /// Of all `layers`, lowest first. Blocking. Errors: those of apply(), with which layer it was.
  [[nodiscard]] static Result<MergedTree> of(const std::vector<layer::Blob>& layers);

  /// Puts one more layer on top. Blocking. Errors: those of TarReader; kCorrupt for a hard link to
  /// something that is not there, or a directory; kInvalid for paths that cost too much (PathTree).
  [[nodiscard]] Result<void> apply(const layer::Blob& layer);

  /// What is at a real path (relative; "" is the root), or nullptr.
  const MergedFile* find(std::string_view path) const;
  /// Calls `visit` for all there is, by path (bytes).
  void for_each(const std::function<void(const std::string& path, const File& file)>& visit) const;

 private:
  struct Item {
    File file;
    layer::EntryKind kind() const { return file->kind; }
    std::string_view link_target() const { return file->link_target; }
    static Item implied_directory(const std::string& path);
  };

  Result<void> hide(const std::vector<layer::TarEntry>& entries);
  Result<void> put(layer::TarEntry entry, std::uint64_t number);

  layer::PathTree<Item> tree_;
  std::size_t layers_ = 0;
};

/// Reads a layer again and calls `take` for the entries with these numbers, in their order, while
/// the reader is at their bytes. Blocking. Errors: of TarReader and of `take`; kCorrupt when the
/// layer has fewer entries now.
[[nodiscard]] Result<void> read_entries(
    const layer::Blob& layer, const std::set<std::uint64_t>& numbers,
    const std::function<Result<void>(std::uint64_t number, layer::TarEntry& entry,
                                     layer::TarReader& bytes)>& take);

}  // namespace kiln::image
