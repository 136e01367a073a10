#include "cli/help.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/base/nearest.h"

namespace kiln::cli {
namespace {

constexpr std::size_t kFlagColumn = 30;  // Where what a flag does begins.
constexpr std::size_t kCommandColumn = 14;
constexpr std::size_t kWidth = 80;
constexpr const char* kExamples = "Examples:";
const std::string kPlaces =
    "An image is in a registry (nginx:1.27, registry.example.com/team/site:1) or,\n"
    "with a prefix, in a folder (oci:DIR[:TAG]), in a file (oci-archive:FILE[:TAG],\n"
    "docker-archive:FILE[:NAME:TAG]) or in the Docker daemon\n"
    "(docker-daemon:NAME:TAG).";
constexpr const char* kMore = "\"kiln COMMAND --help\" has the flags of a command, and examples.\n";

/// "FILE", or for one of several words "gzip|zstd"; "" for a flag without a value.
std::string value_of(const CLI::Option& option) {
  if (option.get_expected_max() == 0) return "";
  auto type = option.get_type_name();
  const auto brace = type.find('{');
  if (brace == type.npos) return type.substr(0, type.find(":INT in "));
  type = type.substr(brace + 1, type.find('}') - brace - 1);
  std::replace(type.begin(), type.end(), ',', '|');
  return type;
}

/// "-f, --filename FILE", with the long names below each other.
std::string flag_text(const CLI::Option& option) {
  std::string text;
  for (const auto& name : option.get_snames()) text += (text.empty() ? "-" : ", -") + name;
  text = text.empty() ? "    " : text + ", ";
  for (const auto& name : option.get_lnames()) text += "--" + name;
  if (!option.get_option_text().empty()) return text + option.get_option_text();
  const auto value = value_of(option);
  return value.empty() ? text : text + " " + value;
}

/// `left`, and from `column` on `right`, broken between words.
std::string two_columns(const std::string& left, const std::string& right, std::size_t column) {
  std::string text = "  " + left;
  if (text.size() + 2 > column) text += "\n";
  std::size_t at = text.ends_with('\n') ? 0 : text.size();
  for (std::size_t begin = 0; begin < right.size();) {
    const auto end = std::min(right.find(' ', begin), right.size());
    if (at > column && at + 1 + end - begin > kWidth) {
      text += "\n";
      at = 0;
    }
    const auto gap = at < column ? column - at : 1;
    text += std::string(gap, ' ') + right.substr(begin, end - begin);
    at += gap + end - begin;
    begin = end + 1;
  }
  return text + "\n";
}

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    const auto* parent = app->get_parent();
    const auto footer = app->get_footer();
    const auto examples = std::min(footer.find(kExamples), footer.size());
    auto notes = parent == nullptr ? kPlaces : footer.substr(0, examples);
    notes.erase(notes.find_last_not_of('\n') + 1);
    auto text = app->get_description() + ".\n" + (notes.empty() ? "" : "\n" + notes + "\n") + "\n" +
                make_usage(app, std::move(name)) + make_positionals(app) +
                make_subcommands(app, mode);
    for (const auto& group : app->get_groups()) text += make_flags(*app, group);
    if (parent == nullptr) return text + "\n" + kMore;
    text += flags_of_every_command(*parent);
    if (examples < footer.size()) text += "\n" + footer.substr(examples) + "\n";
    return text;
  }

  std::string make_usage(const CLI::App* app, std::string name) const override {
    auto text = "Usage:\n  " + name;
    for (const auto* option : app->get_options())
      if (option->get_required() && option->nonpositional())
        text += " " + shortest(*option) + " " + value_of(*option);
    for (const auto* option : app->get_options())
      if (option->get_positional()) text += " " + make_option_usage(option);
    return text + (app->get_parent() == nullptr ? " COMMAND [flags]\n" : " [flags]\n");
  }

  std::string make_group(std::string group, bool is_positional,
                         std::vector<const CLI::Option*> options) const override {
    if (group.empty() || options.empty()) return "";  // Without a group: not shown.
    auto text = "\n" + group + ":\n";
    for (const auto* option : options)
      text += two_columns(is_positional ? option->get_name(true, false) : flag_text(*option),
                          option->get_description(), kFlagColumn);
    return text;
  }

