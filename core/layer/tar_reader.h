#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/base/io.h"
#include "core/layer/entry.h"

namespace kiln::layer {

/// What a hostile archive may cost at most. Passing one is kInvalid.
struct ReadLimits {
  std::uint64_t max_entries = 2'000'000;
  std::uint64_t max_uncompressed_bytes = 64ULL << 30;
  std::uint64_t max_ratio = 2000;  ///< Uncompressed to compressed, once 16 MiB have come out.
  std::uint64_t max_metadata_bytes = 1ULL << 30;  ///< Names, link targets and xattrs together.
};

/// One line of a tar. A ".wh.<name>" is a kWhiteout of <name>; a ".wh..wh..opq" is a kWhiteout of
/// its directory with `opaque`. Other names that begin with ".wh..wh." are left out, as AUFS wrote
/// them for itself. `entry.content` is empty: the bytes come from TarReader::read().
struct TarEntry {
  Entry entry;
  std::uint64_t size_bytes = 0;  ///< Of a regular file.
  bool opaque = false;

  explicit TarEntry(Entry e) : entry(std::move(e)) {}
};

/// Reads a tar (plain, gzip or zstd; ustar, PAX, GNU) front to back: headers with owner, mode,
/// time, xattrs and device numbers, and the files' bytes. The one place that reads archives.
///
/// Names are cleaned ("./usr//x/" is "usr/x", the root is ""); absolute names, "..", a part of more
/// than 255 bytes, a path of more than 4095 and anything below a whiteout are refused. libarchive
/// reads; only tar formats are enabled, its warnings are errors (a malformed PAX record is never
/// skipped), and zstd windows beyond 128 MiB are refused. A tar may name a path twice: the caller
/// decides (later ones win). Sparse files come out with their holes as zeros, which count as
/// unpacked bytes. What is no regular file but has content is refused: readers do not agree on it.
/// So is what is compressed twice, a header with records of more than 8 MiB, and such as programs
/// do not read alike (a size that is no number, two names, global records: see tar_records.h).
///
/// The bytes are not checked against a digest, nor gzip's checksum: whoever pulls them does that.
/// At the tar's end the source is read to its own end, so that a hash on the way sees it all. Only
/// what ByteSource::skip() can pass over is not read: content of a plain tar that nobody asks for.
///
/// Blocking: for the WorkPool. Threads: one object, one thread.
class TarReader : public ByteSource {
 public:
  /// Lifetime: `source` must outlive the reader. Errors: see next().
  [[nodiscard]] static Result<std::unique_ptr<TarReader>> open(ByteSource& source,
                                                               const ReadLimits& limits);

  /// The next entry; unset at the end. What was not read of the last one is skipped.
  /// Errors: kCorrupt (not a tar, broken stream, unsafe name), kInvalid (a limit), and the source's
  /// own. After one the reader must not be used any more.
  [[nodiscard]] virtual Result<std::optional<TarEntry>> next() = 0;

  /// Bytes of the file that next() gave, in order; 0 = its end. Errors: as next().
  [[nodiscard]] Result<std::size_t> read(std::span<char> buffer) override = 0;

  /// Where in the source the content of what next() gave begins; it is there in one piece. Unset in
  /// a compressed tar and for a sparse file.
  virtual std::optional<std::uint64_t> content_offset() const = 0;
};

}  // namespace kiln::layer
