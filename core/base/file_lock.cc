#include "core/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>

#include "core/base/deadline.h"

namespace kiln {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// False when the stop was asked for first.
bool rest(milliseconds duration, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any asked;
  std::unique_lock lock(mutex);
  asked.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

/// Is what `fd` has open still what `path` names?
bool still_named(int fd, const std::filesystem::path& path) {
  struct stat opened {};
  struct stat named {};
  return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

}  // namespace

Result<std::optional<FileLock>> FileLock::try_take(const std::filesystem::path& path, Mode mode) {
  for (;;) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) return errno_error(errno, "cannot open the lock", path);
    const int operation = (mode == Mode::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    if (::flock(fd.get(), operation) != 0) {
      if (errno == EINTR) continue;
      if (errno == EWOULDBLOCK) return std::optional<FileLock>();
      return errno_error(errno, "cannot lock", path);
    }
    if (still_named(fd.get(), path)) return std::optional<FileLock>(FileLock(std::move(fd)));
  }
}

Result<FileLock> FileLock::take(const std::filesystem::path& path, Mode mode, milliseconds limit,
                                std::stop_token stop, std::string_view what) {
  const auto end = steady_clock::now() + limit;
  for (milliseconds wait{2};; wait = std::min<milliseconds>(wait * 2, milliseconds(50))) {
    auto lock = try_take(path, mode);
    if (!lock) return std::move(lock).error();
    if (*lock) return std::move(**lock);
    if (steady_clock::now() >= end)
      return deadline_error("waiting for " + std::string(what), limit);
    if (!rest(wait, stop))
      return Error(Errc::kCancelled, "waiting for " + std::string(what) + " was cancelled");
  }
}

}  // namespace kiln
