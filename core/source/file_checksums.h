#pragma once
#include <sys/stat.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/base/clock.h"
#include "core/base/sha256.h"
#include "core/source/number_slots.h"

namespace kiln::source {

/// Which bytes a file of this machine has, without reading them. Whoever writes to a file changes
/// the time of its inode, which no program can set.
struct FileVersion {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_s = 0;
  std::int64_t changed_s = 0;  ///< The inode.
  std::uint32_t modified_ns = 0;
  std::uint32_t changed_ns = 0;

  FileVersion() = default;
  explicit FileVersion(const struct stat& info);
  friend auto operator<=>(const FileVersion&, const FileVersion&) = default;
};

struct FileChecksum {
  FileVersion version{};
  Sha256Sum sum{};
};

/// Checksums of files that earlier runs have read, in a folder of the cache: one file for each root
/// that was read. What is damaged there, or may be written by another user, is as if it had never
/// been there, and so is what cannot be kept. When it becomes too large, the roots that nobody has
/// read for longest go first.
/// Threads: any; several processes may share the folder. Blocking.
class FileChecksums {
 public:
  /// Lifetime: `clock` outlives this.
  FileChecksums(std::filesystem::path folder, const Clock& clock,
                std::uint64_t max_bytes = 512ULL << 20)
      : folder_(std::move(folder)), clock_(clock), max_bytes_(max_bytes) {}

  /// What is known of the files of `root`, in the order in which it was written.
  std::vector<FileChecksum> read(const std::filesystem::path& root) const;
  /// In the place of what was known of them. Best in the order in which they will be asked for.
  void write(const std::filesystem::path& root, const std::vector<FileChecksum>& all) const;

  /// Versions of before this moment may be kept for files that are read after it: a file that was
  /// changed a moment ago may be changed again without its times telling.
  WallTime settled_before() const { return clock_.now() - std::chrono::seconds(2); }

 private:
  std::filesystem::path path_of(const std::filesystem::path& root) const;

  std::filesystem::path folder_;
  const Clock& clock_;
  std::uint64_t max_bytes_;
};

/// Was this version there before `moment`?
bool is_older(const FileVersion& version, WallTime moment);

/// Finds checksums: at once where they are asked for in the order in which they stand.
/// Threads: one object, one thread. Lifetime: `known` outlives this and does not change.
class ChecksumFinder {
 public:
  explicit ChecksumFinder(const std::vector<FileChecksum>& known) : known_(known) {}

  /// The checksum of this version, or nullptr.
  const Sha256Sum* find(const FileVersion& version);

 private:
  void make_slots();

  const std::vector<FileChecksum>& known_;
  std::size_t next_ = 0;              ///< The one behind what was found last.
  std::optional<NumberSlots> slots_;  ///< By version; made when the order does not help.
};

}  // namespace kiln::source
