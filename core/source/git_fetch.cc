#include "core/source/git_fetch.h"

#include <algorithm>

#include "core/base/memory.h"
#include "core/base/redact.h"
#include "core/base/stoppable.h"
#include "core/layer/entry_path.h"
#include "core/source/directory_source.h"
#include "core/source/git_cache.h"
#include "core/source/git_history.h"
#include "core/source/git_objects.h"
#include "core/source/git_path.h"

namespace kiln::source {
namespace {

using Kind = GitTreeEntry::Kind;

std::string shown(const std::string& path) {
  return "\"" + sanitize_server_text(path, 256) + "\"";
}

std::vector<Glob> globs(const std::vector<std::string>& patterns) {
  std::vector<Glob> made;
  for (const auto& pattern : patterns) made.emplace_back(pattern);
  return made;
}

bool matches_any(const std::vector<Glob>& globs, std::string_view path) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const Glob& glob) { return glob.matches(path); });
}

layer::Entry entry_of(GitFile file) {
  const auto kind =
      file.kind == Kind::kSymlink ? layer::EntryKind::kSymlink : layer::EntryKind::kFile;
  layer::Entry entry(std::move(file.path), kind);
  entry.mode = file.kind == Kind::kFile ? 0644 : 0755;
  if (file.kind == Kind::kSymlink) entry.mode = 0777;  // What Linux has for all of them.
  entry.link_target = std::move(file.link_target);
  // Not "sha256:": such an id is not that of the bytes alone.
  entry.identity = identity_of_git_blob(file.object);
  if (file.lfs) entry.identity = "sha256:" + file.lfs->id;
  return entry;
}

}  // namespace

GitFetch::GitFetch(GitClient& client, GitRequest request)
    : client_(client),
      request_(std::move(request)),
      include_(globs(request_.include)),
      exclude_(globs(request_.exclude)) {}

bool GitFetch::takes(const std::string& path) const {
  return (include_.empty() || matches_any(include_, path)) && !matches_any(exclude_, path) &&
         !ignore_.ignores(path, false);
}

/// False when nothing below can be taken: a name that nobody has in a pattern stands for all.
bool GitFetch::takes_submodule(const std::string& path) const {
  return !matches_any(exclude_, path) && !matches_any(exclude_, path + "/\x01kiln\x01") &&
         !ignore_.ignores(path, true);
}

/// Is so much left out that files are better fetched once it is known which?
bool GitFetch::is_narrow() const {
  return !request_.sub_path.empty() || !include_.empty() || !exclude_.empty();
}

Task<Result<Content>> GitFetch::run() {
  auto cache = client_.cache();
  if (!cache) co_return std::move(cache).error().while_doing("git's cache");
  cache_ = *cache;
  auto content = co_await attempt();
  if (content) co_return std::move(*content);
  const auto code = content.error().code;
  if (code == Errc::kCorrupt) {
    suspect_all();
    co_return co_await attempt();
  }
  // The ref may have been moved, and its commit dropped, since it was listed.
  if (code == Errc::kNotFound && request_.ref.commit.empty() && !revision_.commit.empty()) {
    const auto before = revision_.commit;
    request_.max_age = std::chrono::milliseconds(0);
    auto now = co_await client_.resolve(request_);
    if (!now) co_return std::move(now).error();
    if (now->commit != before) co_return co_await attempt();
  }
  co_return std::move(content).error();
}

std::uint64_t GitFetch::fetched_bytes() const {
  auto bytes = fetched_bytes_;
  for (const auto& wanted : parts_) bytes += wanted.part.fetched_bytes;
  return bytes;
}

Task<Result<Content>> GitFetch::attempt() {
  fetched_bytes_ = fetched_bytes();
  parts_.clear();
  warnings_.clear();
  ignore_ = IgnoreRules();
  KILN_CO_TRY(co_await open_root());
  if (request_.submodules) KILN_CO_TRY(co_await open_submodules());
  KILN_CO_TRY(choose_files());
  KILN_CO_TRY(co_await complete());
  KILN_CO_TRY(co_await fetch_lfs());
  KILN_CO_TRY(co_await look_back());
  co_return co_await content();
}

void GitFetch::suspect_all() const {
  for (const auto& wanted : parts_)
    if (wanted.part.entry) wanted.part.entry->suspect();
}

Task<Result<void>> GitFetch::open_root() {
  auto revision = co_await client_.resolve(request_);
  if (!revision) co_return std::move(revision).error();
  revision_ = std::move(*revision);
  auto server = co_await client_.find_server(request_.url, request_.credentials, std::nullopt);
  if (!server) co_return std::move(server).error();
  GitPart part(std::move(*server), revision_.commit);
  part.sub_path = request_.sub_path;
  co_return co_await open(std::move(part));
}

