#include "core/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "core/base/write_aside.h"

namespace kiln {

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

int UniqueFd::release() {
  return std::exchange(fd_, -1);
}

Error errno_error(int error, std::string_view action, const std::filesystem::path& path) {
  auto code = Errc::kInternal;
  if (error == ENOENT || error == ENOTDIR) code = Errc::kNotFound;
  if (error == ENOSPC || error == EDQUOT) code = Errc::kNoSpace;
  if (error == EACCES || error == EPERM || error == EROFS) code = Errc::kDenied;
  if (error == ELOOP || error == ENAMETOOLONG) code = Errc::kInvalid;
  return {code,
          std::string(action) + " " + path.string() + ": " + std::system_category().message(error)};
}

Result<UniqueFd> open_for_reading(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO must not hang; it is refused below.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.valid()) return errno_error(errno, "cannot open", path);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return errno_error(errno, "cannot look at", path);
  if (S_ISDIR(info.st_mode))
    return Error(Errc::kInvalid, path.string() + " is a directory, not a file");
  if (!S_ISREG(info.st_mode))
    return Error(Errc::kInvalid, path.string() + " is not a regular file");
  return fd;
}

Result<std::size_t> FileSource::read(std::span<char> buffer) {
  for (;;) {
    const auto count = ::read(fd_.get(), buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) return errno_error(errno, "cannot read", "file");
  }
}

Result<std::size_t> SharedFileSource::read(std::span<char> buffer) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
  for (;;) {
    const auto count = ::pread(fd_->get(), buffer.data(), wanted, static_cast<off_t>(position_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "cannot read back", "a spooled file");
    position_ += static_cast<std::uint64_t>(count);
    left_ -= static_cast<std::uint64_t>(count);
    return static_cast<std::size_t>(count);
  }
}

std::uint64_t SharedFileSource::skip(std::uint64_t bytes) {
  struct stat info {};
  if (::fstat(fd_->get(), &info) != 0 || info.st_size < 0) return 0;
  const auto size = static_cast<std::uint64_t>(info.st_size);
  const auto there = position_ < size ? std::min(left_, size - position_) : 0;
  const auto count = std::min(bytes, there);
  position_ += count;
  left_ -= count;
  return count;
}

std::filesystem::path temporary_directory() {
  const char* base = std::getenv("TMPDIR");
  return base != nullptr && *base != '\0' ? base : "/tmp";
}

Result<UniqueFd> nameless_file(const std::filesystem::path& directory) {
  const auto place = directory.empty() ? temporary_directory() : directory;
  UniqueFd fd(::open(place.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.valid()) return fd;
  if (errno != EOPNOTSUPP && errno != EISDIR)  // What file systems without O_TMPFILE answer.
    return errno_error(errno, "cannot create a file in", place);
  auto name = (place / "kiln-spool.XXXXXX").string();
  UniqueFd named(::mkostemp(name.data(), O_CLOEXEC));
  if (!named.valid()) return errno_error(errno, "cannot create a file in", place);
  ::unlink(name.c_str());
  return named;
}

Result<void> FdSink::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "cannot write", "file");
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<std::string> read_file(const std::filesystem::path& path, std::uint64_t limit_bytes) {
  auto fd = open_for_reading(path);
  if (fd.has_error()) return std::move(fd).error();
  FileSource source(std::move(*fd));
  auto bytes = read_all(source, limit_bytes);
  if (bytes.has_error()) return std::move(bytes).error().while_doing("reading " + path.string());
  return bytes;
}

Result<void> write_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                                   unsigned mode) {
  MemorySource source(bytes);
  return write_file_atomically(path, source, mode);
}

Result<void> write_file_atomically(const std::filesystem::path& path, ByteSource& source,
                                   unsigned mode) {
  return write_file_atomically(
      path, [&](ByteSink& sink) { return copy_all(source, sink); }, mode);
}

Result<void> write_file_atomically(const std::filesystem::path& path,
                                   const std::function<Result<void>(ByteSink& sink)>& write,
                                   unsigned mode) {
  return write_aside(path, [&](int fd) -> Result<void> {
    FdSink sink(fd);
    KILN_TRY(write(sink));
    if (::fchmod(fd, static_cast<mode_t>(mode)) != 0)
      return errno_error(errno, "cannot set the mode of", path);
    if (::fsync(fd) != 0) return errno_error(errno, "cannot write out", path);
    return {};
  });
}

Result<void> write_aside(const std::filesystem::path& path,
                         const std::function<Result<void>(int fd)>& write) {
  auto aside = path.string() + ".XXXXXX";
  const UniqueFd fd(::mkostemp(aside.data(), O_CLOEXEC));  // 0600.
  if (!fd.valid()) return errno_error(errno, "cannot create a file beside", path);
  auto written = write(fd.get());
  if (written && ::rename(aside.c_str(), path.c_str()) != 0)
    written = errno_error(errno, "cannot put in place", path);
  if (!written) ::unlink(aside.c_str());
  return written;
}

Result<TempDir> TempDir::create(std::string_view prefix) {
  auto path = (temporary_directory() / (std::string(prefix) + ".XXXXXX")).string();
  if (::mkdtemp(path.data()) == nullptr) return errno_error(errno, "cannot create", path);
  return TempDir(path);
}

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace kiln