  std::string make_subcommand(const CLI::App* command) const override {
    return two_columns(command->get_name(), command->get_description(), kCommandColumn);
  }

 private:
  static std::string shortest(const CLI::Option& option) {
    return option.get_snames().empty() ? "--" + option.get_lnames().front()
                                       : "-" + option.get_snames().front();
  }

  std::string make_flags(const CLI::App& app, const std::string& group) const {
    const auto wanted = [&](const CLI::Option* option) {
      return option->get_group() == group && option->nonpositional();
    };
    return make_group(group == kOwnFlags ? "Flags" : group, false, app.get_options(wanted));
  }

  std::string flags_of_every_command(const CLI::App& app) const {
    const auto wanted = [&app](const CLI::Option* option) {
      return option != app.get_help_ptr() && !option->get_group().empty();
    };
    return make_group("Flags of every command", false, app.get_options(wanted));
  }
};

/// "--passwd" of "--passwd=hunter2", "-x" of "-xhunter2": messages end up in logs.
std::string name_of(const std::string& flag) {
  return flag.starts_with("--") ? flag.substr(0, flag.find('=')) : flag.substr(0, 2);
}

/// What other programs call what is named otherwise here, for those who come from them.
constexpr std::pair<const char*, const char*> kNamedElsewhere[] = {
    {"files", "ls"},     {"list", "ls"},         {"pull", "copy"},     {"push", "copy"},
    {"cp", "copy"},      {"rm", "delete"},       {"remove", "delete"}, {"squash", "flatten"},
    {"show", "inspect"}, {"describe", "inspect"}};

std::string no_such_command(const CLI::App& app, const std::string& word) {
  const auto text = "there is no command " + word;
  for (const auto& [theirs, ours] : kNamedElsewhere)
    if (word == theirs) return text + "; did you mean " + ours + "?";
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return text + did_you_mean(word, names);
}

/// `flag` as it was written, of a command or of all.
std::string no_such_flag(const CLI::App& app, const CLI::App* command, const std::string& flag) {
  const auto name = name_of(flag);
  std::vector<std::string> names;
  for (const auto* one : {command, &app}) {
    if (one == nullptr) continue;
    for (const auto* option : one->get_options())
      for (const auto& known : option->get_lnames()) names.push_back(known);
  }
  return "there is no flag " + name +
         (name.starts_with("--") ? did_you_mean(name.substr(2), names, "--") : "");
}

/// An argument that nobody knows is the reason, not what is missing because of it.
std::string failure(const CLI::App* app, const CLI::Error& error) {
  const auto commands = app->get_subcommands();
  auto command = commands.empty() ? std::string() : " " + commands.front()->get_name();
  std::string text = error.what();
  auto unknown = app->remaining(true);
  std::erase(unknown, "--");
  if (!unknown.empty() && unknown.front().starts_with("-"))
    text = no_such_flag(*app, commands.empty() ? nullptr : commands.front(), unknown.front());
  else if (!unknown.empty() && command.empty())
    text = no_such_command(*app, unknown.front());
  else if (!unknown.empty() && command == " build")
    text = "too many arguments; manifests are named by -f: write -f " + unknown.front();
  else if (!unknown.empty())
    text = "too many arguments";
  else if (command.empty() && error.get_name() == "RequiredError")
    text = "name a command";
  else if (command == " help")
    command.clear();  // Its own help is no help.
  return "error: " + text + "\nSee \"kiln" + command + " --help\".\n";
}

}  // namespace

std::string help_of(const CLI::App& app) {
  return app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal);
}

std::string help_of(const CLI::App& app, const std::string& command) {
  for (const auto* one : app.get_subcommands([](const CLI::App*) { return true; }))
    if (one->get_name() == command)
      return one->get_formatter()->make_help(one, app.get_name() + " " + command,
                                             CLI::AppFormatMode::Normal);
  throw CLI::ValidationError(no_such_command(app, command));
}

void set_up_help(CLI::App& app) {
  const auto formatter = std::make_shared<HelpFormatter>();
  formatter->label("Positionals", "Arguments");
  app.formatter(formatter);
  app.group("Commands");
  app.failure_message(failure);
  app.set_help_flag("-h,--help", "Print this help");
}

}  // namespace kiln::cli
