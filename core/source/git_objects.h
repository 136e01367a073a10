#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/process.h"
#include "core/layer/entry.h"
#include "core/source/git_cache.h"
#include "core/source/git_program.h"

namespace kiln::source {

/// The bytes of a repository's files, whenever somebody wants them, from `git cat-file --batch`
/// programs that wait for the next name. Each reader has one to itself; a few are kept for the
/// next. Keeps the repository in the cache as long as it lives. Threads: any.
class GitObjects : public std::enable_shared_from_this<GitObjects> {
 public:
  GitObjects(GitProgram program, std::shared_ptr<const GitCacheEntry> entry)
      : program_(std::move(program)), entry_(std::move(entry)) {}

  /// The bytes of a blob that is there and has this size; keeps this object alive. Errors of the
  /// readers: kCorrupt when the repository cannot be read, which it is then suspected of;
  /// kUnavailable, kTimeout for a program that died or hangs.
  layer::FileContent content_of(std::string blob, std::uint64_t size_bytes);

 private:
  class Reader;
  struct Idle {
    Process process;
    std::chrono::steady_clock::time_point born;
  };

  Result<std::unique_ptr<ByteSource>> open(const std::string& blob, std::uint64_t size_bytes);
  Result<Idle> take();
  void give_back(Idle idle);
  Error broken(Error error) const;

  GitProgram program_;
  std::shared_ptr<const GitCacheEntry> entry_;  // Shared: whoever fetches uses it too.
  std::mutex mutex_;
  std::vector<Idle> idle_;  ///< Guarded by mutex_.
};

}  // namespace kiln::source
