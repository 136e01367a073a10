#include "core/layer/archive_reading.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "core/base/redact.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

// PAX records and long names have 1 MiB each at most. What has no limit in libarchive is the map of
// a sparse file, of which it keeps 48 bytes for every 4 that it reads.
constexpr std::size_t kMaxHeaderBytes = 8 * 1024 * 1024;

constexpr std::size_t kMagicBytes = 4;
constexpr std::size_t kBlock = 512;

/// gzip (RFC 1952), or zstd (RFC 8878) with a frame that says something or one to be skipped.
bool is_packed(std::string_view bytes) {
  return bytes.starts_with("\x1f\x8b") || bytes.starts_with("\x28\xb5\x2f\xfd") ||
         (bytes.size() >= kMagicBytes && (bytes[0] & 0xf0) == 0x50 &&
          bytes.substr(1).starts_with("\x2a\x4d\x18"));
}

Error unreadable(std::string_view why) {
  return {Errc::kCorrupt, "this is not a readable tar: " + quoted_name(why)};
}

}  // namespace

ArchiveInput::ArchiveInput(ByteSource& source) : source_(source), buffer_(kReadBytes) {}

Result<void> ArchiveInput::open(int (*support_format)(archive*)) {
  archive_.reset(archive_read_new());
  if (!archive_) return Error(Errc::kInternal, "libarchive could not be set up");
  KILN_TRY(read_beginning());
  if (is_packed(beginning_)) {
    KILN_TRY(open_unpacker());
  } else {
    archive_read_set_skip_callback(get(), &pass_over);
  }
  support_format(archive_.get());
  return check(archive_read_open(archive_.get(), this, nullptr, &feed, nullptr));
}

Result<void> ArchiveInput::read_beginning() {
  std::size_t count = 0;
  while (count < kMagicBytes) {
    auto more = source_.read(std::span(buffer_).subspan(count));
    if (more.has_error()) return std::move(more).error();
    if (*more == 0) break;
    count += *more;
  }
  bytes_in_ = count;
  beginning_ = std::string_view(buffer_.data(), count);
  return {};
}

Result<void> ArchiveInput::open_unpacker() {
  unpacker_.reset(archive_read_new());
  auto* unpacker = unpacker_.get();
  if (unpacker == nullptr) return Error(Errc::kInternal, "libarchive could not be set up");
  archive_read_support_format_raw(unpacker);
  archive_read_support_format_empty(unpacker);
  archive_read_support_filter_gzip(unpacker);
  archive_read_support_filter_zstd(unpacker);
  KILN_TRY(check_unpacker(archive_read_open(unpacker, this, nullptr, &feed_packed, nullptr)));
  // The source itself is one, what unpacks it another.
  if (archive_filter_count(unpacker) > 2) return unreadable("it is compressed more than once");
  archive_entry* whole = nullptr;
  const int code = archive_read_next_header(unpacker, &whole);
  return code == ARCHIVE_EOF ? Result<void>() : check_unpacker(code);
}

/// libarchive cannot carry an error of ours, so it is kept aside.
la_ssize_t ArchiveInput::fail(archive* a, Error error) {
  error_ = std::move(error);
  failed_ = true;
  archive_set_error(a, EIO, "the source failed");
  return ARCHIVE_FATAL;
}

la_ssize_t ArchiveInput::feed_packed(archive* a, void* self, const void** out) {
  auto& input = *static_cast<ArchiveInput*>(self);
  *out = input.buffer_.data();
  if (!input.beginning_.empty())
    return static_cast<la_ssize_t>(std::exchange(input.beginning_, {}).size());
  auto count = input.source_.read(input.buffer_);
  if (count.has_error()) return input.fail(a, std::move(count).error());
  input.bytes_in_ += *count;
  return static_cast<la_ssize_t>(*count);
}

la_int64_t ArchiveInput::pass_over(archive*, void* self, la_int64_t bytes) {
  auto& input = *static_cast<ArchiveInput*>(self);
  const auto count = bytes > 0 ? input.source_.skip(static_cast<std::uint64_t>(bytes)) : 0;
  input.bytes_in_ += count;
  if (count > 0) input.note_passed_over(count);
  return static_cast<la_int64_t>(count);
}

