#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/source/git_client.h"
#include "core/source/git_part.h"
#include "core/source/glob.h"

namespace kiln::source {

/// One fetch of one content entry: its steps in order, and what they have found. Each step is a
/// member, so no coroutine takes a reference. Lifetime: `client` outlives it.
class GitFetch : public std::enable_shared_from_this<GitFetch> {
 public:
  GitFetch(GitClient& client, GitRequest request);

  /// Errors: see GitSource::fetch().
  Task<Result<Content>> run();
  std::uint64_t fetched_bytes() const;  ///< That came from servers, also where run() failed.

 private:
  struct Wanted {
    GitPart part;
    std::vector<GitFile> files{};
    explicit Wanted(GitPart p) : part(std::move(p)) {}
  };

  Task<Result<Content>> attempt();
  Task<Result<void>> open_root();
  Task<Result<void>> open(GitPart part);
  Task<Result<void>> open_submodules();
  Task<Result<void>> open_submodule(std::size_t parent, std::string path, std::string commit,
                                    std::string address);
  Result<void> choose_files();
  Task<Result<void>> complete();
  Task<Result<void>> fetch_lfs();
  Task<Result<void>> look_back();
  Task<Result<Content>> content();
  void suspect_all() const;

  bool takes(const std::string& path) const;
  bool takes_submodule(const std::string& path) const;
  bool is_narrow() const;

  GitClient& client_;
  GitRequest request_;
  std::vector<Glob> include_;
  std::vector<Glob> exclude_;
  GitCache* cache_ = nullptr;

  GitRevision revision_{};
  IgnoreRules ignore_{};
  std::uint64_t fetched_bytes_ = 0;  ///< But for those of parts_.
  std::vector<std::string> warnings_;
  std::vector<Wanted> parts_;  ///< The one that was asked for, then submodules.
};

}  // namespace kiln::source
