#include "core/layer/layer_index.h"

#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/layer/archive_reading.h"
#include "core/layer/entry_path.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kMaxPathBytes = 4095;
constexpr std::uint64_t kRatioFreeBytes = 16 << 20;  // The ratio counts from here on.
constexpr std::size_t kMaxPartBytes = 255;
constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::size_t kPrefixBytes = kWhiteoutPrefix.size();
constexpr std::string_view kOpaqueName = ".wh..wh..opq";

/// What libarchive reads from; remembers the source's own error, which libarchive cannot carry.
struct Feed {
  explicit Feed(ByteSource& s) : source(s), buffer(kReadBytes) {}

  ByteSource& source;
  std::vector<char> buffer;
  std::uint64_t bytes = 0;
  Error error{};
  bool failed = false;
};

la_ssize_t read_feed(archive* a, void* data, const void** out) {
  auto& feed = *static_cast<Feed*>(data);
  auto count = feed.source.read(feed.buffer);
  if (count.has_error()) {
    feed.error = std::move(count).error();
    feed.failed = true;
    archive_set_error(a, EIO, "the source failed");
    return ARCHIVE_FATAL;
  }
  feed.bytes += *count;
  *out = feed.buffer.data();
  return static_cast<la_ssize_t>(*count);
}

/// Names of a hostile tar go into errors: no control characters, not too long.
std::string shown(std::string_view name) {
  std::string text(name.substr(0, 120));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c >= 0 && (c < 0x20 || c == 0x7f); }, '?');
  return "\"" + text + (name.size() > 120 ? "…\"" : "\"");
}

/// "./usr//share/" → "usr/share". Errors: kCorrupt for what would leave the root.
Result<std::string> clean_tar_name(std::string_view name) {
  if (name.starts_with('/'))
    return Error(Errc::kCorrupt, "the layer has the absolute name " + shown(name));
  std::string clean;
  for (auto rest = name; !rest.empty();) {
    const auto end = std::min(rest.find('/'), rest.size());
    const auto part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (part == "..")
      return Error(Errc::kCorrupt, "the layer has a name with \"..\": " + shown(name));
    // A whiteout of the longest name is longer by its prefix.
    if (part.size() > kMaxPartBytes + (part.starts_with(kWhiteoutPrefix) ? kPrefixBytes : 0))
      return Error(Errc::kCorrupt,
                   "the layer has a name part of more than 255 bytes: " + shown(name));
    if (part.empty() || part == ".") continue;
    if (!clean.empty()) clean += '/';
    clean += part;
  }
  if (clean.size() > kMaxPathBytes + kPrefixBytes)
    return Error(Errc::kCorrupt, "the layer has a name of more than 4095 bytes: " + shown(name));
  return clean;
}

bool has_whiteout_part(std::string_view path) {
  return refuse_whiteout_names(path).has_error();
}

bool is_aufs_metadata(std::string_view path) {
  return ("/" + std::string(path)).find("/.wh..wh.") != std::string::npos &&
         name_of_path(path) != kOpaqueName;
}

/// Reads headers one by one and collects entries; one object per layer.
class Indexer {
 public:
  Indexer(Feed& feed, const IndexLimits& limits) : feed_(feed), limits_(limits) {}

  Result<LayerIndex> run() {
    const PlainLocale locale;
    KILN_TRY(open());
    for (;;) {
      archive_entry* header = nullptr;
      const int code = archive_read_next_header(archive_.get(), &header);
      if (code == ARCHIVE_EOF) break;
      KILN_TRY(check(code));
      KILN_TRY(check_size());
      KILN_TRY(take(header));
      KILN_TRY(skip_content());
    }
    KILN_TRY(drain());
    return result();
  }

 private:
  Result<void> open() {
    archive_.reset(archive_read_new());
    auto* a = archive_.get();
    if (a == nullptr) return Error(Errc::kInternal, "libarchive could not be set up");
    archive_read_support_format_tar(a);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_zstd(a);
    return check(archive_read_open(a, &feed_, nullptr, &read_feed, nullptr));
  }

  /// Warnings are refused too (a malformed PAX record must not be skipped), but for the one about
  /// character sets, after which the name is there as it stands in the tar.
  Result<void> check(int code) {
    if (feed_.failed) return feed_.error;
    if (code == ARCHIVE_OK) return {};
    const char* text = archive_error_string(archive_.get());
    const std::string_view why = text != nullptr ? text : "unknown format";
    if (code == ARCHIVE_WARN && why.find("can't be converted") != why.npos) return {};
    return Error(Errc::kCorrupt, "the layer is not a readable tar: " + shown(why));
  }

