#include "controller/obs/log_switch.h"

#include <algorithm>
#include <string>

namespace kiln::obs {

void LogSwitch::toggle_debug() {
  const bool logged = log::enabled(log::Level::kDebug);
  // Where debug is what the flags ask for, the other position of the switch is info.
  const auto quiet = std::max(configured_, log::Level::kInfo);
  set(logged ? quiet : log::Level::kDebug);
}

void LogSwitch::set(log::Level level) {
  const std::string before(log::name_of(log::level()));
  log::set_level(std::min(level, log::Level::kInfo));  // So that this line is seen.
  log::info("log level changed", {{"from", before}, {"to", std::string(log::name_of(level))}});
  log::set_level(level);
}

}  // namespace kiln::obs
