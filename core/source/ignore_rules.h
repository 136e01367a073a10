#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace kiln::source {

/// Files of rules in a tree, at any level: left out of the content themselves.
inline constexpr std::string_view kIgnoreFile = ".kilnignore";

/// Patterns in gitignore syntax: which paths of a tree to leave out. A value, cheap to copy.
///
/// Means what git means by the same lines in a .gitignore with core.ignoreCase off (tested against
/// `git check-ignore`), and that includes what its manual does not say: "ab**/c" matches "abx/y/c".
///
/// Source: gitignore(5), "PATTERN FORMAT"; bytes are compared, letters' case counts.
class IgnoreRules {
 public:
  /// One pattern a line; "#" comments, "!" negation, trailing "/" for directories only, "**". A
  /// byte order mark, spaces at a line's end (unless "\ ") and "\r\n" are as in git. Lines that
  /// cannot match anything are kept and match nothing. Errors: kInvalid with the line's number for
  /// a NUL byte, a line of more than 4096 bytes or more than 10,000 lines.
  [[nodiscard]] static Result<IgnoreRules> parse(std::string_view text);

  /// Adds rules that stand deeper in the tree (a .kilnignore in `directory`, relative, "" = root):
  /// they win over those above.
  void add(const std::string& directory, IgnoreRules deeper);

  /// True if `path` (clean, relative) is left out: by a rule of its own or because a directory
  /// above it is. What is below an ignored directory cannot be taken back by "!", as in git.
  bool ignores(std::string_view path, bool is_directory) const;

  /// The same for whoever walks a tree and never enters a directory that is ignored: looks at
  /// `path` alone, not at the directories above it.
  bool ignores_itself(std::string_view path, bool is_directory) const;

  bool empty() const { return lists_.empty(); }

 private:
  struct Rule;
  struct List {
    std::string base;  ///< The directory whose rules these are, "" = root.
    std::shared_ptr<const std::vector<Rule>> rules;  ///< Shared by the copies; never changes.
  };
  std::vector<List> lists_;  ///< Later ones win.
};

}  // namespace kiln::source
