#include "core/base/open_beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace kiln {

int open_beneath(int directory, const char* path, int flags, Symlinks symlinks) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (symlinks == Symlinks::kRefused) how.resolve |= RESOLVE_NO_SYMLINKS;
  constexpr int kTries = 100;
  for (int tried = 1;; ++tried) {
    const auto fd = ::syscall(SYS_openat2, directory, path, &how, sizeof how);
    // EAGAIN: something was renamed at this very moment, or a lease on the file is being broken.
    const bool again = fd < 0 && (errno == EINTR || errno == EAGAIN);
    if (!again || tried == kTries) return static_cast<int>(fd);
  }
}

}  // namespace kiln
