#pragma once
#include <filesystem>
#include <memory>

#include "core/base/error.h"
#include "core/source/directory_listing.h"
#include "core/source/directory_source.h"

namespace kiln::source {

/// Finds all that is below a root (or the root itself, a file), by as many threads as work() on it.
/// Files are stamped, not read. A thread has at most three descriptors open at a time, however deep
/// the tree, and its stack does not grow.
class DirectoryWalk {
 public:
  /// Errors: see DirectorySource::fetch; so have those of finish(). Blocking.
  [[nodiscard]] static Result<std::shared_ptr<DirectoryWalk>> begin(
      const std::filesystem::path& root, const DirectoryOptions& options);
  ~DirectoryWalk();

  /// Lists directories until there are none left. Blocking; while others list what may have more of
  /// them, it waits for those. Threads: any number at once.
  void work();

  /// What was found, hard links already told from their files. Of several errors the one of the
  /// first directory by path, so that neither the number of threads nor chance decide. Once, when
  /// every work() has ended, and there was one.
  [[nodiscard]] Result<DirectoryListing> finish();

 private:
  class Impl;
  explicit DirectoryWalk(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The whole walk on this thread.
[[nodiscard]] Result<DirectoryListing> walk_directory(const std::filesystem::path& root,
                                                      const DirectoryOptions& options);

}  // namespace kiln::source
