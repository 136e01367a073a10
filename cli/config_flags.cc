#include "cli/config_flags.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>

#include "cli/checks.h"
#include "cli/help.h"
#include "core/base/time_text.h"
#include "core/layer/entry_path.h"

namespace kiln::cli {
namespace {

constexpr std::int64_t kMaxSeconds = 253402300799;  // 9999-12-31T23:59:59Z, the last of RFC 3339.

/// "KEY=value" into its two halves.
Result<std::pair<std::string, std::string>> pair_of(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return Error(Errc::kInvalid, "\"" + text + "\": write NAME=VALUE");
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

/// "8080" or "8080/udp".
Result<void> check_port(const std::string& port) {
  unsigned number = 0;
  const auto* end = port.data() + port.size();
  const auto [rest, error] = std::from_chars(port.data(), end, number);
  const std::string_view protocol(rest, static_cast<std::size_t>(end - rest));
  if (error != std::errc() || number < 1 || number > 65535 ||
      (protocol != "" && protocol != "/tcp" && protocol != "/udp" && protocol != "/sctp"))
    return Error(Errc::kInvalid, "\"" + port +
                                     "\": write a number from 1 to 65535, with /tcp, /udp or /sctp "
                                     "behind it if need be");
  return {};
}

Result<std::string> name_alone(const std::string& name) {
  if (name.empty() || name.find('=') != name.npos)
    return Error(Errc::kInvalid, "\"" + name + "\": write the name alone");
  return name;
}

/// "" clears.
Result<std::string> working_dir_of(const std::string& text) {
  return text.empty() ? Result<std::string>(text) : layer::clean_absolute_path(text);
}

}  // namespace

void ConfigFlags::add_to(CLI::App& command) {
  command.option_defaults()->group("Config");
  command
      .add_option("--entrypoint", entrypoint,
                  "Program to start; repeat the flag for words that hold commas; without --args "
                  "the base's args are cleared; '' clears")
      ->type_name("WORD,WORD")
      ->allow_extra_args(false)
      ->each([this](const std::string&) { entrypoint_given = true; });
  command.add_option("--args", args, "Its arguments, written likewise: --args=-g,'daemon off;'")
      ->type_name("WORD,WORD")
      ->allow_extra_args(false)
      ->each([this](const std::string&) { args_given = true; });
  const auto list = [&command](const char* name, std::vector<std::string>& into, const char* value,
                               const char* help) {
    return command.add_option(name, into, help)->type_name(value)->allow_extra_args(false);
  };
  list("-e,--env", env, "NAME=VALUE", "Set an environment variable; may be repeated")
      ->check(parsed_by(pair_of));
  list("--unset-env", unset_env, "NAME", "Drop an environment variable; may be repeated")
      ->check(parsed_by(name_alone));
  list("-l,--label", labels, "NAME=VALUE", "Set a label; may be repeated")
      ->check(parsed_by(pair_of));
  list("--annotation", annotations, "NAME=VALUE",
       "Set an annotation of manifest and index; may be repeated")
      ->check(parsed_by(pair_of));
  command.add_option("-u,--user", user, "User to run as, by name or number")
      ->type_name("USER[:GROUP]");
  command.add_option("-w,--workdir", working_dir, "Working directory")
      ->type_name("PATH")
      ->check(parsed_by(working_dir_of));
  list("--port", ports, "PORT[/udp]", "Port the program listens on; may be repeated")
      ->check(parsed_by(check_port));
  list("--volume", volumes, "PATH", "Path that is a volume; may be repeated");
  command.add_option("--stop-signal", stop_signal, "Signal that ends the program: SIGQUIT")
      ->type_name("SIGNAL");
  command
      .add_option("--created", created,
                  "Time of creation, RFC 3339 (default: $SOURCE_DATE_EPOCH if set)")
      ->type_name("TIME")
      ->check(parsed_by(parse_rfc3339));
  command.option_defaults()->group(kOwnFlags);
}

std::vector<std::string> words_of(const std::vector<std::string>& values) {
  if (values.size() != 1) return values;
  std::vector<std::string> words;
  for (std::string_view rest = values.front(); !rest.empty();) {
    const auto comma = rest.find(',');
    words.emplace_back(rest.substr(0, comma));
    if (comma == rest.npos) break;
    rest.remove_prefix(comma + 1);
    if (rest.empty()) words.emplace_back();
  }
  return words;
}

Result<oci::ConfigPatch> ConfigFlags::patch() const {
  oci::ConfigPatch patch;
  if (entrypoint_given) patch.entrypoint = words_of(entrypoint);
  if (args_given) patch.args = words_of(args);
  for (const auto& text : env) {
    auto pair = pair_of(text);
    if (!pair) return std::move(pair).error().while_doing("--env");
    patch.env.push_back(std::move(*pair));
  }
  for (const auto& name : unset_env) {
    auto alone = name_alone(name);
    if (!alone) return std::move(alone).error().while_doing("--unset-env");
    for (const auto& [set, value] : patch.env)
      if (set == name)
        return Error(Errc::kInvalid,
                     "--unset-env " + name + ": --env sets it; keep one of the two");
    patch.unset_env.push_back(name);
  }
  for (const auto& text : labels) {
    auto pair = pair_of(text);
    if (!pair) return std::move(pair).error().while_doing("--label");
    patch.labels.insert_or_assign(pair->first, pair->second);
  }
  patch.user = user;
  if (working_dir) {
    auto clean = working_dir_of(*working_dir);
    if (!clean) return std::move(clean).error().while_doing("--workdir");
  }
  patch.working_dir = working_dir;
  for (const auto& port : ports) {
    auto checked = check_port(port);
    if (!checked) return std::move(checked).error().while_doing("--port");
  }
  patch.exposed_ports = ports;
  patch.volumes = volumes;
  patch.stop_signal = stop_signal;
  return patch;
}

Result<oci::Annotations> ConfigFlags::annotation_map() const {
  oci::Annotations map;
  for (const auto& text : annotations) {
    auto pair = pair_of(text);
    if (!pair) return std::move(pair).error().while_doing("--annotation");
    map.insert_or_assign(pair->first, pair->second);
  }
  return map;
}

Result<std::optional<std::string>> ConfigFlags::created_time() const {
  if (!created.empty()) {
    auto time = parse_rfc3339(created);
    if (!time) return std::move(time).error().while_doing("--created");
    return std::optional(format_rfc3339(*time));
  }
  auto epoch = source_date_epoch();
  if (!epoch) return std::move(epoch).error();
  if (!*epoch) return std::optional<std::string>();
  return std::optional(format_rfc3339(WallTime(std::chrono::seconds(**epoch))));
}

Result<std::optional<std::int64_t>> source_date_epoch() {
  const char* text = std::getenv("SOURCE_DATE_EPOCH");
  if (text == nullptr || *text == '\0') return std::optional<std::int64_t>();
  const std::string_view digits(text);
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (error != std::errc() || end != digits.data() + digits.size() || seconds < 0 ||
      seconds > kMaxSeconds)
    return Error(Errc::kInvalid,
                 "SOURCE_DATE_EPOCH must be a number of seconds since 1970, for example "
                 "$(git log -1 --format=%ct)");
  return std::optional(seconds);
}

}  // namespace kiln::cli
