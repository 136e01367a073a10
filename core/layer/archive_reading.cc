#include "core/layer/archive_reading.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace kiln::layer {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

}  // namespace

std::string shown(std::string_view text) {
  constexpr std::size_t kShown = 120;
  std::string safe(text.substr(0, kShown));
  std::replace_if(
      safe.begin(), safe.end(), [](char c) { return c >= 0 && (c < 0x20 || c == 0x7f); }, '?');
  return "\"" + safe + (text.size() > kShown ? "…\"" : "\"");
}

ArchiveInput::ArchiveInput(ByteSource& source) : source_(source), buffer_(kReadBytes) {}

Result<void> ArchiveInput::open(int (*support_format)(archive*)) {
  archive_.reset(archive_read_new());
  if (!archive_) return Error(Errc::kInternal, "libarchive could not be set up");
  support_format(get());
  archive_read_support_filter_gzip(get());
  archive_read_support_filter_zstd(get());
  archive_read_set_skip_callback(get(), &pass_over);
  return check(archive_read_open(get(), this, nullptr, &feed, nullptr));
}

/// libarchive cannot carry the source's error, so it is kept aside.
la_ssize_t ArchiveInput::feed(archive* a, void* self, const void** out) {
  auto& input = *static_cast<ArchiveInput*>(self);
  auto count = input.source_.read(input.buffer_);
  if (count.has_error()) {
    input.source_error_ = std::move(count).error();
    input.source_failed_ = true;
    archive_set_error(a, EIO, "the source failed");
    return ARCHIVE_FATAL;
  }
  input.bytes_in_ += *count;
  *out = input.buffer_.data();
  return static_cast<la_ssize_t>(*count);
}

la_int64_t ArchiveInput::pass_over(archive*, void* self, la_int64_t bytes) {
  auto& input = *static_cast<ArchiveInput*>(self);
  const auto count = bytes > 0 ? input.source_.skip(static_cast<std::uint64_t>(bytes)) : 0;
  input.bytes_in_ += count;
  return static_cast<la_int64_t>(count);
}

Result<void> ArchiveInput::check(int code) {
  if (source_failed_) return source_error_;
  if (code == ARCHIVE_OK) return {};
  const char* text = archive_error_string(get());
  const std::string_view why = text != nullptr ? text : "unknown format";
  if (code == ARCHIVE_WARN && why.find("can't be converted") != why.npos) return {};
  return Error(Errc::kCorrupt, "this is not a readable tar: " + shown(why));
}

std::uint64_t ArchiveInput::bytes_out() const {
  return static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), 0));
}

bool ArchiveInput::is_plain() const {
  return archive_filter_code(archive_.get(), 0) == ARCHIVE_FILTER_NONE;
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
