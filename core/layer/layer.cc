#include "core/layer/layer.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/background_sink.h"
#include "core/base/file.h"
#include "core/base/redact.h"
#include "core/base/sha256.h"
#include "core/layer/entry_path.h"

namespace kiln::layer {
namespace {

using OpenSource = Result<std::unique_ptr<ByteSource>>;

/// Hashes and counts what goes through.
class HashingSink final : public ByteSink {
 public:
  explicit HashingSink(ByteSink& next, Progress progress = {})
      : next_(next), progress_(std::move(progress)) {}

  Result<void> write(std::string_view bytes) override {
    hash_.update(bytes);
    size_bytes_ += bytes.size();
    if (progress_) progress_(bytes.size());
    return next_.write(bytes);
  }

  std::uint64_t size_bytes() const { return size_bytes_; }
  Result<oci::Digest> finish() { return oci::Digest::parse("sha256:" + hash_.finish_hex()); }

 private:
  ByteSink& next_;
  Progress progress_;
  Sha256 hash_;
  std::uint64_t size_bytes_ = 0;
};

/// Bytes in pieces: none of them moves when more are added.
using Pieces = std::vector<std::string>;

class PiecesSource final : public ByteSource {
 public:
  explicit PiecesSource(std::shared_ptr<const Pieces> pieces) : pieces_(std::move(pieces)) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    while (next_ < pieces_->size() && at_ == (*pieces_)[next_].size()) {
      ++next_;
      at_ = 0;
    }
    if (next_ == pieces_->size()) return std::size_t{0};
    const auto count = (*pieces_)[next_].copy(buffer.data(), buffer.size(), at_);
    at_ += count;
    return count;
  }

 private:
  std::shared_ptr<const Pieces> pieces_;  // Shared by all who read the layer.
  std::size_t next_ = 0;
  std::size_t at_ = 0;
};

/// Keeps bytes in memory up to a limit, in a nameless file beyond it.
class Spool final : public ByteSink {
 public:
  Spool(std::uint64_t memory_limit_bytes, std::string directory)
      : limit_(memory_limit_bytes), directory_(std::move(directory)) {
    if (directory_.empty()) directory_ = temporary_directory();
  }

  Result<void> write(std::string_view bytes) override {
    if (!file_ && in_memory_ + bytes.size() <= limit_) {
      keep(bytes);
      return {};
    }
    auto written = write_to_file(bytes);
    if (written.has_error())
      return std::move(written).error().while_doing("spooling a layer in " + directory_);
    return {};
  }

  /// How to read what was written. Ends this object's use.
  Blob::Open take() {
    if (file_) {
      auto fd = std::make_shared<const UniqueFd>(std::move(*file_));
      return [fd]() -> OpenSource {
        return std::unique_ptr<ByteSource>(std::make_unique<SharedFileSource>(fd));
      };
    }
    if (!memory_.empty()) memory_.back().shrink_to_fit();
    auto pieces = std::make_shared<const Pieces>(std::move(memory_));
    return [pieces]() -> OpenSource {
      return std::unique_ptr<ByteSource>(std::make_unique<PiecesSource>(pieces));
    };
  }

 private:
  static constexpr std::size_t kPieceBytes = 256 * 1024;

  void keep(std::string_view bytes) {
    in_memory_ += bytes.size();
    while (!bytes.empty()) {
      if (memory_.empty() || memory_.back().size() == kPieceBytes) {
        memory_.emplace_back();
        if (memory_.size() > 1) memory_.back().reserve(kPieceBytes);  // Many layers are small.
      }
      auto& piece = memory_.back();
      const auto count = std::min(bytes.size(), kPieceBytes - piece.size());
      piece.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
    }
  }

  Result<void> write_to_file(std::string_view bytes) {
    if (!file_) {
      auto fd = nameless_file(directory_);
      if (fd.has_error()) return std::move(fd).error();
      file_ = std::move(*fd);
      for (const auto& piece : memory_) KILN_TRY(FdSink(file_->get()).write(piece));
      memory_ = {};
    }
    return FdSink(file_->get()).write(bytes);
  }