Task<Result<void>> GitFetch::open(GitPart part) {
  auto shared = std::make_shared<GitPart>(std::move(part));
  std::size_t listed = 0;
  for (const auto& wanted : parts_) listed += wanted.part.tree.size();
  auto work = [self = shared_from_this(), shared, listed](std::stop_token stop) -> Result<bool> {
    const auto& program = self->client_.program_;
    KILN_TRY(open_part(*shared, program, *self->cache_, self->is_narrow(),
                       program.limits().paths - listed, stop));
    auto rules = read_ignore_files(*shared, self->ignore_, program, stop);
    if (!rules) return std::move(rules).error();
    self->ignore_ = std::move(*rules);
    return true;
  };
  auto done = co_await run_stoppable(client_.pool_, std::move(work));
  // Also where it failed: it may have to be made anew.
  parts_.emplace_back(std::move(*shared));
  if (!done) co_return std::move(done).error();
  co_return Result<void>();
}

/// Parts are added as submodules are met, and are themselves looked through.
Task<Result<void>> GitFetch::open_submodules() {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const auto& tree = parts_[i].part.tree;
    const auto is_submodule = [](const auto& line) { return line.kind == Kind::kSubmodule; };
    if (std::none_of(tree.begin(), tree.end(), is_submodule)) continue;
    auto read = [self = shared_from_this(), i](std::stop_token stop) {
      return read_submodules(self->parts_[i].part, self->client_.program_, std::move(stop));
    };
    auto addresses = co_await run_stoppable(client_.pool_, std::move(read));
    if (!addresses) co_return std::move(addresses).error();
    for (std::size_t line = 0; line < parts_[i].part.tree.size(); ++line) {
      const auto entry = parts_[i].part.tree[line];
      if (!is_submodule(entry) || !takes_submodule(entry.path)) continue;
      const auto& part = parts_[i].part;
      auto inside = entry.path.substr(part.prefix.empty() ? 0 : part.prefix.size() + 1);
      const auto address = addresses->find(layer::join_path(part.sub_path, inside));
      if (address == addresses->end())
        co_return Error(Errc::kInvalid,
                        "the submodule " + shown(entry.path) + " has no address in .gitmodules");
      auto opened = co_await open_submodule(i, entry.path, entry.object, address->second);
      if (!opened)
        co_return std::move(opened).error().while_doing("the submodule " + shown(entry.path));
    }
  }
  co_return Result<void>();
}

Task<Result<void>> GitFetch::open_submodule(std::size_t parent, std::string path,
                                            std::string commit, std::string address) {
  const auto& limits = client_.program_.limits();
  const auto depth = parts_[parent].part.depth + 1;
  if (depth > limits.submodule_depth)
    co_return Error(Errc::kInvalid, "submodules are nested deeper than the limit of " +
                                        std::to_string(limits.submodule_depth));
  if (parts_.size() > limits.submodules)
    co_return Error(Errc::kInvalid, "there are more than the limit of " +
                                        std::to_string(limits.submodules) + " submodules");
  KILN_CO_TRY(check_git_path(path));
  const auto above = parts_[parent].part.server;
  auto url = GitUrl::parse_submodule(address, above->url);
  if (!url) co_return std::move(url).error();
  // Who asked for the first repository gave its credentials for that server alone.
  const bool same = url->same_server(request_.url);
  if (!same && url->is_ssh())
    co_return Error(Errc::kUnauthorized, "it is on " + url->origin() + ", and the key is for " +
                                             request_.url.origin() +
                                             " only: give it an entry of its own");
  auto credentials = same ? request_.credentials : GitCredentials();
  std::optional<http::AddressKind> named_by;
  if (!url->same_server(above->url)) named_by = above->kind;
  auto server = co_await client_.find_server(*url, std::move(credentials), named_by);
  if (!server) co_return std::move(server).error();
  GitPart part(std::move(*server), std::move(commit));
  part.prefix = std::move(path);
  part.depth = depth;
  co_return co_await open(std::move(part));
}

Result<void> GitFetch::choose_files() {
  std::size_t taken = 0;
  for (auto& [part, files] : parts_) {
    for (auto& line : part.tree) {
      if (line.kind == Kind::kSubmodule || layer::name_of_path(line.path) == kIgnoreFile ||
          !takes(line.path))
        continue;
      if (auto good = check_git_path(line.path); !good)
        return std::move(good).error().while_doing("the file " + shown(line.path));
      files.push_back({std::move(line.path), line.kind, std::move(line.object)});
    }
    part.tree = {};
    taken += files.size();
  }
  if (taken > 0) return {};
  return Error(Errc::kInvalid,
               "no file is left to take: look at subPath, include, exclude and .kilnignore");
}

