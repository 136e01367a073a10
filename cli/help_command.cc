#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/help.h"

namespace kiln::cli {

void add_help(CLI::App& app, Chosen& chosen) {
  auto about = std::make_shared<std::string>();
  auto* command = app.add_subcommand("help", "Print the help of a command");
  command->footer(
      "\"kiln COMMAND --help\" prints the same.\n"
      "\n"
      "Examples:\n"
      "  kiln help build");
  command->add_option("COMMAND", *about, "Whose help; without it the list of commands");
  command->callback([&app, about, &chosen] {
    chosen.text = about->empty() ? help_of(app) : help_of(app, *about);
  });
}

void add_version(CLI::App& app, Chosen& chosen, const std::string& version) {
  const auto text = "kiln " + version + "\n";
  app.add_subcommand("version", "Print the version")->callback([text, &chosen] {
    chosen.text = text;
  });
  // What others have; not in the help of each command.
  app.set_version_flag("--version", text.substr(0, text.size() - 1))->group("");
}

}  // namespace kiln::cli
