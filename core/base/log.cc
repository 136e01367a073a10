#include "core/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <memory>

#include "core/base/json.h"

namespace kiln::log {
namespace {

struct State {
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("kiln", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  Format format = Format::kText;
};

State& state() {
  static State instance = [] {
    State s;
    s.logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
    return s;
  }();
  return instance;
}

struct NamedLevel {
  Level level;
  std::string_view name;
  spdlog::level::level_enum theirs;
};

constexpr std::array<NamedLevel, 6> kLevels = {{
    {Level::kTrace, "trace", spdlog::level::trace},
    {Level::kDebug, "debug", spdlog::level::debug},
    {Level::kInfo, "info", spdlog::level::info},
    {Level::kWarning, "warning", spdlog::level::warn},
    {Level::kError, "error", spdlog::level::err},
    {Level::kOff, "off", spdlog::level::off},
}};

const NamedLevel& entry_of(Level level) {
  return kLevels.at(static_cast<std::size_t>(level));
}

spdlog::level::level_enum to_spdlog(Level level) {
  return entry_of(level).theirs;
}

std::string as_text(std::string_view message, std::initializer_list<Field> fields) {
  std::string line(message);
  for (const auto& field : fields) {
    const bool bare =
        !field.value.empty() && field.value.find_first_of(" \"\n\r\t=") == std::string::npos;
    line += " " + std::string(field.key) + "=" + (bare ? field.value : dump_json(field.value));
  }
  return line;
}

std::string as_json(std::string_view message, std::initializer_list<Field> fields) {
  std::string line = "\"msg\":" + dump_json(std::string(message));
  for (const auto& field : fields)
    line += "," + dump_json(std::string(field.key)) + ":" + dump_json(field.value);
  return line;
}

}  // namespace

void configure(Level level, Format format) {
  state().format = format;
  if (format == Format::kJson)
    state().logger->set_pattern("{\"ts\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",%v}",
                                spdlog::pattern_time_type::utc);
  set_level(level);
}

void set_level(Level level) {
  state().logger->set_level(to_spdlog(level));
}

bool enabled(Level level) {
  return state().logger->should_log(to_spdlog(level));
}

Level level() {
  const auto theirs = state().logger->level();
  for (const auto& entry : kLevels)
    if (entry.theirs == theirs) return entry.level;
  return Level::kInfo;
}

Result<Level> parse_level(std::string_view text) {
  for (const auto& entry : kLevels)
    if (entry.name == text) return entry.level;
  return Error(Errc::kInvalid, "the log level is one of trace, debug, info, warning, error, off");
}

std::string_view name_of(Level level) {
  return entry_of(level).name;
}

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!enabled(level)) return;
  const auto line =
      state().format == Format::kJson ? as_json(message, fields) : as_text(message, fields);
  state().logger->log(to_spdlog(level), "{}", line);
}

}  // namespace kiln::log