Task<Result<void>> GitFetch::complete() {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    auto work = [self = shared_from_this(), i](std::stop_token stop) {
      auto& [part, files] = self->parts_[i];
      return complete_files(part, std::move(files), self->client_.program_, std::move(stop));
    };
    auto completed = co_await run_stoppable(client_.pool_, std::move(work));
    if (!completed) co_return std::move(completed).error();
    parts_[i].files = std::move(*completed);
    for (auto& file : parts_[i].files) {
      if (file.lfs && !request_.lfs)
        co_return Error(Errc::kInvalid,
                        "the file " + shown(file.path) +
                            " is a pointer of Git LFS: set lfs, or leave it out with exclude");
      total += file.lfs ? std::min(file.lfs->size_bytes, client_.program_.limits().content_bytes)
                        : file.size_bytes;
    }
    if (total > client_.program_.limits().content_bytes)
      co_return Error(Errc::kInvalid, "the files have more than the limit of " +
                                          std::to_string(client_.program_.limits().content_bytes) +
                                          " bytes");
  }
  co_return Result<void>();
}

Task<Result<void>> GitFetch::fetch_lfs() {
  if (!request_.lfs) co_return Result<void>();
  LfsClient lfs(client_.http_, client_.pool_, client_.program_.limits());
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    std::vector<LfsPointer> wanted;
    for (const auto& file : parts_[i].files)
      if (file.lfs) wanted.push_back(*file.lfs);
    const auto& part = parts_[i].part;
    const auto bytes = co_await lfs.fetch(part.server, std::move(wanted), part.entry->lfs());
    if (!bytes) co_return bytes.error();
    fetched_bytes_ += *bytes;
  }
  co_return Result<void>();
}

/// A branch is said to grow only: who rewrites one, or sees it rewritten, should hear of it.
Task<Result<void>> GitFetch::look_back() {
  const auto& branch = revision_.branch;
  if (branch.empty()) co_return Result<void>();
  const bool remember = client_.options_.remember_branches;
  std::string before;
  if (request_.known) before = commit_of_revision(request_.known->revision, branch);
  auto work = [self = shared_from_this(), before, remember](std::stop_token stop) {
    const auto& part = self->parts_.front().part;
    auto last = before;
    if (remember && last.empty()) last = part.entry->last_commit(self->revision_.branch);
    auto descent = Descent::kYes;
    if (!last.empty() && last != part.commit)
      descent = find_descent(part, last, self->client_.program_, std::move(stop));
    if (remember) part.entry->remember_commit(self->revision_.branch, part.commit);
    return Result<std::string>(descent == Descent::kNo ? last : "");
  };
  const auto left = co_await run_stoppable(client_.pool_, std::move(work));
  if (!left) co_return left.error();
  if (!left->empty())
    warnings_.push_back("the branch " + branch + " of " + request_.url.str() +
                        " was rewritten (a force-push): from " + object_digest(*left) + " to " +
                        object_digest(revision_.commit) + ", which does not descend from it");
  co_return Result<void>();
}

Task<Result<Content>> GitFetch::content() {
  auto work = [self = shared_from_this()]() -> Result<Content> {
    Content content;
    for (auto& [part, files] : self->parts_) {
      auto objects = std::make_shared<GitObjects>(self->client_.program_, part.entry);
      for (auto& file : files) {
        auto bytes = file.kind == Kind::kSymlink ? layer::FileContent()
                     : file.lfs ? lfs_content(part.entry->lfs(), *file.lfs, part.entry)
                                : objects->content_of(file.object, file.size_bytes);
        if (content.tree.find(file.path) != nullptr)
          return Error(Errc::kInvalid, "the path " + shown(file.path) + " is there twice");
        auto entry = entry_of(std::move(file));
        entry.content = std::move(bytes);
        KILN_TRY(content.tree.add(std::move(entry)));
      }
      files = {};
    }
    // The lists that were made on the way are as large as the tree.
    give_memory_back_after(content.tree.size());
    content.identity = identity_of(content.tree);
    content.warnings = self->warnings_;
    content.revision = self->revision_.str();
    content.commit.emplace();
    content.commit->commit = self->revision_.commit;
    content.commit->branch = self->revision_.branch;
    content.commit->tag = self->revision_.tag;
    content.commit->time = self->parts_.front().part.commit_time;
    return content;
  };
  co_return co_await client_.pool_.run(std::move(work));
}

}  // namespace kiln::source
