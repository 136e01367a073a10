#pragma once
#include <string>

namespace CLI {
class App;
}

namespace kiln::cli {

/// What CLI11 calls the group of flags that are in no other; in help they are "Flags".
inline constexpr const char* kOwnFlags = "Options";

/// How `--help` and wrong usage look: what the command does, its arguments and its flags in groups,
/// the flags of every command, examples last. What stands before "Examples:" in a footer follows
/// the description. Subcommands that are added afterwards take it over.
void set_up_help(CLI::App& app);

/// What `kiln --help` prints, also where another command was parsed.
std::string help_of(const CLI::App& app);
/// What `kiln COMMAND --help` prints. Errors: CLI::ParseError where there is no such command.
std::string help_of(const CLI::App& app, const std::string& command);

}  // namespace kiln::cli