la_ssize_t ArchiveInput::feed_unpacked(archive* a, const void** out) {
  std::size_t count = 0;
  la_int64_t offset = 0;
  const int code = archive_read_data_block(unpacker_.get(), out, &count, &offset);
  if (code == ARCHIVE_EOF) return 0;
  auto fine = check_unpacker(code);
  return fine.has_error() ? fail(a, std::move(fine).error()) : static_cast<la_ssize_t>(count);
}

la_ssize_t ArchiveInput::feed(archive* a, void* self, const void** out) {
  auto& input = *static_cast<ArchiveInput*>(self);
  if (input.in_header_ && input.header_bytes_ > kMaxHeaderBytes)
    return input.fail(a, Error(Errc::kInvalid, "the tar has a header of more than 8 MiB"));
  input.let_go_of_chunk();
  const auto count = input.unpacker_ ? input.feed_unpacked(a, out) : feed_packed(a, self, out);
  if (count <= 0) return count;
  input.header_bytes_ += static_cast<std::size_t>(count);
  input.chunk_ = {static_cast<const char*>(*out), static_cast<std::size_t>(count)};
  return count;
}

/// Its memory is about to be used again.
void ArchiveInput::let_go_of_chunk() {
  kept_ += chunk_;
  chunk_ = {};
  if (!in_header_) forget_what_was_used();
}

void ArchiveInput::note_passed_over(std::uint64_t count) {
  kept_ += chunk_;
  chunk_ = {};
  if (in_header_ && count < kBlock) {
    kept_.append(count, '\0');  // What fills up the last block of an extended header.
    return;
  }
  text_begin_ += kept_.size() + count;
  kept_.clear();
}

/// libarchive reads ahead of what it uses: a header may begin in what was fed long before.
void ArchiveInput::forget_what_was_used() {
  const auto used = static_cast<std::size_t>(bytes_out() - text_begin_);
  const auto count = std::min(used, kept_.size());
  kept_.erase(0, count);
  text_begin_ += count;
}

int ArchiveInput::next_header(archive_entry** header) {
  header_bytes_ = 0;
  forget_what_was_used();
  in_header_ = true;
  const int code = archive_read_next_header(archive_.get(), header);
  in_header_ = false;
  return code;
}

Result<std::string_view> ArchiveInput::header_text() {
  const auto begin = static_cast<std::uint64_t>(archive_read_header_position(get()));
  if (begin < text_begin_ || bytes_out() - text_begin_ > kept_.size() + chunk_.size())
    return Error(Errc::kInternal, "the header of a tar was lost while it was read");
  const auto skipped = static_cast<std::size_t>(begin - text_begin_);
  const auto count = static_cast<std::size_t>(bytes_out() - begin);
  if (kept_.empty()) return chunk_.substr(skipped, count);
  joined_ = kept_;
  joined_ += chunk_;
  return std::string_view(joined_).substr(skipped, count);
}

Result<void> ArchiveInput::check_unpacker(int code) {
  if (failed_) return error_;
  if (code == ARCHIVE_OK) return {};
  const char* text = archive_error_string(unpacker_.get());
  return unreadable(text != nullptr ? text : "it cannot be unpacked");
}

Result<void> ArchiveInput::check(int code) {
  if (failed_) return error_;
  if (code == ARCHIVE_OK) return {};
  const char* text = archive_error_string(get());
  const std::string_view why = text != nullptr ? text : "unknown format";
  if (code == ARCHIVE_WARN && why.find("can't be converted") != why.npos) return {};
  return unreadable(why);
}

std::uint64_t ArchiveInput::bytes_out() const {
  return static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), 0));
}

Result<void> ArchiveInput::drain(std::uint64_t limit_bytes) {
  for (;;) {
    auto count = source_.read(buffer_);
    if (count.has_error()) return std::move(count).error();
    if (*count == 0) return {};
    bytes_in_ += *count;
    if (bytes_in_ > limit_bytes)
      return Error(Errc::kInvalid, "more than the allowed " + std::to_string(limit_bytes) +
                                       " bytes, the last of them after the tar's end");
  }
}

}  // namespace kiln::layer
