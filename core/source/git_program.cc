#include "core/source/git_program.h"

#include <csignal>

#include "core/base/redact.h"
#include "core/source/git_errors.h"

namespace kiln::source {
namespace {

constexpr std::chrono::minutes kLocalDeadline{10};

/// For every git: nothing of a repository or a server makes it start another program, and its
/// memory follows neither packs nor large files.
const std::vector<std::string>& settings() {
  static const std::vector<std::string> kSettings = {
      "core.hooksPath=/dev/null",    "core.fsmonitor=false",
      "core.alternateRefsCommand=",  "core.askPass=",
      "core.logAllRefUpdates=false", "core.packedGitWindowSize=16m",
      "core.packedGitLimit=128m",    "core.deltaBaseCacheLimit=16m",
      "core.bigFileThreshold=8m",    "pack.threads=1",
      "pack.windowMemory=64m",       "gc.auto=0",
      "maintenance.auto=false",      "credential.helper=",
      "submodule.recurse=false",     "advice.detachedHead=false",
  };
  return kSettings;
}

/// The last complaint, without git's own "fatal: ".
std::string last_words(const std::string& errors) {
  std::string_view text = errors;
  while (text.ends_with('\n')) text.remove_suffix(1);
  text = text.substr(text.rfind('\n') + 1);  // npos + 1 == 0
  for (const std::string_view prefix : {"fatal: ", "error: "})
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return sanitize_server_text(text, 256);
}

}  // namespace

Command GitProgram::command(const std::filesystem::path& repository,
                            const std::vector<std::string>& arguments) const {
  Command command("git");
  for (const auto& setting : settings()) {
    command.arguments.emplace_back("-c");
    command.arguments.push_back(setting);
  }
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  command.environment = {
      {"PATH", variable(own_environment(), "PATH")},
      {"LC_ALL", "C"},
      {"HOME", "/nonexistent"},
      {"GIT_CONFIG_NOSYSTEM", "1"},
      {"GIT_CONFIG_GLOBAL", "/dev/null"},
      {"GIT_ATTR_NOSYSTEM", "1"},
      {"GIT_TERMINAL_PROMPT", "0"},
      {"GIT_OPTIONAL_LOCKS", "0"},
      {"GIT_NO_REPLACE_OBJECTS", "1"},
      {"GIT_NO_LAZY_FETCH", "1"},  // Newer ones know it; for the others there is no remote to ask.
      {"GIT_LITERAL_PATHSPECS", "1"},
      {"GIT_ALLOW_PROTOCOL", "none"},
  };
  if (!repository.empty()) {
    command.directory = repository;
    command.environment.emplace("GIT_DIR", ".");
  }
  command.deadline = kLocalDeadline;
  command.limits.address_space_bytes = limits_.memory_bytes;
  command.limits.cpu_seconds = limits_.cpu_seconds;
  command.limits.file_bytes = limits_.fetch_bytes;
  return command;
}

Error local_git_error(const ExitStatus& status, const std::string& errors) {
  const auto words = last_words(errors);
  if (errors.find("No space left on device") != std::string::npos)
    return {Errc::kNoSpace, "no space is left for git's cache: " + words};
  if (errors.find("ut of memory") != std::string::npos ||
      errors.find("Cannot allocate memory") != std::string::npos)
    return {Errc::kInvalid, "git needs more memory for this repository than it may use: " + words};
  if (status.signal == SIGSEGV) return {Errc::kInvalid, kGitBrokeDown};
  // A limit, or somebody else: that says nothing of the repository.
  if (status.signal != 0) return {Errc::kUnavailable, "git was ended by " + status.str()};
  return {Errc::kCorrupt,
          "git cannot read the repository: " + (words.empty() ? status.str() : words)};
}

Result<std::string> run_local_git(const Command& command, std::string_view input,
                                  std::uint64_t output_limit_bytes) {
  auto result = run_process(command, input, output_limit_bytes);
  if (!result) return std::move(result).error();
  if (!result->status.ok()) return local_git_error(result->status, result->errors);
  return std::move(result->output);
}

}  // namespace kiln::source
