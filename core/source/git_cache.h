#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "core/base/file_lock.h"
#include "core/source/git_credentials.h"
#include "core/source/git_url.h"

namespace kiln::source {

/// A repository's place in the cache. It is not removed as long as this object lives.
/// Threads: any.
class GitCacheEntry {
 public:
  GitCacheEntry(std::filesystem::path folder, FileLock in_use)
      : folder_(std::move(folder)), in_use_(std::move(in_use)) {}

  std::filesystem::path repository() const { return folder_ / "repository"; }
  std::filesystem::path lfs() const { return folder_ / "lfs"; }  ///< Files of LFS, by their id.

  /// For who fetches: one at a time. Errors: those of FileLock::take().
  [[nodiscard]] Result<FileLock> lock_for_writing(std::chrono::milliseconds limit,
                                                  std::stop_token stop) const;

  /// The commit that remember_commit() said last for this branch; "" = none.
  std::string last_commit(const std::string& branch) const;
  void remember_commit(const std::string& branch, const std::string& commit) const;

  /// Something in the repository cannot be read: the next one makes it anew.
  void suspect() const;
  bool is_suspected() const;
  /// Throws the repository away, whoever reads it: it is of no use. Under the lock for writing.
  [[nodiscard]] Result<void> renew() const;

 private:
  std::filesystem::path branch_file(const std::string& branch) const;

  std::filesystem::path folder_;
  FileLock in_use_;
};

/// Folders for repositories, in one folder that several processes may share. What nobody has used
/// for longest goes first when they take more than the limit. Blocking. Threads: any.
class GitCache {
 public:
  /// Makes the folder, 0700, where it is not there. Errors: as errno_error.
  [[nodiscard]] static Result<std::unique_ptr<GitCache>> open(std::filesystem::path folder,
                                                              std::uint64_t limit_bytes);

  /// What a repository is called here: it tells nothing, and it is another one for whoever has
  /// other credentials, so that nobody gets what somebody else was let see.
  /// `long_ids`: the repository's object ids are SHA-256.
  std::string key(const GitUrl& url, const GitCredentials& who, bool long_ids) const;

  /// Errors: those of the file system, kCancelled, kTimeout.
  [[nodiscard]] Result<std::shared_ptr<GitCacheEntry>> use(const std::string& key,
                                                           std::stop_token stop) const;

  /// Removes what is too much. What cannot be removed stays for the next time.
  void trim() const;

 private:
  GitCache(std::filesystem::path folder, std::uint64_t limit_bytes, std::string salt)
      : folder_(std::move(folder)), limit_bytes_(limit_bytes), salt_(std::move(salt)) {}
  bool remove_unused(const std::filesystem::path& entry) const;

  std::filesystem::path folder_;
  std::uint64_t limit_bytes_;
  std::string salt_;
};

}  // namespace kiln::source
