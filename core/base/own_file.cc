#include "core/base/own_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/base/file.h"
#include "core/base/write_aside.h"

namespace kiln {

Result<std::string> read_own_file(const std::filesystem::path& path, std::uint64_t limit_bytes) {
  auto fd = open_for_reading(path);
  if (fd.has_error()) return std::move(fd).error();
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0) return errno_error(errno, "cannot look at", path);
  if (info.st_uid != ::geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Error(Errc::kDenied, path.string() + " may have been written by another user");
  FileSource source(std::move(*fd));
  auto bytes = read_all(source, limit_bytes);
  if (bytes.has_error()) return std::move(bytes).error().while_doing("reading " + path.string());
  return bytes;
}

Result<void> write_own_file(const std::filesystem::path& path, std::string_view bytes) {
  std::error_code failed;
  std::filesystem::create_directories(path.parent_path(), failed);  // What is wrong shows below.
  return write_aside(path, [&](int fd) { return FdSink(fd).write(bytes); });
}

}  // namespace kiln
