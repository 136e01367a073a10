#pragma once

namespace kiln {

/// What open_beneath() does with symlinks inside the folder.
enum class Symlinks {
  kRefused,   ///< ELOOP.
  kFollowed,  ///< As long as they stay in the folder; else EXDEV.
};

/// Opens `path` inside the folder `directory` and nothing outside of it, whatever is exchanged
/// meanwhile; with O_CLOEXEC. Mount points inside are the inside. Answers a descriptor, or -1 and
/// errno: ENOSYS or EPERM where the kernel or a seccomp filter does not know the call.
///
/// Source: openat2(2) (Linux 5.6) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS.
[[nodiscard]] int open_beneath(int directory, const char* path, int flags, Symlinks symlinks);

}  // namespace kiln
