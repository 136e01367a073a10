#include "core/store/layout_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "core/base/file.h"
#include "core/base/open_beneath.h"

namespace kiln::store {
namespace {

class LayoutFolder final : public LayoutFiles {
 public:
  LayoutFolder(UniqueFd fd, std::filesystem::path path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  std::string shown(const std::string& path) const override { return (path_ / path).string(); }

  Result<File> open(const std::string& path) const override {
    // O_NONBLOCK: opening a FIFO must not hang; it is refused below.
    UniqueFd fd(open_beneath(fd_.get(), path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY,
                             Symlinks::kFollowed));
    if (!fd.valid()) return open_error(errno, path);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return errno_error(errno, "cannot look at", shown(path));
    if (!S_ISREG(info.st_mode))
      return Error(Errc::kInvalid, shown(path) + " is not a regular file");
    File file;
    file.size_bytes = static_cast<std::uint64_t>(info.st_size);
    file.source = std::make_unique<FileSource>(std::move(fd));
    return file;
  }

 private:
  Error open_error(int error, const std::string& path) const {
    if (error == EXDEV)
      return {Errc::kInvalid,
              shown(path) + " is a symlink out of the folder, which is not followed"};
    if (error == ELOOP) return {Errc::kInvalid, shown(path) + " is a symlink that leads nowhere"};
    return errno_error(error, "cannot open", shown(path));
  }

  UniqueFd fd_;
  std::filesystem::path path_;
};

}  // namespace

Result<std::shared_ptr<const LayoutFiles>> open_layout_folder(
    const std::filesystem::path& directory) {
  UniqueFd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOTDIR)
    return Error(Errc::kInvalid, directory.string() +
                                     " is no folder; write oci-archive:FILE for a tar of a layout");
  if (!fd.valid()) return errno_error(errno, "cannot open", directory);
  const UniqueFd again(open_beneath(fd.get(), ".", O_PATH | O_DIRECTORY, Symlinks::kRefused));
  // EPERM: what seccomp filters that are older than the system call answer.
  if (!again.valid() && (errno == ENOSYS || errno == EPERM))
    return Error(
        Errc::kUnsupported,
        "cannot read " + directory.string() +
            ": this kernel or its seccomp filter has no openat2 (Linux 5.6), without which "
            "a folder cannot be read safely; give a tar of it instead (oci-archive:FILE)");
  if (!again.valid()) return errno_error(errno, "cannot open", directory);
  return std::shared_ptr<const LayoutFiles>(
      std::make_shared<const LayoutFolder>(std::move(fd), directory));
}

}  // namespace kiln::store
