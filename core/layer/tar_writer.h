#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/io.h"
#include "core/layer/entry.h"

namespace kiln::layer {

/// How entries without a time of their own get one. See decision 4 of docs/architecture.md.
enum class Timestamps {
  kContent,  ///< 2020-01-01T00:00:00Z plus the first 26 bits of SHA-256 of the bytes, as seconds.
  kEpoch,    ///< 2020-01-01T00:00:00Z for all.
  kFixed,    ///< A given time for all (SourceRevision, SOURCE_DATE_EPOCH).
};

inline constexpr std::int64_t kEpoch2020 = 1577836800;  ///< 2020-01-01T00:00:00Z

struct TimestampPolicy {
  Timestamps kind = Timestamps::kContent;
  std::int64_t fixed = kEpoch2020;  ///< Seconds; for kFixed.
};

/// The time `entry` gets: its own, or by the policy. With kContent a regular file is read for it,
/// unless its identity is the SHA-256 of its bytes ("sha256:" and 64 hex digits); everything else
/// (directories, links, whiteouts) gets 2020-01-01. A hard link should carry the time of its
/// target: make_layer sees to it. Errors: of the content; kCorrupt when it yields fewer bytes than
/// it announced.
[[nodiscard]] Result<std::int64_t> entry_time(const Entry& entry, TimestampPolicy policy);

/// Writes one canonical form: ustar, with a PAX header only for what ustar cannot hold (long or
/// non-ASCII names and targets, sizes of 8 GiB and more, ids beyond 2097151, times out of range,
/// xattrs as "SCHILY.xattr.<name>" with their bytes as they are); no uname/gname, device numbers
/// only of devices, directories with a trailing "/". Equal entries give equal bytes.
///
/// Where PAX says it better, the ustar field holds 0, or the name with each non-ASCII byte as "_"
/// and cut to 100 bytes. Names that are not UTF-8 are marked hdrcharset=BINARY. Symlinks have mode
/// 0777. Whiteouts are empty regular files "dir/.wh.name" of mode 0644 and owner 0:0: no runtime
/// extracts them, and whoever unpacks the tar by hand can read them.
///
/// Source: POSIX.1-2017 pax; image-spec v1.1 layer.md.
class TarWriter {
 public:
  /// Lifetime: `out` must outlive the writer.
  TarWriter(ByteSink& out, TimestampPolicy timestamps) : out_(out), timestamps_(timestamps) {}

  /// Entries must come parents first, no path twice (make_layer sees to it).
  /// Errors: of the sink and of the content; kCorrupt when a file yields fewer bytes than it
  /// announced or other bytes when read again; kInvalid for what a tar cannot hold: a kSpecial
  /// without a device, device numbers beyond 2097151, more than 900 KB of xattrs, an xattr without
  /// a name or with "=" or NUL in it.
  [[nodiscard]] Result<void> add(const Entry& entry);
  /// The two zero blocks at the end.
  [[nodiscard]] Result<void> finish();

 private:
  Result<void> add_file(const Entry& entry);
  Result<void> add_small_file(const Entry& entry, std::optional<std::int64_t> time);
  Result<void> add_large_file(const Entry& entry);
  Result<void> write_padding(std::uint64_t size_bytes);

  ByteSink& out_;
  TimestampPolicy timestamps_;
};

/// The header blocks of `entry`, PAX record included: a function of its arguments alone.
std::string tar_header(const Entry& entry, std::int64_t mtime, std::uint64_t size_bytes);

}  // namespace kiln::layer
