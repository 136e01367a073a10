#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/process.h"
#include "core/source/git_limits.h"

namespace kiln::source {

/// The git program as Kiln runs it: in an environment of its own, with no configuration of the
/// system, of a user or of content, no hooks, no prompts, no helpers, within limits, and with no
/// way to the network or to another program (but see GitSession).
///
/// What is never run here: checkout, and so filters, attributes, hooks; archive; submodule.
class GitProgram {
 public:
  explicit GitProgram(GitLimits limits) : limits_(limits) {}

  /// git on a repository of ours ("" = none), with all doors closed. `arguments` begin with the
  /// subcommand.
  Command command(const std::filesystem::path& repository,
                  const std::vector<std::string>& arguments) const;
  const GitLimits& limits() const { return limits_; }

 private:
  GitLimits limits_;
};

/// Runs it to its end and answers what it wrote. Errors: those of run_process(); kCorrupt with what
/// it complained about, because a repository of ours is all that it works on.
[[nodiscard]] Result<std::string> run_local_git(const Command& command, std::string_view input = {},
                                                std::uint64_t output_limit_bytes = 1024 * 1024);

/// The Error for a git that works on a repository of ours and has ended badly.
Error local_git_error(const ExitStatus& status, const std::string& errors);

}  // namespace kiln::source
