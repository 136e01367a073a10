#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/shared_answers.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/http/client.h"
#include "core/http/egress_policy.h"
#include "core/http/host_resolver.h"
#include "core/http/proxy.h"
#include "core/source/git_limits.h"
#include "core/source/git_ref.h"
#include "core/source/git_session.h"
#include "core/source/source.h"

namespace kiln::source {

class GitCache;

/// Hears what a GitClient does. Called on the I/O executor.
class GitObserver {
 public:
  enum class Work {
    kAsk,    ///< A server was asked what its refs are; who shares an answer asks nobody.
    kFetch,  ///< Content was read, and fetched where the cache did not have it.
  };
  virtual ~GitObserver() = default;
  virtual void did(Work work, bool well, std::chrono::steady_clock::duration took) = 0;
  /// Packs and files of LFS have come from servers, so many bytes in all.
  virtual void fetched(std::uint64_t bytes) = 0;
};

/// What is wanted from a repository.
struct GitRequest {
  GitUrl url;
  GitCredentials credentials{};
  GitRef ref{};
  std::string sub_path{};              ///< A directory of the repository, clean; "" = all of it.
  std::vector<std::string> include{};  ///< Globs over whole paths below sub_path; empty = all.
  std::vector<std::string> exclude{};  ///< Win over `include`.
  bool submodules = false;
  bool lfs = false;
  /// How old an answer of the server about its refs may be; 0 = it is asked now.
  std::chrono::milliseconds max_age{0};
  /// If the ref still stands for this revision, nothing is read: see Content::unread. The time of
  /// the commit is not known then. Else, if a branch now stands for a commit that does not descend
  /// from this one, that is a warning of the content, where it is known without much effort.
  std::optional<KnownContent> known{};

  explicit GitRequest(GitUrl u) : url(std::move(u)) {}
};

/// What all content from git goes through: asks servers, keeps repositories in a cache folder that
/// other processes may share, and holds to limits and egress policy.
///
/// Threads: the I/O executor; programs are waited for on `pool`. A server can make that last, so
/// give it a pool of its own; its threads are also how many git programs talk to servers at a time.
/// Lifetime: everything referred to outlives the client, and the client its tasks. Contents may
/// outlive it, but not `pool`.
class GitClient {
 public:
  struct Options {
    std::filesystem::path cache_dir{};  ///< "" = a folder that goes with the client.
    GitLimits limits{};
    http::EgressPolicy egress{};
    http::ProxyRules proxies{};  ///< For https and http.
    /// Keeps in the cache what branches were last seen at, to tell of one that was rewritten: for
    /// who does not know what it had, and so does not say it in GitRequest::known.
    bool remember_branches = false;
    GitObserver* observer = nullptr;  ///< May be null; else it outlives the client.
    Options() = default;
  };
  GitClient(Options options, http::HostResolver& resolver, http::Client& http, WorkPool& pool,
            const Clock& clock);
  ~GitClient();

  /// What a ref stands for now, by `git ls-remote`: nothing is fetched. Those who ask one server
  /// for the same kind of ref at the same time share one answer; see GitRequest::max_age.
  /// Errors: kNotFound: the server has no such branch, tag, … (a commit is not asked for);
  /// kEgressDenied; those of GitSession::run(). Cancellation: at any point.
  [[nodiscard]] Task<Result<GitRevision>> resolve(GitRequest request);

  /// Fetches what is not in the cache and reads the tree. The contents of files are read when they
  /// are wanted, and keep the repository in the cache. Errors: see GitSource::fetch().
  [[nodiscard]] Task<Result<Content>> fetch(GitRequest request);

  /// What is known of the refs of repositories with this repository_name() is out of date, also
  /// what is being asked just now.
  void forget(const std::string& repository);

 private:
  friend class GitFetch;
  using Refs = std::shared_ptr<const RemoteRefs>;

  /// With a token of the credentials' App, where they are one.
  /// `named_by`: where the server that named this URL was reached; unset: a person did.
  Task<Result<std::shared_ptr<const GitServer>>> find_server(
      GitUrl url, GitCredentials credentials, std::optional<http::AddressKind> named_by);
  Task<Result<void>> find_way(std::shared_ptr<GitServer> server,
                              std::optional<http::AddressKind> named_by);
  Task<Result<Refs>> list_refs(GitRequest request);
  Task<Result<Refs>> ask(GitRequest request);
  Task<Result<Refs>> ask_server(GitRequest request);
  /// nullopt: the ref stands for something else than what is known.
  Task<Result<std::optional<Content>>> still_known(GitRequest request);
  void forget_token_if_refused(const GitRequest& request, const Error& error);
  void tell(GitObserver::Work work, bool well, std::chrono::steady_clock::time_point since) const;
  Result<GitCache*> cache();

  Options options_;
  http::HostResolver& resolver_;
  http::Client& http_;
  WorkPool& pool_;
  const Clock& clock_;
  GitProgram program_;
  GitHubTokens tokens_;
  SharedAnswers<Refs> refs_;
  std::mutex cache_mutex_;
  std::optional<TempDir> own_cache_dir_;  ///< Guarded by cache_mutex_, as is cache_.
  std::unique_ptr<GitCache> cache_;
};

}  // namespace kiln::source
