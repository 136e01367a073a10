#include "controller/plan/git_content.h"

#include <algorithm>

#include "core/base/time_text.h"
#include "core/layer/entry_path.h"

namespace kiln::plan {
namespace {

Error at(const std::string& field, Error error) {
  return std::move(error).while_doing(field);
}

Result<void> check_ref(const api::GitSource& git, const std::string& field) {
  if (!git.ref) return {};
  const auto ref = git_ref_of(git);
  if (ref == source::GitRef())
    return Error(Errc::kInvalid,
                 field +
                     ": is empty: write one of branch, tag, semver, name or commit, or leave "
                     "ref out for the server's default branch");
  if (const auto good = source::check_git_ref(ref); !good) return at(field, good.error());
  return {};
}

Result<void> check_globs(const std::vector<std::string>& globs, const std::string& field) {
  constexpr std::size_t kMaxGlobs = 64;
  constexpr std::size_t kMaxGlobBytes = 1024;
  if (globs.size() > kMaxGlobs)
    return Error(Errc::kInvalid, field + ": has more than 64 globs: join some with * or **");
  for (std::size_t i = 0; i < globs.size(); ++i) {
    const auto one = field + "[" + std::to_string(i) + "]";
    if (globs[i].size() > kMaxGlobBytes)
      return Error(Errc::kInvalid, one + ": is longer than 1024 bytes");
    if (const auto clean = layer::clean_relative_path(globs[i]); !clean)
      return at(one, clean.error());
  }
  return {};
}

bool has(const NamedData& secret, const char* key) {
  return secret.files.find(key) != secret.files.end();
}

/// What can be told of a Secret before its values are looked at. Errors: kUnauthorized.
Result<void> check_keys(const NamedData& secret, const source::GitUrl& url) {
  constexpr const char* kHttp[] = {"username", "password", "bearerToken", "ca.crt",
                                   "caFile",   "tls.crt",  "tls.key"};
  if (url.is_ssh()) return {};  // Its two keys are asked for by name.
  if (source::GitHubApp::is_in(secret.files)) return {};
  if (std::any_of(std::begin(kHttp), std::end(kHttp),
                  [&](const char* key) { return has(secret, key); }))
    return {};
  if (has(secret, "identity"))
    return Error(Errc::kUnauthorized,
                 "has a key for ssh (identity), and url is not ssh: write ssh://" + url.host() +
                     url.path() + " as url, or store username and password");
  return Error(
      Errc::kUnauthorized,
      "has none of the keys for https: store username and password, bearerToken, the keys of "
      "a GitHub App, or ca.crt");
}

Result<source::GitCredentials> read_credentials(const NamedData& secret,
                                                const source::GitUrl& url) {
  KILN_TRY(check_keys(secret, url));
  auto credentials = source::GitCredentials::parse(secret.files, url);
  // A Secret gets mended: that is no dead end as a wrong spec is.
  if (!credentials) return Error(Errc::kUnauthorized, credentials.error().message);
  return credentials;
}

Result<layer::FileTree> with_time(const layer::FileTree& tree, std::int64_t time) {
  layer::FileTree timed;
  for (const auto& [path, entry] : tree.entries()) {
    auto same = entry;
    same.mtime = time;
    KILN_TRY(timed.add(std::move(same)));
  }
  return timed;
}

}  // namespace

source::GitRef git_ref_of(const api::GitSource& git) {
  source::GitRef ref;
  if (!git.ref) return ref;
  ref.branch = git.ref->branch;
  ref.tag = git.ref->tag;
  ref.semver = git.ref->semver;
  ref.name = git.ref->name;
  ref.commit = git.ref->commit;
  return ref;
}

Result<void> check_git(const api::GitSource& git, const std::string& field) {
  if (const auto url = source::GitUrl::parse(git.url); !url) return at(field + ".url", url.error());
  KILN_TRY(check_ref(git, field + ".ref"));
  if (!git.sub_path.empty()) {
    const auto clean = layer::clean_relative_path(git.sub_path);
    if (!clean) return at(field + ".subPath", clean.error());
    if (const auto named = layer::refuse_whiteout_names(*clean); !named)
      return at(field + ".subPath", named.error());
  }
  KILN_TRY(check_globs(git.include, field + ".include"));
  return check_globs(git.exclude, field + ".exclude");
}

Result<source::GitRequest> git_request(const api::GitSource& git, const NamedData* secret) {
  auto url = source::GitUrl::parse(git.url);
  if (!url) return std::move(url).error();
  source::GitRequest request(std::move(*url));
  if (secret != nullptr) {
    auto credentials = read_credentials(*secret, request.url);
    if (!credentials) return std::move(credentials).error();
    request.credentials = std::move(*credentials);
  }
  request.ref = git_ref_of(git);
  request.sub_path = git.sub_path;
  request.include = git.include;
  request.exclude = git.exclude;
  request.submodules = git.recurse_submodules;
  request.lfs = git.lfs;
  return request;
}

Result<void> apply_commit_times(build::BuildRequest& request,
                                std::vector<build::FetchedContent>& content) {
  std::optional<std::int64_t> newest;
  for (auto& [fetched, description] : content) {
    if (!fetched.commit)
      return Error(Errc::kInvalid, "timestamps: " + description +
                                       " is of no git commit, whose time SourceRevision takes: "
                                       "write Content or Epoch");
    auto timed = with_time(fetched.tree, fetched.commit->time);
    if (!timed) return std::move(timed).error();
    fetched.tree = std::move(*timed);
    fetched.identity = source::identity_of(fetched);
    newest = std::max(newest.value_or(fetched.commit->time), fetched.commit->time);
  }
  if (!newest) return Error(Errc::kInvalid, "timestamps: there is no content from git");
  request.timestamps.kind = layer::Timestamps::kFixed;
  request.timestamps.fixed = *newest;
  if (request.created == build::BuildRequest().created)
    request.created = format_rfc3339(WallTime(std::chrono::seconds(*newest)));
  return {};
}

std::optional<source::CommitFacts> first_commit(const std::vector<build::FetchedContent>& content) {
  for (const auto& one : content)
    if (one.content.commit) return one.content.commit;
  return std::nullopt;
}

}  // namespace kiln::plan
