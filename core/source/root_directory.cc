#include "core/source/root_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>

#include "core/base/open_beneath.h"

namespace kiln::source {
namespace {

/// Reads the file that `stamp` was taken of, and nothing else.
class StampedSource final : public ByteSource {
 public:
  StampedSource(std::shared_ptr<const RootDirectory> root, std::string path, FileStamp stamp,
                UniqueFd fd)
      : root_(std::move(root)), path_(std::move(path)), stamp_(stamp), fd_(std::move(fd)) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    const auto left = static_cast<std::uint64_t>(stamp_.size_bytes) - done_;
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left));
    if (want == 0) return std::size_t{0};
    // What comes in one piece is checked once, behind it.
    if (done_ == 0 && want < left) KILN_TRY(check_stamp());
    const auto count = ::read(fd_.get(), buffer.data(), want);
    const int error = errno;
    if (count < 0 && error == EINTR) return read(buffer);
    if (done_ == 0 && count < static_cast<ssize_t>(want)) KILN_TRY(check_stamp());
    if (count < 0) return errno_error(error, "cannot read", root_->shown(path_));
    if (count == 0)
      return root_->changed(path_, "it ended after " + std::to_string(done_) + " of " +
                                       std::to_string(stamp_.size_bytes) + " bytes");
    done_ += static_cast<std::uint64_t>(count);
    // With the last byte and not behind it: who knows the size does not ask for more.
    if (static_cast<std::uint64_t>(count) == left) KILN_TRY(check_stamp());
    return static_cast<std::size_t>(count);
  }

 private:
  Result<void> check_stamp() const { return root_->check_stamp(fd_.get(), path_, stamp_); }

  std::shared_ptr<const RootDirectory> root_;
  std::string path_;
  FileStamp stamp_;
  UniqueFd fd_;
  std::uint64_t done_ = 0;
};

}  // namespace

FileStamp::FileStamp(const struct stat& info)
    : device(info.st_dev),
      inode(info.st_ino),
      size_bytes(info.st_size),
      seconds(info.st_mtim.tv_sec),
      nanoseconds(info.st_mtim.tv_nsec) {}

FileStamp::FileStamp(const FileVersion& version)
    : device(version.device),
      inode(version.inode),
      size_bytes(static_cast<off_t>(version.size_bytes)),
      seconds(version.modified_s),
      nanoseconds(version.modified_ns) {}

Result<std::shared_ptr<const RootDirectory>> RootDirectory::open(
    const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return errno_error(errno, "cannot open", path);
  const UniqueFd again(open_beneath(fd.get(), ".", O_PATH | O_DIRECTORY, Symlinks::kRefused));
  // EPERM: what seccomp filters that are older than the system call answer.
  if (!again.valid() && (errno == ENOSYS || errno == EPERM))
    return Error(
        Errc::kUnsupported,
        "cannot read " + path.string() +
            ": this kernel or its seccomp filter has no openat2 (Linux 5.6), without which "
            "a folder cannot be read safely; give a tar instead");
  if (!again.valid()) return errno_error(errno, "cannot open", path);
  return std::shared_ptr<const RootDirectory>(new RootDirectory(std::move(fd), path));
}

std::string RootDirectory::shown(std::string_view path) const {
  return path.empty() ? path_.string() : (path_ / path).string();
}

Error RootDirectory::changed(std::string_view path, std::string_view how) const {
  return {Errc::kConflict, shown(path) + " changed while it was read: " + std::string(how)};
}

Result<UniqueFd> RootDirectory::open_below(const std::string& path, int flags) const {
  const auto open_flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | flags;
  // Files of one directory mostly come together: to go to it once saves the kernel half its work.
  const auto slash = path.rfind('/');
  if (slash != path.npos && flags == 0)
    if (const auto directory = directory_of(path.substr(0, slash))) {
      UniqueFd fd(open_beneath(directory->get(), &path[slash + 1], open_flags, Symlinks::kRefused));
      if (fd.valid()) return fd;
    }
  // Also to tell what is wrong.
  UniqueFd fd(
      open_beneath(fd_.get(), path.empty() ? "." : path.c_str(), open_flags, Symlinks::kRefused));
  if (fd.valid()) return fd;
  const int error = errno;
  if (error == ENOENT) return changed(path, "it is gone");
  if (error == ELOOP) return changed(path, "a symlink took its place");
  if (error == ENOTDIR || error == EXDEV || error == ENXIO)
    return changed(path, "something else took its place");
  if (error == EAGAIN) return changed(path, "another program holds it");
  return errno_error(error, "cannot open", shown(path));
}

/// Null if it cannot be opened.
std::shared_ptr<const UniqueFd> RootDirectory::directory_of(std::string path) const {
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& one : recent_)
      if (one.fd && one.path == path) return one.fd;
  }
  UniqueFd fd(open_beneath(fd_.get(), path.c_str(), O_PATH | O_DIRECTORY, Symlinks::kRefused));
  if (!fd.valid()) return nullptr;
  auto shared = std::make_shared<const UniqueFd>(std::move(fd));
  const std::scoped_lock lock(mutex_);
  recent_[next_++ % recent_.size()] = Recent{std::move(path), shared};
  return shared;
}

Result<UniqueFd> RootDirectory::open_file(const std::string& path, const FileStamp& stamp) const {
  auto fd = open_below(path);
  if (fd.has_error()) return fd;
  KILN_TRY(check_stamp(fd->get(), path, stamp));
  return fd;
}

Result<void> RootDirectory::check_stamp(int fd, const std::string& path,
                                        const FileStamp& stamp) const {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_error(errno, "cannot look at", shown(path));
  const FileStamp now(info);
  if (!S_ISREG(info.st_mode) || now.device != stamp.device || now.inode != stamp.inode)
    return changed(path, "something else took its place");
  if (now != stamp) return changed(path, "it was written to");
  return {};
}

Result<std::unique_ptr<ByteSource>> RootDirectory::open_content(std::string path,
                                                                const FileStamp& stamp) const {
  auto fd = stamp.size_bytes == 0 ? open_file(path, stamp) : open_below(path);
  if (fd.has_error()) return std::move(fd).error();
  return std::unique_ptr<ByteSource>(
      std::make_unique<StampedSource>(shared_from_this(), std::move(path), stamp, std::move(*fd)));
}

layer::FileContent RootDirectory::content_of(std::string path, const FileStamp& stamp) const {
  auto open = [root = shared_from_this(), path = std::move(path), stamp] {
    return root->open_content(path, stamp);
  };
  return {static_cast<std::uint64_t>(stamp.size_bytes), std::move(open)};
}

}  // namespace kiln::source
