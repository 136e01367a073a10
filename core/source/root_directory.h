#pragma once
#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/file.h"
#include "core/layer/entry.h"
#include "core/source/file_checksums.h"

namespace kiln::source {

/// What tells that a file is still the one that was looked at.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size_bytes = 0;
  time_t seconds = 0;  ///< Of the last change of its content.
  long nanoseconds = 0;

  FileStamp() = default;
  explicit FileStamp(const struct stat& info);
  explicit FileStamp(const FileVersion& version);
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

/// A folder whose inside can be opened, and nothing else: relative paths, no symlink anywhere on
/// the way, whatever is exchanged meanwhile. Mount points inside are the inside. The directories
/// that files were opened in last stay open: a file is looked for in the one that was there then.
///
/// Source: openat2(2), see open_beneath() of core/base.
/// Threads: any number at once.
class RootDirectory : public std::enable_shared_from_this<RootDirectory> {
 public:
  /// `path` may be or lead through a symlink: the user named it.
  /// Errors: as errno_error; kUnsupported where the kernel or a seccomp filter has no openat2.
  [[nodiscard]] static Result<std::shared_ptr<const RootDirectory>> open(
      const std::filesystem::path& path);

  /// `path` for messages, as the user would write it.
  std::string shown(std::string_view path) const;

  /// Opens what was seen at `path` ("" = the folder itself) for reading; `flags` such as
  /// O_DIRECTORY may be added. Never waits for a FIFO's writer and never gets a terminal.
  /// Errors: kConflict if it is no longer there or a symlink got in the way; kDenied; as
  /// errno_error.
  [[nodiscard]] Result<UniqueFd> open_below(const std::string& path, int flags = 0) const;

  /// Opens a regular file that `stamp` was taken of. Errors: kConflict if it is another one now.
  [[nodiscard]] Result<UniqueFd> open_file(const std::string& path, const FileStamp& stamp) const;

  /// Is `fd` the file that `stamp` was taken of, as it was then? Errors: kConflict if not.
  [[nodiscard]] Result<void> check_stamp(int fd, const std::string& path,
                                         const FileStamp& stamp) const;

  /// The bytes of that file: exactly as many as the stamp says, or kConflict. The stamp is checked
  /// before the first one, if there is more than one piece, and with the last one. Keeps this
  /// folder open.
  [[nodiscard]] Result<std::unique_ptr<ByteSource>> open_content(std::string path,
                                                                 const FileStamp& stamp) const;
  /// The same, opened by whoever reads it.
  layer::FileContent content_of(std::string path, const FileStamp& stamp) const;

  /// Something about `path` is not as it was a moment ago.
  Error changed(std::string_view path, std::string_view how) const;

 private:
  RootDirectory(UniqueFd fd, std::filesystem::path path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  /// A directory that files were opened in.
  struct Recent {
    std::string path{};
    std::shared_ptr<const UniqueFd> fd{};  ///< Shared with whoever opens a file in it just now.
  };
  std::shared_ptr<const UniqueFd> directory_of(std::string path) const;

  UniqueFd fd_;
  std::filesystem::path path_;
  mutable std::mutex mutex_;                ///< Guards what follows.
  mutable std::array<Recent, 8> recent_{};  ///< A few for each thread that reads.
  mutable std::size_t next_ = 0;            ///< Which of them is the next to go.
};

}  // namespace kiln::source
