#include "cli/terminal.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>

namespace kiln::cli {
namespace {

bool talkative = false;  // Set once, at the start of main.

}  // namespace

void set_progress(Progress progress) {
  talkative =
      progress == Progress::kPlain || (progress == Progress::kAuto && ::isatty(STDERR_FILENO) == 1);
}

void tell(std::string_view line) {
  if (talkative) std::cerr << line << '\n';
}

void warn(std::string_view line) {
  std::cerr << "warning: " << line << '\n';
}
void fail(std::string_view line) {
  std::cerr << "error: " << line << '\n';
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"kB", "MB", "GB", "TB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return text.data();
}

}  // namespace kiln::cli
