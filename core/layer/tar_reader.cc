#include "core/layer/tar_reader.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/base/redact.h"
#include "core/layer/archive_reading.h"
#include "core/layer/tar_entry.h"
#include "core/layer/tar_records.h"

namespace kiln::layer {
namespace {

constexpr std::uint64_t kRatioFreeBytes = 16 << 20;  // The ratio counts from here on.

Error too_large(std::uint64_t limit, std::string_view what) {
  return {Errc::kInvalid,
          "the tar has more than the allowed " + std::to_string(limit) + " " + std::string(what)};
}

std::uint64_t metadata_bytes(const Entry& entry) {
  std::uint64_t sum = entry.path.size() + entry.link_target.size();
  for (const auto& [name, value] : entry.xattrs) sum += name.size() + value.size();
  return sum;
}

class ArchiveTarReader final : public TarReader {
 public:
  ArchiveTarReader(ByteSource& source, const ReadLimits& limits)
      : input_(source), limits_(limits) {}

  Result<void> open() {
    const PlainLocale locale;
    return input_.open(&archive_read_support_format_tar);
  }

  Result<std::optional<TarEntry>> next() override {
    const PlainLocale locale;
    while (!at_end_) {
      KILN_TRY(skip_content());
      archive_entry* header = nullptr;
      const int code = input_.next_header(&header);
      if (code == ARCHIVE_EOF) {
        // What follows the tar's end still belongs to the blob: whoever hashes it must see it.
        KILN_TRY(input_.drain(limits_.max_uncompressed_bytes));
        at_end_ = true;
        break;
      }
      KILN_TRY(input_.check(code));
      const auto header_text = input_.header_text();
      if (header_text.has_error()) return header_text.error();
      const auto mapped = check_tar_records(*header_text);
      if (mapped.has_error()) return mapped.error();
      KILN_TRY(check_unpacked());
      if (++entries_ > limits_.max_entries) return too_large(limits_.max_entries, "entries");
      auto entry = tar_entry_of(header);
      if (entry.has_error()) return std::move(entry).error();
      KILN_TRY(begin_content(header, *entry, *mapped));
      if (*entry) return entry;
    }
    return std::optional<TarEntry>();
  }

  Result<std::size_t> read(std::span<char> buffer) override {
    const PlainLocale locale;
    while (readable_ && position_ < size_ && !buffer.empty()) {
      if (position_ < block_offset_) return read_hole(buffer);
      if (!block_.empty()) return read_block(buffer);
      KILN_TRY(next_block());
    }
    return 0U;
  }

  std::optional<std::uint64_t> content_offset() const override { return content_offset_; }

 private:
  /// Holes count as what they unpack to.
  Result<void> check_unpacked() {
    const auto out = input_.bytes_out() + hole_bytes_;
    if (out > limits_.max_uncompressed_bytes) return unpacks_to_too_much();
    if (out > kRatioFreeBytes &&
        out / std::max<std::uint64_t>(input_.bytes_in(), 1) > limits_.max_ratio)
      return Error(Errc::kInvalid, "the tar unpacks to more than " +
                                       std::to_string(limits_.max_ratio) + " times its size");
    return {};
  }

  Error unpacks_to_too_much() const {
    return {Errc::kInvalid, "the tar unpacks to more than the allowed " +
                                std::to_string(limits_.max_uncompressed_bytes) + " bytes"};
  }

  Result<void> begin_content(archive_entry* header, const std::optional<TarEntry>& entry,
                             bool mapped) {
    const auto size = archive_entry_size(header);
    path_ = entry ? entry->entry.path : "";
    size_ = size > 0 ? static_cast<std::uint64_t>(size) : 0;
    sparse_ = archive_entry_sparse_count(header) > 0;
    readable_ = entry && entry->entry.kind == EntryKind::kFile;  // A whiteout may have bytes, too.
    content_offset_.reset();
    if (input_.is_plain() && !sparse_ && !mapped) content_offset_ = input_.bytes_out();
    position_ = block_offset_ = 0;
    block_ = {};
    if (size_ > limits_.max_uncompressed_bytes) return unpacks_to_too_much();
    metadata_bytes_ += entry ? metadata_bytes(entry->entry) : 0;
    if (metadata_bytes_ > limits_.max_metadata_bytes)
      return too_large(limits_.max_metadata_bytes, "bytes of names and attributes");
    return {};
  }

  /// Steps on to the next piece of content; at the last one's end, to a hole up to the file's end.
  Result<void> next_block() {
    const void* bytes = nullptr;
    std::size_t count = 0;
    la_int64_t offset = 0;
    const int code = archive_read_data_block(input_.get(), &bytes, &count, &offset);
    if (code == ARCHIVE_EOF) {
      block_offset_ = size_;
      content_ended_ = true;
    } else {
      KILN_TRY(input_.check(code));
      block_ = std::string_view(static_cast<const char*>(bytes), count);
      block_offset_ = offset < 0 ? size_ : static_cast<std::uint64_t>(offset);
    }
    if (block_offset_ < position_ || block_offset_ > size_ || block_.size() > size_ - block_offset_)
      return Error(Errc::kCorrupt, "the tar has a sparse file out of order: " + quoted_name(path_));
    if (block_offset_ > position_ && !sparse_)
      return Error(Errc::kCorrupt,
                   "the tar has less content than it says at " + quoted_name(path_));
    hole_bytes_ += block_offset_ - position_;
    return check_unpacked();
  }

  std::size_t read_hole(std::span<char> buffer) {
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), block_offset_ - position_));
    std::memset(buffer.data(), 0, count);
    position_ += count;
    return count;
  }

  std::size_t read_block(std::span<char> buffer) {
    const auto count = std::min(buffer.size(), block_.size());
    std::memcpy(buffer.data(), block_.data(), count);
    block_.remove_prefix(count);
    position_ += count;
    block_offset_ = position_;
    return count;
  }

  /// Block by block, because archive_read_data_skip would unpack a whole bomb before it answers; a
  /// plain tar has nothing to unpack.
  Result<void> skip_content() {
    if (started_ && content_offset_ && !content_ended_) {
      KILN_TRY(input_.check(archive_read_data_skip(input_.get())));
      content_ended_ = true;
    }
    while (started_ && !content_ended_) {
      position_ = block_offset_ + block_.size();
      block_ = {};
      KILN_TRY(next_block());
    }
    started_ = true;
    content_ended_ = false;
    return {};
  }

  ArchiveInput input_;
  const ReadLimits limits_;
  std::uint64_t entries_ = 0;
  std::uint64_t metadata_bytes_ = 0;
  std::uint64_t hole_bytes_ = 0;
  bool started_ = false;
  bool at_end_ = false;

  // The entry that next() gave last.
  std::string path_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;      // How far read() has come.
  std::uint64_t block_offset_ = 0;  // Where block_ stands in the file; before it is a hole.
  std::string_view block_;
  bool sparse_ = false;
  bool readable_ = false;
  bool content_ended_ = false;
  std::optional<std::uint64_t> content_offset_;
};

}  // namespace

Result<std::unique_ptr<TarReader>> TarReader::open(ByteSource& source, const ReadLimits& limits) {
  auto reader = std::make_unique<ArchiveTarReader>(source, limits);
  KILN_TRY(reader->open());
  return std::unique_ptr<TarReader>(std::move(reader));
}

}  // namespace kiln::layer
