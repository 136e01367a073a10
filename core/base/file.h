#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/io.h"

namespace kiln {

/// Owns a file descriptor. Movable.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd();
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release();

 private:
  int fd_ = -1;
};

/// An Error for errno: ENOENT → kNotFound, ENOSPC/EDQUOT → kNoSpace, EACCES → kDenied, a loop of
/// symlinks and a name that is too long → kInvalid, else kInternal.
Error errno_error(int error, std::string_view action, const std::filesystem::path& path);

/// The whole file. Errors: kNotFound, kDenied, kInvalid when it is larger than `limit_bytes`.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path,
                                            std::uint64_t limit_bytes);

/// Writes aside, fsyncs, renames: a crash leaves the old file or the new one. Mode 0644, or as
/// given.
[[nodiscard]] Result<void> write_file_atomically(const std::filesystem::path& path,
                                                 std::string_view bytes, unsigned mode = 0644);

/// The same with all that `source` yields, or that `write` writes into the sink it is given.
/// Errors: also theirs; nothing is in place then.
[[nodiscard]] Result<void> write_file_atomically(const std::filesystem::path& path,
                                                 ByteSource& source, unsigned mode = 0644);
[[nodiscard]] Result<void> write_file_atomically(
    const std::filesystem::path& path, const std::function<Result<void>(ByteSink& sink)>& write,
    unsigned mode = 0644);

/// Reads a descriptor from its current position. Owns it.
class FileSource final : public ByteSource {
 public:
  explicit FileSource(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<std::size_t> read(std::span<char> buffer) override;

 private:
  UniqueFd fd_;
};

/// Opens a regular file for reading. Errors as errno_error.
[[nodiscard]] Result<UniqueFd> open_for_reading(const std::filesystem::path& path);

/// Reads a file that others read too, or a part of it: it keeps a position of its own.
class SharedFileSource final : public ByteSource {
 public:
  /// `fd` is shared: the file must stay open for the last of its readers. Ends after `size_bytes`,
  /// or where the file does.
  explicit SharedFileSource(std::shared_ptr<const UniqueFd> fd, std::uint64_t begin = 0,
                            std::uint64_t size_bytes = UINT64_MAX)
      : fd_(std::move(fd)), position_(begin), left_(size_bytes) {}
  Result<std::size_t> read(std::span<char> buffer) override;
  std::uint64_t skip(std::uint64_t bytes) override;

 private:
  std::shared_ptr<const UniqueFd> fd_;
  std::uint64_t position_;
  std::uint64_t left_;
};

/// $TMPDIR, or /tmp.
std::filesystem::path temporary_directory();

/// A file without a name in `directory` ("" = temporary_directory()), open for reading and writing:
/// gone with its last descriptor, whatever happens to us. Errors: as errno_error.
[[nodiscard]] Result<UniqueFd> nameless_file(const std::filesystem::path& directory);

/// Appends to a descriptor that somebody else owns.
class FdSink final : public ByteSink {
 public:
  explicit FdSink(int fd) : fd_(fd) {}  ///< Lifetime: `fd` stays open as long as this is used.
  Result<void> write(std::string_view bytes) override;

 private:
  int fd_;
};

/// A fresh directory (0700) that is removed with all it holds at the end.
class TempDir {
 public:
  /// Below temporary_directory(). Errors: as errno_error.
  [[nodiscard]] static Result<TempDir> create(std::string_view prefix);
  ~TempDir();
  TempDir(TempDir&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  TempDir& operator=(TempDir&&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TempDir(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace kiln
