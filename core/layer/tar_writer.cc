#include "core/layer/tar_writer.h"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/redact.h"
#include "core/base/sha256.h"

namespace kiln::layer {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kReadOnceBytes = 1 << 20;  // Up to here a file is read only once.
constexpr std::size_t kChunkBytes = 256 * 1024;
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

/// Hands exactly the announced bytes of `entry` to `take(std::string_view) -> Result<void>`.
template <class Take>
Result<void> for_each_chunk(const Entry& entry, Take take) {
  const auto size = entry.content.size_bytes();
  if (const auto* bytes = entry.content.in_memory(); bytes != nullptr) return take(*bytes);
  auto source = entry.content.open();
  if (source.has_error()) return content_error(std::move(source).error(), entry);
  std::vector<char> chunk(static_cast<std::size_t>(std::min<std::uint64_t>(size, kChunkBytes)));
  for (std::uint64_t done = 0; done < size;) {
    const auto want = std::min<std::uint64_t>(chunk.size(), size - done);
    auto count = (*source)->read(std::span(chunk.data(), static_cast<std::size_t>(want)));
    if (count.has_error()) return content_error(std::move(count).error(), entry);
    if (*count == 0) return too_short(entry, done);
    KILN_TRY(take(std::string_view(chunk.data(), *count)));
    done += *count;
  }
  return {};
}

std::int64_t time_from(const Sha256Sum& sum) {
  const auto first = (std::uint32_t{sum[0]} << 24) | (std::uint32_t{sum[1]} << 16) |
                     (std::uint32_t{sum[2]} << 8) | std::uint32_t{sum[3]};
  return kEpoch2020 + static_cast<std::int64_t>(first >> 6);
}

Result<Sha256Sum> sum_of(const Entry& entry) {
  Sha256 hash;
  KILN_TRY(for_each_chunk(entry, [&](std::string_view bytes) -> Result<void> {
    hash.update(bytes);
    return {};
  }));
  return hash.finish();
}

/// True when the time of `entry` is made from its bytes.
bool time_needs_content(const Entry& entry, TimestampPolicy policy) {
  return !entry.mtime && entry.kind == EntryKind::kFile && policy.kind == Timestamps::kContent;
}

std::int64_t time_without_content(const Entry& entry, TimestampPolicy policy) {
  if (entry.mtime) return *entry.mtime;
  return policy.kind == Timestamps::kFixed ? policy.fixed : kEpoch2020;
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
  if (!time_needs_content(entry, policy)) return time_without_content(entry, policy);
  auto sum = sum_of(entry);
  if (sum.has_error()) return std::move(sum).error();
  return time_from(*sum);
}

Result<void> TarWriter::add(const Entry& entry) {
  KILN_TRY(check_device(entry));
  KILN_TRY(check_xattrs(entry));
  if (entry.kind == EntryKind::kFile) return add_file(entry);
  return out_.write(tar_header(entry, time_without_content(entry, timestamps_), 0));
}

Result<void> TarWriter::add_file(const Entry& entry) {
  const auto size = entry.content.size_bytes();
  if (!time_needs_content(entry, timestamps_)) {
    KILN_TRY(out_.write(tar_header(entry, time_without_content(entry, timestamps_), size)));
    KILN_TRY(for_each_chunk(entry, [&](std::string_view bytes) { return out_.write(bytes); }));
  } else if (entry.content.in_memory() != nullptr) {
    const auto& bytes = *entry.content.in_memory();
    KILN_TRY(out_.write(tar_header(entry, time_from(sha256(bytes)), size)));
    KILN_TRY(out_.write(bytes));
  } else if (size <= kReadOnceBytes) {
    KILN_TRY(add_small_file(entry));
  } else {
    KILN_TRY(add_large_file(entry));
  }
  return write_padding(size);
}

Result<void> TarWriter::add_small_file(const Entry& entry) {
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(entry.content.size_bytes()));
  KILN_TRY(for_each_chunk(entry, [&](std::string_view chunk) -> Result<void> {
    bytes.append(chunk);
    return {};
  }));
  KILN_TRY(out_.write(tar_header(entry, time_from(sha256(bytes)), bytes.size())));
  return out_.write(bytes);
}

Result<void> TarWriter::add_large_file(const Entry& entry) {
  const auto first = sum_of(entry);
  if (first.has_error()) return first.error();
  KILN_TRY(out_.write(tar_header(entry, time_from(*first), entry.content.size_bytes())));
  Sha256 hash;
  KILN_TRY(for_each_chunk(entry, [&](std::string_view bytes) {
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
