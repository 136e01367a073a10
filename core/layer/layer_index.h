#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/io.h"
#include "core/layer/entry.h"
#include "core/layer/path_tree.h"
#include "core/layer/tar_reader.h"

namespace kiln::layer {

/// What a base layer's tar says of one path; no content.
///
/// Device nodes and FIFOs are kSpecial. kWhiteout with `opaque` is a ".wh..wh..opq" in a directory
/// that the layer itself does not name: the directory stays, what lower layers have in it is
/// hidden.
struct IndexedEntry {
  std::string path;  ///< Clean and relative; "" is the root.
  EntryKind kind = EntryKind::kFile;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string link_target{};
  bool opaque = false;  ///< Hides all that lower layers have in this directory (.wh..wh..opq).
  std::uint64_t size_bytes = 0;         ///< Of a regular file.
  std::optional<std::int64_t> mtime{};  ///< Seconds; unset where no tar says it.
  friend bool operator==(const IndexedEntry&, const IndexedEntry&) = default;
};

/// The headers of one layer, read once and kept (decision 3). Serialises to text for a cache.
struct LayerIndex {
  /// By path (bytes), each path once; the tar's last one wins.
  std::vector<IndexedEntry> entries{};
  /// A version, a checksum and records in which a path says only how it differs from the one
  /// before.
  std::string to_bytes() const;
  /// Errors: kCorrupt for anything that to_bytes() did not write.
  [[nodiscard]] static Result<LayerIndex> from_bytes(std::string_view bytes);
};

/// Reads a layer with a TarReader to its end and keeps its headers. A path of the layer itself says
/// more than a whiteout of the same name: only a directory is then marked opaque.
///
/// Blocking: for the WorkPool. Errors: those of TarReader.
[[nodiscard]] Result<LayerIndex> index_layer(ByteSource& compressed, const ReadLimits& limits);

/// What a base image's file system looks like: its layers' indexes merged, whiteouts applied.
class BaseTree {
 public:
  /// Lower layers first. A layer's whiteouts hide only what lower layers have. Directories that no
  /// layer names but that hold something are 0755 0:0, as runtimes make them.
  /// Errors: see apply().
  [[nodiscard]] static Result<BaseTree> merge(const std::vector<LayerIndex>& layers);

  /// Puts one more layer on top. Errors: kInvalid for paths that cost too much, see PathTree; then
  /// the tree must not be used any more.
  [[nodiscard]] Result<void> apply(const LayerIndex& layer);

  /// A hard link has the mode, owner, size and time that its file had when it was made.
  const IndexedEntry* find(std::string_view path) const;
  /// What is below a directory, itself not, by path (bytes). Valid until the next apply().
  std::vector<const IndexedEntry*> below(std::string_view directory) const;

  /// Whose entry it is that find() answers.
  struct Origin {
    std::size_t layer = 0;  ///< In the order of apply(), from 0.
    std::string path;       ///< In that layer: "bin/sh" of what is at "usr/bin/sh" now.
  };
  /// Unset where there is nothing, or a directory that no layer names.
  std::optional<Origin> origin_of(std::string_view path) const;

  /// Follows the base's symlinks in `path`'s directories, inside its root, as the kernel would
  /// after chroot: "bin/x" → "usr/bin/x" on a usr-merged base. The last part is followed only if
  /// `follow_last`. Parts that do not exist are kept as they stand.
  /// `path` is clean and relative; ".." is allowed only in the links.
  /// Errors: kInvalid for more than 40 links, or when a part above the last is a file.
  [[nodiscard]] Result<std::string> resolve(std::string_view path, bool follow_last) const;

  /// A digest of all facts (kind, mode, owner, link target) about `paths` and their parents: where
  /// it is equal, a content layer made for one base fits the other.
  std::string facts_about(const std::vector<std::string>& paths) const;

  /// A tree of what stands at some of the paths: whoever asks for these alone, or goes from one to
  /// the other, finds the same there. Precondition: those above each of them are among them.
  BaseTree only(const std::set<std::string>& paths) const;

  std::size_t size() const { return tree_.paths().size(); }
  std::uint64_t cost_bytes() const { return tree_.cost_bytes(); }  ///< Of memory, about.

 private:
  static constexpr std::size_t kNoLayer = SIZE_MAX;

  /// An entry under its real path.
  struct Placed {
    IndexedEntry entry;
    std::size_t layer = kNoLayer;
    std::string path_in_layer{};  ///< Where it is another.

    EntryKind kind() const { return entry.kind; }
    std::string_view link_target() const { return entry.link_target; }
    static Placed implied_directory(const std::string& path);
  };

  void take_facts_of_file(const std::string& path);

  PathTree<Placed> tree_;
  std::size_t layers_ = 0;
};

}  // namespace kiln::layer
