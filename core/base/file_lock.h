#pragma once
#include <chrono>
#include <filesystem>
#include <optional>
#include <stop_token>

#include "core/base/error.h"
#include "core/base/file.h"

namespace kiln {

/// A lock among processes, and among the threads of one: flock(2) on a file that is made for it.
/// Left by the destructor, or by the end of the process. Movable.
class FileLock {
 public:
  enum class Mode { kShared, kExclusive };

  /// Takes the lock if it is free. nullopt: it is not. Errors: as errno_error.
  [[nodiscard]] static Result<std::optional<FileLock>> try_take(const std::filesystem::path& path,
                                                                Mode mode);

  /// Waits for the lock; blocking, for the WorkPool. A file that was removed or replaced meanwhile
  /// is not what is locked in the end. Errors: also kTimeout, naming `what` is waited for;
  /// kCancelled when the stop is asked for.
  [[nodiscard]] static Result<FileLock> take(const std::filesystem::path& path, Mode mode,
                                             std::chrono::milliseconds limit, std::stop_token stop,
                                             std::string_view what);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace kiln
