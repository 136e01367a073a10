#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "cli/command.h"

namespace kiln::cli {
namespace {

/// One command with what may follow it.
struct Words {
  std::string name;
  std::string help;
  std::vector<std::pair<std::string, std::string>> flags;  ///< "--env" and its help.
};

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.substr(0, text.find(" ("));
}

Words words_of_app(const CLI::App& app, const std::string& name) {
  Words words{name, one_line(app.get_description()), {}};
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // Hidden.
    for (const auto& flag : option->get_lnames())
      words.flags.emplace_back("--" + flag, one_line(option->get_description()));
    for (const auto& flag : option->get_snames())
      words.flags.emplace_back("-" + flag, one_line(option->get_description()));
  }
  return words;
}

std::vector<Words> all_words(const CLI::App& app) {
  std::vector<Words> all{words_of_app(app, "")};
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    all.push_back(words_of_app(*command, command->get_name()));
  return all;
}

std::string flags_of(const Words& words) {
  std::string text;
  for (const auto& [flag, help] : words.flags) text += " " + flag;
  return text;
}

/// In single quotes for any of the three shells.
std::string quoted(const std::string& text) {
  std::string safe = "'";
  for (const char c : text) safe += c == '\'' ? "'\\''" : std::string(1, c);
  return safe + "'";
}

std::string bash_script(const std::vector<Words>& all) {
  std::string names;
  std::string cases;
  for (std::size_t i = 1; i < all.size(); ++i) {
    names += " " + all[i].name;
    if (all[i].name == "completion") continue;
    cases += "    " + all[i].name + ") words='" + flags_of(all[i]) + flags_of(all[0]) + "' ;;\n";
  }
  return "# bash completion for kiln; load it with: source <(kiln completion bash)\n"
         "_kiln() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} command='' words='' i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }\n"
         "  done\n"
         "  case $command in\n"
         "    '') words='" +
         names + flags_of(all[0]) +
         "' ;;\n"
         "    completion) words='bash zsh fish' ;;\n" +
         cases +
         "  esac\n"
         "  [[ -n $command && $command != completion && $word != -* ]] && return\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "}\n"
         "complete -o default -F _kiln kiln\n";
}

std::string zsh_script(const std::vector<Words>& all) {
  std::string commands;
  std::string cases;
  const auto described = [](const std::string& word, const std::string& help) {
    std::string safe;
    for (const char c : help) safe += c == ':' || c == '[' || c == ']' ? ' ' : c;
    return quoted(word + ":" + safe);
  };
  for (std::size_t i = 1; i < all.size(); ++i) {
    commands += " " + described(all[i].name, all[i].help);
    if (all[i].name == "completion") continue;
    std::string flags;
    for (const auto& [flag, help] : all[i].flags) flags += " " + described(flag, help);
    for (const auto& [flag, help] : all[0].flags) flags += " " + described(flag, help);
    cases += "    " + all[i].name + ") words=(" + flags + " ) ;;\n";
  }
  return "#compdef kiln\n"
         "# zsh completion for kiln; load it with: source <(kiln completion zsh)\n"
         "_kiln() {\n"
         "  local command='' word\n"
         "  local -a words_here\n"
         "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
         "    [[ $word == -* ]] || { command=$word; break }\n"
         "  done\n"
         "  case $command in\n"
         "    '') words_here=(" +
         commands +
         " ) ;;\n"
         "    completion) words_here=(bash zsh fish) ;;\n" +
         cases +
         "  esac\n"
         "  if [[ -z $command || $command == completion || $words[CURRENT] == -* ]]; then\n"
         "    _describe kiln words_here\n"
         "  else\n"
         "    _files\n"
         "  fi\n"
         "}\n"
         "compdef _kiln kiln\n";
}

std::string fish_script(const std::vector<Words>& all) {
  std::string text =
      "# fish completion for kiln; load it with: kiln completion fish | source\n"
      "complete -c kiln -n __fish_use_subcommand -f\n";
  const auto flag_lines = [&](const Words& words, const std::string& condition) {
    for (const auto& [flag, help] : words.flags) {
      const bool is_long = flag.starts_with("--");
      text += "complete -c kiln" + condition + (is_long ? " -l " : " -s ") +
              flag.substr(is_long ? 2 : 1) + " -d " + quoted(help) + "\n";
    }
  };
  flag_lines(all[0], "");
  for (std::size_t i = 1; i < all.size(); ++i) {
    text += "complete -c kiln -n __fish_use_subcommand -a " + all[i].name + " -d " +
            quoted(all[i].help) + "\n";
    flag_lines(all[i], " -n '__fish_seen_subcommand_from " + all[i].name + "'");
  }
  return text +
         "complete -c kiln -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n";
}

Task<Result<int>> print(std::string text) {
  std::cout << text << std::flush;
  co_return kDone;
}

}  // namespace

void add_completion(CLI::App& app, Chosen& chosen) {
  auto shell = std::make_shared<std::string>();
  auto* command = app.add_subcommand("completion", "Print a completion script for a shell");
  command->footer(
      "Examples:\n"
      "  source <(kiln completion bash)\n"
      "  kiln completion fish > ~/.config/fish/completions/kiln.fish");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback([&app, shell, &chosen] {
    const auto all = all_words(app);
    const auto script = *shell == "bash"  ? bash_script(all)
                        : *shell == "zsh" ? zsh_script(all)
                                          : fish_script(all);
    chosen.action = [script](Engine) { return print(script); };
  });
}

}  // namespace kiln::cli
