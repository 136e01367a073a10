#include "core/layer/tar_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "core/base/redact.h"
#include "core/base/sha256.h"
#include "core/layer/sum_wanted.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kReadOnceBytes = 1 << 20;  // Up to here a file is read only once.
constexpr std::size_t kChunkBytes = 256 * 1024;
constexpr std::size_t kHeaderRoom = 4096;             // Longer ones are written by themselves.
constexpr std::uint32_t kMaxDeviceNumber = 07777777;  // 7 octal digits; PAX has no key for it.
constexpr std::uint64_t kMaxXattrBytes = 900'000;     // Readers refuse PAX headers beyond 1 MiB.

Error content_error(Error error, const Entry& entry) {
  return std::move(error).while_doing("reading " + quoted_name("/" + entry.path));
}

Error too_short(const Entry& entry, std::uint64_t got) {
  return {Errc::kCorrupt, "reading " + quoted_name("/" + entry.path) + ": it ended after " +
                              std::to_string(got) + " of " +
                              std::to_string(entry.content.size_bytes()) + " bytes"};
}

/// What this thread reads files into: kHeaderRoom, kReadOnceBytes and kBlock bytes. Kept, since a
/// fresh piece of memory costs more than reading a small file into it.
char* read_buffer() {
  static thread_local const auto buffer =
      std::make_unique_for_overwrite<char[]>(kHeaderRoom + kReadOnceBytes + kBlock);
  return buffer.get();
}

/// An entry's file while it is read. In memory it has no source.
class OpenFile {
 public:
  /// Lifetime: `entry` outlives it.
  static Result<OpenFile> open(const Entry& entry) {
    OpenFile file(entry);
    if (entry.content.in_memory() != nullptr) return file;
    auto source = entry.content.open();
    if (source.has_error()) return content_error(std::move(source).error(), entry);
    file.source_ = std::move(*source);
    file.wanted_ = dynamic_cast<SumWanted*>(file.source_.get());
    return file;
  }

  /// Hands exactly the announced bytes to `take(std::string_view) -> Result<void>`.
  template <class Take>
  Result<void> for_each_chunk(Take take) {
    if (!source_) return take(*entry_->content.in_memory());
    const auto size = entry_->content.size_bytes();
    for (std::uint64_t done = 0; done < size;) {
      const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, size - done));
      const auto count = read_some(done, std::span(read_buffer(), want));
      if (count.has_error()) return count.error();
      KILN_TRY(take(std::string_view(read_buffer(), *count)));
      done += *count;
    }
    return {};
  }

  /// All of it, of a file that is not in memory. `room`: as large as the file.
  Result<void> read_whole(std::span<char> room) {
    for (std::size_t done = 0; done < room.size();) {
      const auto count = read_some(done, room.subspan(done));
      if (count.has_error()) return count.error();
      done += *count;
    }
    return {};
  }

  /// Does somebody want to know what it has?
  bool wants_sum() const { return wanted_ != nullptr; }
  Result<void> tell_sum(const Sha256Sum& sum) {
    return wanted_ != nullptr ? wanted_->tell_sum(sum) : Result<void>();
  }

 private:
  explicit OpenFile(const Entry& entry) : entry_(&entry) {}

  Result<std::size_t> read_some(std::uint64_t done, std::span<char> room) {
    auto count = source_->read(room);
    if (count.has_error()) return content_error(std::move(count).error(), *entry_);
    if (*count == 0) return too_short(*entry_, done);
    return count;
  }

  const Entry* entry_;
  std::unique_ptr<ByteSource> source_;
  SumWanted* wanted_ = nullptr;
};

/// `first`: the first 32 bits of a sum.
std::int64_t time_from(std::uint32_t first) {
  return kEpoch2020 + static_cast<std::int64_t>(first >> 6);
}

std::int64_t time_from(const Sha256Sum& sum) {
  return time_from((std::uint32_t{sum[0]} << 24) | (std::uint32_t{sum[1]} << 16) |
                   (std::uint32_t{sum[2]} << 8) | std::uint32_t{sum[3]});
}

Result<Sha256Sum> sum_of(const Entry& entry) {
  auto file = OpenFile::open(entry);
  if (file.has_error()) return std::move(file).error();
  Sha256 hash;
  KILN_TRY(file->for_each_chunk([&](std::string_view bytes) -> Result<void> {
    hash.update(bytes);
    return {};
  }));
  const auto sum = hash.finish();
  KILN_TRY(file->tell_sum(sum));
  return sum;
}

/// The bytes of `entry`, and their sum to whoever wants it.
Result<void> write_bytes(const Entry& entry, ByteSink& out) {
  auto file = OpenFile::open(entry);
  if (file.has_error()) return std::move(file).error();
  if (!file->wants_sum())
    return file->for_each_chunk([&](std::string_view bytes) { return out.write(bytes); });
  Sha256 hash;
  KILN_TRY(file->for_each_chunk([&](std::string_view bytes) {
    hash.update(bytes);
    return out.write(bytes);
  }));
  return file->tell_sum(hash.finish());
}

/// The time that is made from a file's bytes, where its identity is their SHA-256.
std::optional<std::int64_t> time_from_identity(std::string_view identity) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!identity.starts_with(kPrefix)) return std::nullopt;
  identity.remove_prefix(kPrefix.size());
  if (identity.size() != 2 * Sha256Sum().size() ||
      identity.find_first_not_of("0123456789abcdef") != identity.npos)
    return std::nullopt;
  std::uint32_t first = 0;
  std::from_chars(identity.data(), identity.data() + 8, first, 16);
  return time_from(first);
}

