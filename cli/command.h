#pragma once
#include <functional>
#include <optional>
#include <string>

#include "cli/engine.h"
#include "core/base/error.h"
#include "core/base/task.h"

namespace CLI {
class App;
}

namespace kiln::cli {

/// Exit codes: a contract for scripts.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;

/// One command, ready to run: answers the exit code. What the engine refers to outlives the task.
using Action = std::function<Task<Result<int>>(Engine)>;

/// What the command line chose; a subcommand's callback sets it, main runs it.
struct Chosen {
  Action action{};
  std::optional<std::string> text{};  ///< Set: printed instead, and nothing else is done.
};

// Each adds its subcommands with flags and help. `chosen` outlives the parsing.
void add_build(CLI::App& app, Chosen& chosen);
void add_append(CLI::App& app, Chosen& chosen);
void add_mutate(CLI::App& app, Chosen& chosen);
void add_rebase(CLI::App& app, Chosen& chosen);
void add_flatten(CLI::App& app, Chosen& chosen);
void add_copy(CLI::App& app, Chosen& chosen);   ///< copy, tag, delete
void add_files(CLI::App& app, Chosen& chosen);  ///< ls, cat, export
void add_diff(CLI::App& app, Chosen& chosen);
void add_inspect(CLI::App& app, Chosen& chosen);  ///< inspect, manifest, config, digest, layers
void add_validate(CLI::App& app, Chosen& chosen);
void add_login(CLI::App& app, Chosen& chosen);  ///< login, logout
void add_completion(CLI::App& app, Chosen& chosen);
void add_help(CLI::App& app, Chosen& chosen);
void add_version(CLI::App& app, Chosen& chosen, const std::string& version);  ///< and --version

}  // namespace kiln::cli
