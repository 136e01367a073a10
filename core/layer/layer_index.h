#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/io.h"
#include "core/layer/entry.h"
#include "core/oci/digest.h"

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

struct IndexLimits {
  std::uint64_t max_entries = 2'000'000;
  std::uint64_t max_uncompressed_bytes = 64ULL << 30;
  std::uint64_t max_ratio = 2000;  ///< Uncompressed to compressed, once 16 MiB have come out.
};

/// Reads a layer (plain, gzip or zstd tar) to its end and keeps its headers; names are cleaned
/// ("./usr//x/" is "usr/x"), absolute ones and those with ".." are refused. libarchive reads; only
/// tar formats are enabled, and zstd windows beyond 128 MiB are refused. A ".wh.<name>" becomes a
/// whiteout of <name>; other names that begin with ".wh..wh." are left out, as AUFS wrote them for
/// itself. The bytes are not checked against a digest, nor gzip's checksum: whoever pulls them does
/// that, and this reads past the tar's end to the source's, so that a hash on the way sees it all.
///
/// Blocking: for the WorkPool.
///
/// Errors: kCorrupt (not a tar, broken stream, unsafe name), kInvalid (a limit), and the source's
/// own.
[[nodiscard]] Result<LayerIndex> index_layer(ByteSource& compressed, const IndexLimits& limits);

/// What a base image's file system looks like: its layers' indexes merged, whiteouts applied.
class BaseTree {
 public:
  /// Lower layers first. A layer's whiteouts hide only what lower layers have. Directories that no
  /// layer names but that hold something are 0755 0:0, as runtimes make them.
  static BaseTree merge(const std::vector<LayerIndex>& layers);

  /// Puts one more layer on top.
  void apply(const LayerIndex& layer);

  const IndexedEntry* find(std::string_view path) const;

  /// Follows the base's symlinks in `path`'s directories, inside its root, as the kernel would
  /// after chroot: "bin/x" → "usr/bin/x" on a usr-merged base. The last part is followed only if
  /// `follow_last`. Parts that do not exist are kept as they stand.
  /// `path` is clean and relative; ".." is allowed only in the links.
  /// Errors: kInvalid for more than 40 links, or when a part above the last is a file.
  [[nodiscard]] Result<std::string> resolve(std::string_view path, bool follow_last) const;

  /// A digest of all facts (kind, mode, owner, link target) about `paths` and their parents: where
  /// it is equal, a content layer made for one base fits the other.
  std::string facts_about(const std::vector<std::string>& paths) const;

  std::size_t size() const { return entries_.size(); }

 private:
  void put(IndexedEntry entry);
  std::string real_path(std::string_view path) const;
  void remove_below(const std::string& path);
  /// Where an entry's directory really is, the links of lower layers followed; made if missing.
  std::string make_directory(std::string_view path);

  std::map<std::string, IndexedEntry, std::less<>> entries_;
};

}  // namespace kiln::layer
