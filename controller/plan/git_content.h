#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/api/image_build.h"
#include "controller/plan/named_data.h"
#include "core/build/builder.h"
#include "core/build/request.h"
#include "core/source/git_client.h"

/// What of a spec is about git: from a git entry of spec.content to a request of core/source.
namespace kiln::plan {

/// Makes content of what is wanted from a git repository. `entry`: its index in spec.content.
using GitSources =
    std::function<std::shared_ptr<source::Source>(source::GitRequest, std::size_t entry)>;

/// Which revision a git entry asks for, as core/source has it.
source::GitRef git_ref_of(const api::GitSource& git);

/// Refuses what no repository can have. No I/O. `field`: "spec.content[0].git".
/// Errors: kInvalid, naming the field and saying what to write instead.
[[nodiscard]] Result<void> check_git(const api::GitSource& git, const std::string& field);

/// `git` has passed check_git(). `secret`: what the Secret of secretRef holds, null = none is
/// named. Errors: kUnauthorized, naming Secret and key: credentials that are missing or that cannot
/// be read.
[[nodiscard]] Result<source::GitRequest> git_request(const api::GitSource& git,
                                                     const NamedData* secret);

/// For timestamps SourceRevision, once content is there: every file gets the time of its commit,
/// and the request that of the newest one, for directories above files and for `created` (unless
/// something else has set that one). Errors: kInvalid for content that is of no commit.
[[nodiscard]] Result<void> apply_commit_times(build::BuildRequest& request,
                                              std::vector<build::FetchedContent>& content);

/// The commit of the first content from git, which the variables ${git.…} are about.
std::optional<source::CommitFacts> first_commit(const std::vector<build::FetchedContent>& content);

}  // namespace kiln::plan
