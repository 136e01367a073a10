#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/command.h"

namespace kiln::cli {
namespace {

/// A flag, and what a shell has to know of it.
struct Flag {
  std::string name;  ///< "--env" or "-e".
  std::string help;
  bool has_value = false;
  std::string choices;  ///< "gzip gzip-small zstd"; "" where anything may follow.
};

/// One command with what may follow it.
struct Words {
  std::string name;
  std::string help;
  std::vector<Flag> flags;
};

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.substr(0, text.find(" ("));
}

/// The words that IsMember takes.
std::string choices_of(const CLI::Option& option) {
  auto type = option.get_type_name();
  const auto brace = type.find('{');
  if (option.get_expected_max() == 0 || brace == type.npos) return "";
  type = type.substr(brace + 1, type.find('}') - brace - 1);
  std::replace(type.begin(), type.end(), ',', ' ');
  return type;
}

Words words_of_app(const CLI::App& app, const std::string& name) {
  Words words{name, one_line(app.get_description()), {}};
  for (const auto* option : app.get_options()) {
    if (option->get_group().empty() || option->get_positional()) continue;  // Hidden; no flag.
    Flag flag{"", one_line(option->get_description()), option->get_expected_max() > 0,
              choices_of(*option)};
    const auto add = [&](const std::string& dashes, const std::vector<std::string>& known) {
      for (const auto& one : known) {
        flag.name = dashes + one;
        words.flags.push_back(flag);
      }
    };
    add("--", option->get_lnames());
    add("-", option->get_snames());
  }
  return words;
}

std::vector<Words> all_words(const CLI::App& app) {
  std::vector<Words> all{words_of_app(app, "")};
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    all.push_back(words_of_app(*command, command->get_name()));
  return all;
}

/// Those whose argument is one of some words, and no file.
bool takes_words(const Words& command) {
  return command.name == "completion" || command.name == "help";
}

std::string names_of(const std::vector<Words>& all) {
  std::string text;
  for (std::size_t i = 1; i < all.size(); ++i) text += " " + all[i].name;
  return text;
}

std::string flags_of(const Words& words) {
  std::string text;
  for (const auto& flag : words.flags) text += " " + flag.name;
  return text;
}

/// In single quotes for any of the three shells.
std::string quoted(const std::string& text) {
  std::string safe = "'";
  for (const char c : text) safe += c == '\'' ? "'\\''" : std::string(1, c);
  return safe + "'";
}

/// A line of a `case "$command $flag"` for each flag that takes one of some words.
std::string cases_of_values(const std::vector<Words>& all, const std::string& then,
                            const std::string& end) {
  std::string text;
  for (const auto& words : all)
    for (const auto& flag : words.flags)
      if (!flag.choices.empty())
        text += "    " + (words.name.empty() ? "*" : quoted(words.name)) + quoted(" " + flag.name) +
                ") " + then + flag.choices + end + " ;;\n";
  return text;
}

std::string bash_script(const std::vector<Words>& all) {
  std::string cases;
  for (std::size_t i = 1; i < all.size(); ++i)
    if (!takes_words(all[i]))
      cases += "    " + all[i].name + ") words='" + flags_of(all[i]) + flags_of(all[0]) + "' ;;\n";
  return "# bash completion for kiln; load it with: source <(kiln completion bash)\n"
         "_kiln() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  local command='' words='' values='' i\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    [[ ${COMP_WORDS[i]} == -* ]] || { command=${COMP_WORDS[i]}; break; }\n"
         "  done\n"
         "  # --flag=value is three words here.\n"
         "  if [[ $word == = ]]; then word=''\n"
         "  elif [[ $flag == = ]]; then flag=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
         "  case \"$command $flag\" in\n" +
         cases_of_values(all, "values='", "'") +
         "  esac\n"
         "  if [[ -n $values ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$values\" -- \"$word\")\n"
         "    return\n"
         "  fi\n"
         "  case $command in\n"
         "    '') words='" +
         names_of(all) + flags_of(all[0]) +
         "' ;;\n"
         "    completion) words='bash zsh fish' ;;\n"
         "    help) words='" +
         names_of(all) + "' ;;\n" + cases +
         "  esac\n"
         "  [[ -n $command && $command != completion && $command != help && $word != -* ]] && "
         "return\n"
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
    return " " + quoted(word + ":" + safe);
  };
  for (std::size_t i = 1; i < all.size(); ++i) {
    commands += described(all[i].name, all[i].help);
    if (takes_words(all[i])) continue;
    std::string flags;
    for (const auto& flag : all[i].flags) flags += described(flag.name, flag.help);
    for (const auto& flag : all[0].flags) flags += described(flag.name, flag.help);
    cases += "    " + all[i].name + ") words_here=(" + flags + " ) ;;\n";
  }
  return "#compdef kiln\n"
         "# zsh completion for kiln; load it with: source <(kiln completion zsh)\n"
         "_kiln() {\n"
         "  local command='' word flag=$words[CURRENT-1]\n"
         "  local -a words_here\n"
         "  for word in \"${(@)words[2,CURRENT-1]}\"; do\n"
         "    [[ $word == -* ]] || { command=$word; break }\n"
         "  done\n"
         "  if [[ $words[CURRENT] == --*=* ]]; then\n"
         "    flag=${words[CURRENT]%%=*}\n"
         "    compset -P '*='\n"
         "  fi\n"
         "  case \"$command $flag\" in\n" +
         cases_of_values(all, "compadd ", "; return") +
         "  esac\n"
         "  case $command in\n"
         "    ''|help) words_here=(" +
         commands +
         " ) ;;\n"
         "    completion) words_here=(bash zsh fish) ;;\n" +
         cases +
         "  esac\n"
         "  if [[ -z $command || $command == (completion|help) || $words[CURRENT] == -* ]]; then\n"
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
    for (const auto& flag : words.flags) {
      const bool is_long = flag.name.starts_with("--");
      text += "complete -c kiln" + condition + (is_long ? " -l " : " -s ") +
              flag.name.substr(is_long ? 2 : 1);
      if (!flag.choices.empty())
        text += " -x -a " + quoted(flag.choices);
      else if (flag.has_value)
        text += " -r";
      text += " -d " + quoted(flag.help) + "\n";
    }
  };
  const auto argument = [&](const std::string& command, const std::string& choices) {
    text += "complete -c kiln -n '__fish_seen_subcommand_from " + command + "' -f -a " +
            quoted(choices) + "\n";
  };
  flag_lines(all[0], "");
  for (std::size_t i = 1; i < all.size(); ++i) {
    text += "complete -c kiln -n __fish_use_subcommand -a " + all[i].name + " -d " +
            quoted(all[i].help) + "\n";
    flag_lines(all[i], " -n '__fish_seen_subcommand_from " + all[i].name + "'");
  }
  argument("completion", "bash zsh fish");
  argument("help", names_of(all).substr(1));
  return text;
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
    chosen.text = *shell == "bash"  ? bash_script(all)
                  : *shell == "zsh" ? zsh_script(all)
                                    : fish_script(all);
  });
}

}  // namespace kiln::cli