  std::uint64_t limit_;
  std::string directory_;
  Pieces memory_;
  std::uint64_t in_memory_ = 0;
  std::optional<UniqueFd> file_;
};

/// True when the part of `entry`'s path that holds byte `at` is the name of a whiteout.
bool whiteout_part(const Entry& entry, std::size_t at) {
  return entry.kind == EntryKind::kWhiteout && entry.path.find('/', at) == std::string::npos;
}

/// By path, part by part; but among siblings the whiteouts come first (image-spec v1.1, layer.md).
bool earlier_in_tar(const Entry* a, const Entry* b) {
  const auto differ = std::mismatch(a->path.begin(), a->path.end(), b->path.begin(), b->path.end());
  const auto at = static_cast<std::size_t>(differ.first - a->path.begin());
  const bool a_hides = whiteout_part(*a, at);
  const bool b_hides = whiteout_part(*b, at);
  return a_hides != b_hides ? a_hides : sorted_before(a->path, b->path);
}

/// The entries in the order of the tar; hard links at the end, after whatever they point at.
std::vector<const Entry*> in_tar_order(const FileTree& tree) {
  std::vector<const Entry*> order;
  std::vector<const Entry*> links;
  order.reserve(tree.size());
  bool whiteouts = false;
  for (const auto& [path, entry] : tree.entries()) {
    (entry.kind == EntryKind::kHardlink ? links : order).push_back(&entry);
    whiteouts = whiteouts || entry.kind == EntryKind::kWhiteout;
  }
  if (whiteouts) std::sort(order.begin(), order.end(), earlier_in_tar);
  order.insert(order.end(), links.begin(), links.end());
  return order;
}

/// A hard link with the owner, mode, time and xattrs of its file, because extracting sets them on
/// the one inode; setting the owner alone would take a file's capabilities away.
Result<Entry> like_its_file(const Entry& link, const FileTree& tree, TimestampPolicy timestamps) {
  const auto* file = tree.find(link.link_target);
  if (file == nullptr || file->kind != EntryKind::kFile)
    return Error(Errc::kInvalid, quoted_name("/" + link.path) + " is a hard link to " +
                                     quoted_name("/" + link.link_target) +
                                     ", which is not a file of the same layer");
  auto time = entry_time(*file, timestamps);
  if (time.has_error()) return std::move(time).error();
  Entry same = link;
  same.mode = file->mode;
  same.uid = file->uid;
  same.gid = file->gid;
  same.mtime = *time;
  same.xattrs = file->xattrs;
  return same;
}

Result<void> write_tar(const FileTree& tree, TimestampPolicy timestamps, ByteSink& out) {
  TarWriter writer(out, timestamps);
  for (const auto* entry : in_tar_order(tree)) {
    if (entry->kind != EntryKind::kHardlink) {
      KILN_TRY(writer.add(*entry));
      continue;
    }
    auto link = like_its_file(*entry, tree, timestamps);
    if (link.has_error()) return std::move(link).error();
    KILN_TRY(writer.add(*link));
  }
  return writer.finish();
}

Result<std::string> media_type_for(const LayerOptions& options) {
  const bool zstd = options.compression == Compression::kZstd;
  if (zstd && options.docker_media_types)
    return Error(Errc::kInvalid,
                 "zstd layers have no Docker media type; use OCI media types, or gzip");
  if (zstd) return std::string(oci::media_type::kOciLayerZstd);
  return std::string(options.docker_media_types ? oci::media_type::kDockerLayerGzip
                                                : oci::media_type::kOciLayerGzip);
}

}  // namespace

Result<Layer> compress_layer(const std::function<Result<void>(ByteSink& tar)>& write,
                             const LayerOptions& options) {
  auto type = media_type_for(options);
  if (type.has_error()) return std::move(type).error();

  Spool spool(options.memory_limit_bytes, options.spool_dir);
  HashingSink compressed(spool);
  const auto compressor = make_compressor(options.compression, compressed);
  HashingSink tar(*compressor, options.progress);
  if (options.two_threads) {
    BackgroundSink beside(tar);
    KILN_TRY(write(beside));
    KILN_TRY(beside.finish());
  } else {
    KILN_TRY(write(tar));
  }
  KILN_TRY(compressor->finish());

  auto digest = compressed.finish();
  if (digest.has_error()) return std::move(digest).error();
  auto diff_id = tar.finish();
  if (diff_id.has_error()) return std::move(diff_id).error();
  oci::Descriptor descriptor(std::move(*type), std::move(*digest), compressed.size_bytes());
  Layer layer(Blob(std::move(descriptor), spool.take()), std::move(*diff_id));
  layer.uncompressed_bytes = tar.size_bytes();
  return layer;
}

Result<Layer> make_layer(const FileTree& tree, const LayerOptions& options) {
  const auto write = [&](ByteSink& tar) { return write_tar(tree, options.timestamps, tar); };
  auto layer = compress_layer(write, options);
  if (layer.has_error()) return layer;
  for (const auto& [path, entry] : tree.entries())
    if (entry.kind == EntryKind::kFile) ++layer->files;
  layer->content_bytes = tree.content_bytes();
  return layer;
}

}  // namespace kiln::layer
