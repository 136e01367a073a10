#include "core/source/git_history.h"

#include <algorithm>
#include <set>

#include "core/base/file.h"
#include "core/source/git_ref.h"
#include "core/source/git_session.h"

namespace kiln::source {
namespace {

constexpr const char* kLookBack = "--depth=64";
constexpr std::uint64_t kMaxBytes = 4 << 20;  // Of a pack: a server may not know the filter.
constexpr std::size_t kMaxCommitBytes = 64 * 1024;
constexpr std::chrono::seconds kLimit{10};

std::string_view take_line(std::string_view& text) {
  const auto line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

/// All that `commit` descends from, as far as that is known.
std::set<std::string> ancestors_of(const std::string& commit, const CommitParents& parents) {
  std::set<std::string> found;
  std::vector<std::string> open = {commit};
  while (!open.empty()) {
    const auto known = parents.find(open.back());
    open.pop_back();
    if (known == parents.end()) continue;
    for (const auto& parent : known->second)
      if (found.insert(parent).second) open.push_back(parent);
  }
  return found;
}

/// Of the commits that are in the repository.
CommitParents local_parents(const GitPart& part, const std::string& before,
                            const GitProgram& program, const std::stop_token& stop) {
  CommitParents parents;
  for (const auto& id : {part.commit, before}) {
    auto command = program.command(part.entry->repository(), {"cat-file", "commit", id});
    command.stop = stop;
    if (const auto text = run_local_git(command, {}, kMaxCommitBytes))
      parents[id] = parents_named_in(*text);
  }
  return parents;
}

/// In a repository of its own: the other one must not say later that it has what belongs to these.
Result<CommitParents> ask_for_parents(const GitPart& part, const std::string& before,
                                      const GitProgram& program, const std::stop_token& stop) {
  const auto folder = TempDir::create("kiln-git-history-");
  if (!folder) return folder.error();
  const auto path = folder->path() / "repository";
  const GitRepository repository(program, path, stop);
  KILN_TRY(repository.prepare(part.commit.size() == 64));
  const auto session = GitSession::open(program, *part.server);
  if (!session) return session.error();
  auto fetch = session->command(
      path, {"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
             kLookBack, "--filter=tree:0", "--", "origin", "+" + part.commit + ":refs/kiln/now",
             "+" + before + ":refs/kiln/before"});
  fetch.stop = stop;
  fetch.deadline = kLimit;
  fetch.limits.file_bytes = kMaxBytes;
  if (const auto fetched = session->run(fetch); !fetched) return fetched.error();
  auto list = program.command(path, {"rev-list", "--parents", part.commit, before, "--"});
  list.stop = stop;
  const auto lines = run_local_git(list);
  if (!lines) return lines.error();
  const auto shallow = read_file(path / "shallow", kMaxBytes);
  return read_parents(*lines, shallow ? *shallow : std::string());
}

}  // namespace

Descent descent_of(const std::string& commit, const std::string& before,
                   const CommitParents& parents) {
  const auto older = ancestors_of(before, parents);
  std::set<std::string> seen = {commit};
  std::vector<std::string> open = {commit};
  bool certain = true;
  while (!open.empty()) {
    const auto one = open.back();
    open.pop_back();
    if (one == before) return Descent::kYes;
    // What `before` descends from does not descend from it.
    if (older.find(one) != older.end()) continue;
    const auto known = parents.find(one);
    if (known == parents.end()) certain = false;
    if (known == parents.end()) continue;
    for (const auto& parent : known->second)
      if (seen.insert(parent).second) open.push_back(parent);
  }
  return certain ? Descent::kNo : Descent::kUnknown;
}

std::vector<std::string> parents_named_in(std::string_view commit) {
  constexpr std::string_view kParent = "parent ";
  std::vector<std::string> parents;
  for (auto line = take_line(commit); !line.empty(); line = take_line(commit))
    if (line.starts_with(kParent) && is_object_id(line.substr(kParent.size())))
      parents.emplace_back(line.substr(kParent.size()));
  return parents;
}

CommitParents read_parents(std::string_view lines, std::string_view shallow) {
  std::set<std::string_view> cut;
  while (!shallow.empty()) cut.insert(take_line(shallow));
  CommitParents parents;
  while (!lines.empty()) {
    auto line = take_line(lines);
    const auto commit = line.substr(0, line.find(' '));
    if (cut.find(commit) != cut.end()) continue;
    auto& named = parents[std::string(commit)];
    line.remove_prefix(commit.size());
    while (!line.empty()) {
      line.remove_prefix(1);
      named.emplace_back(line.substr(0, line.find(' ')));
      line.remove_prefix(named.back().size());
    }
  }
  return parents;
}

Descent find_descent(const GitPart& part, const std::string& before, const GitProgram& program,
                     std::stop_token stop) {
  auto parents = local_parents(part, before, program, stop);
  const auto descent = descent_of(part.commit, before, parents);
  if (descent != Descent::kUnknown) return descent;
  auto more = ask_for_parents(part, before, program, stop);
  if (!more) return Descent::kUnknown;
  parents.merge(*more);
  return descent_of(part.commit, before, parents);
}

}  // namespace kiln::source
