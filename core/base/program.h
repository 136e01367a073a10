#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/file.h"

namespace kiln {

/// Environment variables by name.
using Environment = std::map<std::string, std::string>;

/// A copy of what this process has.
Environment own_environment();

/// The variable's value, or "" where it is not set.
std::string variable(const Environment& environment, const std::string& name);

/// Where a program is on `search_path`, which is written as PATH is. Folders that are not absolute
/// are passed over, so that nothing is run because it lies in the working directory.
/// Errors: kNotFound, naming the program; kInvalid for a name with a slash.
[[nodiscard]] Result<std::filesystem::path> find_program(std::string_view name,
                                                         std::string_view search_path);

/// Ceilings for a program and for each of its children; what is not set is as ours.
struct ProgramLimits {
  std::optional<std::uint64_t> cpu_seconds{};          ///< Of one process: SIGKILL after these.
  std::optional<std::uint64_t> address_space_bytes{};  ///< Of one process.
  std::optional<std::uint64_t> file_bytes{};           ///< Of one file that it writes.
};

/// A program to run, and with what. Never goes through a shell.
struct Command {
  std::filesystem::path program;         ///< An absolute path, or a name to find on our own PATH.
  std::vector<std::string> arguments{};  ///< Without the program's own name.
  Environment environment{};             ///< All that it gets: ours is not passed on by itself.
  std::filesystem::path directory{};     ///< Where it works; "" = where we do.
  std::chrono::milliseconds deadline = std::chrono::seconds(30);  ///< From its start to its end.
  std::stop_token stop{};                                         ///< Ends it early.
  ProgramLimits limits{};

  explicit Command(std::filesystem::path p, std::vector<std::string> a = {})
      : program(std::move(p)), arguments(std::move(a)) {}

  std::string name() const { return program.filename().string(); }  ///< For messages.
};

/// A program that was started: the leader of a process group of its own, with default signals, no
/// descriptors but three pipes, and nobody yet who waits for it. See Process.
struct StartedProgram {
  pid_t pid = -1;
  UniqueFd exit{};    ///< Readable once it has ended (a pidfd).
  UniqueFd input{};   ///< Our end of its standard input; like the others close-on-exec and
  UniqueFd output{};  ///< non-blocking.
  UniqueFd errors{};
};

/// Errors: kNotFound for a program or directory that is not there, kDenied for one that may not be
/// used, kInvalid for a command that no system can run; all name it. kInternal where the system
/// has no pidfd (Linux before 5.3, some sandboxes).
/// Threads: any. The calling thread stands still until the program runs. SIGCHLD must not be
/// ignored in this process; where it is, that is ended.
[[nodiscard]] Result<StartedProgram> start_program(const Command& command);

}  // namespace kiln