  Result<void> check_size() {
    const auto out = static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), 0));
    if (out > limits_.max_uncompressed_bytes)
      return Error(Errc::kInvalid, "the layer unpacks to more than the allowed " +
                                       std::to_string(limits_.max_uncompressed_bytes) + " bytes");
    if (out > kRatioFreeBytes && out / std::max<std::uint64_t>(feed_.bytes, 1) > limits_.max_ratio)
      return Error(Errc::kInvalid, "the layer unpacks to more than " +
                                       std::to_string(limits_.max_ratio) + " times its size");
    return {};
  }

  /// Block by block, because archive_read_data_skip would unpack a whole bomb before it answers.
  Result<void> skip_content() {
    for (;;) {
      const void* block = nullptr;
      std::size_t size = 0;
      la_int64_t offset = 0;
      const int code = archive_read_data_block(archive_.get(), &block, &size, &offset);
      if (code == ARCHIVE_EOF) return {};
      KILN_TRY(check(code));
      KILN_TRY(check_size());
    }
  }

  /// What follows the tar's end still belongs to the blob: whoever hashes the source must see it.
  Result<void> drain() {
    for (;;) {
      auto count = feed_.source.read(feed_.buffer);
      if (count.has_error()) return std::move(count).error();
      if (*count == 0) return {};
    }
  }

  Result<void> take(archive_entry* header) {
    if (++seen_ > limits_.max_entries)
      return Error(Errc::kInvalid, "the layer has more than the allowed " +
                                       std::to_string(limits_.max_entries) + " entries");
    const char* raw = archive_entry_pathname(header);
    if (raw == nullptr || *raw == '\0')
      return Error(Errc::kCorrupt, "the layer has an entry without a name");
    auto path = clean_tar_name(raw);
    if (path.has_error()) return std::move(path).error();
    if (is_aufs_metadata(*path)) return {};
    if (name_of_path(*path).starts_with(kWhiteoutPrefix)) return take_whiteout(*path);
    if (has_whiteout_part(*path))
      return Error(Errc::kCorrupt, "the layer has something below a whiteout: " + shown(*path));

    IndexedEntry entry;
    entry.path = *path;
    KILN_TRY(fill(entry, header));
    if (path->empty() && entry.kind != EntryKind::kDirectory)
      return Error(Errc::kCorrupt, "the layer has a root that is not a directory");
    entries_.insert_or_assign(std::move(*path), std::move(entry));
    return {};
  }

  Result<void> take_whiteout(const std::string& path) {
    const std::string directory(parent_of(path));
    if (has_whiteout_part(directory))
      return Error(Errc::kCorrupt, "the layer has something below a whiteout: " + shown(path));
    if (name_of_path(path) == kOpaqueName) {
      opaque_.push_back(directory);
      return {};
    }
    const auto name = name_of_path(path).substr(kWhiteoutPrefix.size());
    if (name.empty() || name == "." || name == "..")
      return Error(Errc::kCorrupt, "the layer has a whiteout of nothing: " + shown(path));
    whiteouts_.push_back(join_path(directory, name));
    return {};
  }

  static Result<void> fill(IndexedEntry& entry, archive_entry* header) {
    entry.mode = static_cast<std::uint32_t>(archive_entry_perm(header)) & 07777U;
    const auto uid = archive_entry_uid(header);
    const auto gid = archive_entry_gid(header);
    if (uid < 0 || uid > UINT32_MAX || gid < 0 || gid > UINT32_MAX)
      return Error(Errc::kCorrupt, "the layer has an owner out of range at " + shown(entry.path));
    entry.uid = static_cast<std::uint32_t>(uid);
    entry.gid = static_cast<std::uint32_t>(gid);

    if (const char* target = archive_entry_hardlink(header); target != nullptr) {
      auto clean = clean_tar_name(target);
      if (clean.has_error()) return std::move(clean).error().while_doing("a hard link");
      entry.kind = EntryKind::kHardlink;
      entry.link_target = std::move(*clean);
      return {};
    }
    switch (archive_entry_filetype(header)) {
      case AE_IFDIR:
        entry.kind = EntryKind::kDirectory;
        break;
      case AE_IFREG:
        entry.kind = EntryKind::kFile;
        break;
      case AE_IFLNK:
        entry.kind = EntryKind::kSymlink;
        break;
      default:
        entry.kind = EntryKind::kSpecial;
        break;
    }
    if (entry.kind != EntryKind::kSymlink) return {};
    const char* target = archive_entry_symlink(header);
    entry.link_target = target != nullptr ? target : "";
    if (entry.link_target.empty() || entry.link_target.size() > kMaxPathBytes)
      return Error(Errc::kCorrupt,
                   "the layer has a symlink without a usable target at " + shown(entry.path));
    return {};
  }

  LayerIndex result() {
    // A path of the layer itself says more than a whiteout of the same name: it replaces what is
    // below. Only a directory needs both: it then hides what lower layers have in it.
    for (auto& path : whiteouts_) {
      const auto found = entries_.find(path);
      if (found != entries_.end())
        found->second.opaque = found->second.kind == EntryKind::kDirectory;
      else
        add_mark(path, false);
    }
    for (auto& path : opaque_) {
      const auto found = entries_.find(path);
      if (found != entries_.end() && found->second.kind == EntryKind::kDirectory)
        found->second.opaque = true;
      else if (found == entries_.end())
        add_mark(path, true);
    }
    LayerIndex index;
    index.entries.reserve(entries_.size());
    for (auto& [path, entry] : entries_) index.entries.push_back(std::move(entry));
    return index;
  }

  void add_mark(const std::string& path, bool opaque) {
    IndexedEntry mark;
    mark.path = path;
    mark.kind = EntryKind::kWhiteout;
    mark.opaque = opaque;
    entries_.emplace(path, std::move(mark));
  }

  Feed& feed_;
  const IndexLimits& limits_;
  ArchivePtr archive_;
  std::map<std::string, IndexedEntry> entries_;
  std::vector<std::string> whiteouts_;
  std::vector<std::string> opaque_;
  std::uint64_t seen_ = 0;
};

}  // namespace

Result<LayerIndex> index_layer(ByteSource& compressed, const IndexLimits& limits) {
  Feed feed(compressed);
  return Indexer(feed, limits).run();
}

}  // namespace kiln::layer
