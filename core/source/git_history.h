#pragma once
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "core/source/git_part.h"

namespace kiln::source {

/// Does a commit descend from another one?
enum class Descent { kYes, kNo, kUnknown };

/// The parents of commits, by their ids. What is not in it is not known.
using CommitParents = std::map<std::string, std::vector<std::string>>;

/// kYes and kNo are certain: kNo only where every way back from `commit` ends, at its beginning or
/// at a commit that `before` itself descends from.
Descent descent_of(const std::string& commit, const std::string& before,
                   const CommitParents& parents);

/// The parents that a commit names, as `git cat-file commit` shows it.
std::vector<std::string> parents_named_in(std::string_view commit);

/// The lines of `git rev-list --parents`, but for those commits that `shallow`, a file of a
/// repository's, names: the parents of these are not shown.
CommitParents read_parents(std::string_view lines, std::string_view shallow);

/// Does the commit of `part`, which is in the cache, descend from `before`? One after the other is
/// told without a word to the server. Else it is asked for the last commits before both, without
/// files; that is some kilobytes. Whatever goes wrong: kUnknown. Blocking.
Descent find_descent(const GitPart& part, const std::string& before, const GitProgram& program,
                     std::stop_token stop);

}  // namespace kiln::source
