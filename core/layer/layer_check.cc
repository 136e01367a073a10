#include "core/layer/layer_check.h"

#include <archive_entry.h>

#include <cerrno>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/sha256.h"
#include "core/layer/archive_reading.h"
#include "core/layer/entry_path.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

/// Two archives in a row, so that both digests can be taken: one only decompresses ("raw"), the
/// other reads the tar that comes out.
class LayerReader {
 public:
  explicit LayerReader(ByteSource& source)
      : source_(source), compressed_(kReadBytes), plain_(kReadBytes) {}

  Result<LayerFacts> run() {
    const PlainLocale locale;
    KILN_TRY(open());
    for (;;) {
      archive_entry* header = nullptr;
      const int code = archive_read_next_header(tar_.get(), &header);
      if (code == ARCHIVE_EOF) break;
      if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return broken(tar_.get());
      KILN_TRY(check_entry(header));
      if (archive_read_data_skip(tar_.get()) < ARCHIVE_WARN) return broken(tar_.get());
    }
    KILN_TRY(read_to_the_end());
    return facts();
  }

 private:
  Result<void> open() {
    raw_.reset(archive_read_new());
    tar_.reset(archive_read_new());
    if (!raw_ || !tar_) return Error(Errc::kInternal, "libarchive could not be set up");
    archive_read_support_format_raw(raw_.get());
    archive_read_support_filter_gzip(raw_.get());
    archive_read_support_filter_zstd(raw_.get());
    archive_read_support_format_tar(tar_.get());
    archive_entry* whole = nullptr;
    if (archive_read_open(raw_.get(), this, nullptr, &read_compressed, nullptr) != ARCHIVE_OK ||
        archive_read_next_header(raw_.get(), &whole) != ARCHIVE_OK)
      return broken(raw_.get());
    if (archive_read_open(tar_.get(), this, nullptr, &read_plain, nullptr) != ARCHIVE_OK)
      return broken(tar_.get());
    return {};
  }

  static la_ssize_t read_compressed(archive* a, void* data, const void** out) {
    auto& self = *static_cast<LayerReader*>(data);
    auto count = self.source_.read(self.compressed_);
    if (count.has_error()) {
      self.source_error_ = std::move(count).error();
      archive_set_error(a, EIO, "the source failed");
      return ARCHIVE_FATAL;
    }
    self.digest_.update(std::string_view(self.compressed_.data(), *count));
    self.size_bytes_ += *count;
    *out = self.compressed_.data();
    return static_cast<la_ssize_t>(*count);
  }

  static la_ssize_t read_plain(archive* a, void* data, const void** out) {
    auto& self = *static_cast<LayerReader*>(data);
    const auto count = archive_read_data(self.raw_.get(), self.plain_.data(), self.plain_.size());
    if (count < 0) {
      archive_set_error(a, EIO, "%s", archive_error_string(self.raw_.get()));
      return ARCHIVE_FATAL;
    }
    self.diff_id_.update(std::string_view(self.plain_.data(), static_cast<std::size_t>(count)));
    self.uncompressed_bytes_ += static_cast<std::uint64_t>(count);
    *out = self.plain_.data();
    return count;
  }

  Error broken(archive* a) const {
    if (!source_error_.message.empty()) return source_error_;
    const char* why = archive_error_string(a);
    return {Errc::kCorrupt, std::string("the layer is not a readable tar: ") +
                                (why != nullptr ? why : "unknown format")};
  }

  Result<void> check_entry(archive_entry* header) {
    const char* raw = archive_entry_pathname(header);
    std::string_view name = raw != nullptr ? raw : "";
    if (name.ends_with('/')) name.remove_suffix(1);
    if (!seen_.emplace(name).second)
      return Error(Errc::kCorrupt, "\"/" + std::string(name) + "\" stands twice in the layer");
    if (parents_assumed_.contains(name))
      return Error(Errc::kCorrupt,
                   "\"/" + std::string(name) + "\" comes after what is in it in the layer");
    for (auto parent = parent_of(name); !parent.empty(); parent = parent_of(parent))
      if (!seen_.contains(parent)) parents_assumed_.emplace(parent);
    const char* target = archive_entry_hardlink(header);
    if (target != nullptr && !seen_.contains(std::string_view(target)))
      return Error(Errc::kCorrupt,
                   "\"/" + std::string(name) + "\" is a hard link to something that comes later");
    return {};
  }

  /// Past the tar's end there may be more, which both digests cover.
  Result<void> read_to_the_end() {
    const void* unused = nullptr;
    la_ssize_t count = 1;
    while (count > 0) count = read_plain(tar_.get(), this, &unused);
    if (count < 0) return broken(tar_.get());
    while (count > 0 || !at_end_) {
      count = read_compressed(tar_.get(), this, &unused);
      if (count < 0) return broken(tar_.get());
      at_end_ = count == 0;
    }
    return {};
  }

  Result<LayerFacts> facts() {
    auto digest = oci::Digest::parse("sha256:" + digest_.finish_hex());
    auto diff_id = oci::Digest::parse("sha256:" + diff_id_.finish_hex());
    if (digest.has_error()) return std::move(digest).error();
    if (diff_id.has_error()) return std::move(diff_id).error();
    return LayerFacts{std::move(*digest), size_bytes_, std::move(*diff_id), uncompressed_bytes_};
  }

  ByteSource& source_;
  std::vector<char> compressed_;
  std::vector<char> plain_;
  ArchivePtr raw_;
  ArchivePtr tar_;  // After raw_: goes first, as it reads from it.
  Error source_error_{Errc::kInternal, ""};
  Sha256 digest_;
  Sha256 diff_id_;
  std::uint64_t size_bytes_ = 0;
  std::uint64_t uncompressed_bytes_ = 0;
  bool at_end_ = false;
  std::set<std::string, std::less<>> seen_;
  std::set<std::string, std::less<>> parents_assumed_;
};

}  // namespace

Result<LayerFacts> check_layer(ByteSource& compressed) {
  return LayerReader(compressed).run();
}

}  // namespace kiln::layer
