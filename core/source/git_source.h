#pragma once
#include <string>
#include <utility>

#include "core/source/git_client.h"
#include "core/source/source.h"

namespace kiln::source {

/// Content from a git repository at one revision. There is no work tree and no checkout: no filter,
/// hook, attribute or link of the content does anything.
///
/// The tree has what git has: files (0644, or 0755 where they are executable) and symlinks as they
/// stand; directories come of themselves. ".kilnignore" files (gitignore syntax) at any level leave
/// paths out and are left out themselves. A submodule that is not wanted is left out. Identities
/// are object ids; the revision is "main@sha1:…".
class GitSource final : public Source {
 public:
  /// Lifetime: `client` outlives the source.
  GitSource(GitClient& client, GitRequest request)
      : client_(client), request_(std::move(request)) {}

  std::string description() const override { return "git " + request_.url.str(); }

  /// Errors: those of GitClient::resolve(), and
  ///   kNotFound     the commit or sub_path is not there; a file that LFS should have is not.
  ///   kInvalid      sub_path is no directory; a path that no layer can hold, or that is a way to
  ///                 attack git (".git"); nothing is left to take; a pointer of LFS while `lfs` is
  ///                 off; a bad .kilnignore or submodule; more than GitLimits say.
  ///   kUnauthorized for a submodule on a server that the credentials are not for.
  ///   kCorrupt      the repository cannot be read, not even when it is fetched anew.
  /// Cancellation: at any point; programs under way end with it.
  Task<Result<Content>> fetch() override { return client_.fetch(request_); }

 private:
  GitClient& client_;
  GitRequest request_;
};

}  // namespace kiln::source