/// The time of `entry` where its bytes are not needed for it.
std::optional<std::int64_t> time_without_content(const Entry& entry, TimestampPolicy policy) {
  if (entry.mtime) return *entry.mtime;
  if (policy.kind == Timestamps::kFixed) return policy.fixed;
  if (policy.kind == Timestamps::kEpoch || entry.kind != EntryKind::kFile) return kEpoch2020;
  return time_from_identity(entry.identity);
}

Result<void> check_device(const Entry& entry) {
  if (entry.kind != EntryKind::kSpecial) return {};
  if (!entry.device)
    return Error(Errc::kInvalid,
                 quoted_name("/" + entry.path) + " is a device, but it is not known which");
  if (std::max(entry.device->major, entry.device->minor) > kMaxDeviceNumber)
    return Error(Errc::kInvalid,
                 quoted_name("/" + entry.path) + " has a device number that no tar can hold");
  return {};
}

Result<void> check_xattrs(const Entry& entry) {
  std::uint64_t sum = 0;
  for (const auto& [name, value] : entry.xattrs) {
    if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != name.npos)
      return Error(Errc::kInvalid, quoted_name("/" + entry.path) +
                                       " has an extended attribute whose name is empty or has "
                                       "\"=\" or NUL in it");
    sum += name.size() + value.size();
  }
  if (sum > kMaxXattrBytes)
    return Error(Errc::kInvalid,
                 quoted_name("/" + entry.path) + " has more than 900 KB of extended attributes");
  return {};
}

}  // namespace

Result<std::int64_t> entry_time(const Entry& entry, TimestampPolicy policy) {
  if (const auto time = time_without_content(entry, policy)) return *time;
  auto sum = sum_of(entry);
  if (sum.has_error()) return std::move(sum).error();
  return time_from(*sum);
}

Result<void> TarWriter::add(const Entry& entry) {
  KILN_TRY(check_device(entry));
  KILN_TRY(check_xattrs(entry));
  if (entry.kind == EntryKind::kFile) return add_file(entry);
  return out_.write(tar_header(entry, *time_without_content(entry, timestamps_), 0));
}

Result<void> TarWriter::add_file(const Entry& entry) {
  const auto size = entry.content.size_bytes();
  const auto time = time_without_content(entry, timestamps_);
  if (const auto* bytes = entry.content.in_memory(); bytes != nullptr) {
    KILN_TRY(out_.write(tar_header(entry, time ? *time : time_from(sha256(*bytes)), size)));
    KILN_TRY(out_.write(*bytes));
  } else if (size <= kReadOnceBytes) {
    return add_small_file(entry, time);
  } else if (time) {
    KILN_TRY(out_.write(tar_header(entry, *time, size)));
    KILN_TRY(write_bytes(entry, out_));
  } else {
    KILN_TRY(add_large_file(entry));
  }
  return write_padding(size);
}

/// Header, bytes and padding in one piece.
Result<void> TarWriter::add_small_file(const Entry& entry, std::optional<std::int64_t> time) {
  auto file = OpenFile::open(entry);
  if (file.has_error()) return std::move(file).error();
  const auto size = static_cast<std::size_t>(entry.content.size_bytes());
  char* const bytes = read_buffer() + kHeaderRoom;
  KILN_TRY(file->read_whole(std::span(bytes, size)));
  if (!time || file->wants_sum()) {
    const auto sum = sha256(std::string_view(bytes, size));
    KILN_TRY(file->tell_sum(sum));
    if (!time) time = time_from(sum);
  }
  const auto header = tar_header(entry, *time, size);
  const auto padding = (kBlock - size % kBlock) % kBlock;
  std::fill_n(bytes + size, padding, '\0');
  if (header.size() > kHeaderRoom) {
    KILN_TRY(out_.write(header));
    return out_.write(std::string_view(bytes, size + padding));
  }
  char* const begin = bytes - header.size();
  std::copy(header.begin(), header.end(), begin);
  return out_.write(std::string_view(begin, header.size() + size + padding));
}

Result<void> TarWriter::add_large_file(const Entry& entry) {
  const auto first = sum_of(entry);
  if (first.has_error()) return first.error();
  KILN_TRY(out_.write(tar_header(entry, time_from(*first), entry.content.size_bytes())));
  auto file = OpenFile::open(entry);
  if (file.has_error()) return std::move(file).error();
  Sha256 hash;
  KILN_TRY(file->for_each_chunk([&](std::string_view bytes) {
    hash.update(bytes);
    return out_.write(bytes);
  }));
  if (hash.finish() != *first)
    return Error(Errc::kCorrupt,
                 "reading " + quoted_name("/" + entry.path) + ": it changed while it was read");
  return {};
}

Result<void> TarWriter::write_padding(std::uint64_t size_bytes) {
  static constexpr std::array<char, kBlock> kZeros{};
  const auto used = static_cast<std::size_t>(size_bytes % kBlock);
  if (used == 0) return {};
  return out_.write(std::string_view(kZeros.data(), kBlock - used));
}

Result<void> TarWriter::finish() {
  return out_.write(std::string(2 * kBlock, '\0'));
}

}  // namespace kiln::layer
