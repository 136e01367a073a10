#include "core/base/time_text.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace kiln {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

Error bad_time(std::string_view text) {
  return {Errc::kInvalid, "\"" + std::string(text.substr(0, 64)) +
                              "\" is not an RFC 3339 time; write it like 2020-01-01T00:00:00Z"};
}

Error bad_duration(std::string_view text) {
  return {Errc::kInvalid, "\"" + std::string(text.substr(0, 64)) +
                              "\" is not a duration; write it like 30s, 10m or 1h30m"};
}

/// Takes exactly `count` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take_char(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

/// "Z", "+02:00" or "-07:00" at the end of a time.
std::optional<seconds> take_offset(std::string_view& text) {
  if (take_char(text, 'Z') || take_char(text, 'z')) return seconds(0);
  const int sign = take_char(text, '+') ? 1 : (take_char(text, '-') ? -1 : 0);
  if (sign == 0) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || !take_char(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
  return sign * (hours(*hour) + minutes(*minute));
}

void skip_fraction(std::string_view& text) {
  if (!take_char(text, '.')) return;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') text.remove_prefix(1);
}

}  // namespace

std::string format_rfc3339(WallTime time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  auto rest = text;
  const auto year = take_digits(rest, 4);
  if (!year || !take_char(rest, '-')) return bad_time(text);
  const auto month = take_digits(rest, 2);
  if (!month || !take_char(rest, '-')) return bad_time(text);
  const auto day = take_digits(rest, 2);
  if (!day || !(take_char(rest, 'T') || take_char(rest, 't'))) return bad_time(text);
  const auto hour = take_digits(rest, 2);
  if (!hour || !take_char(rest, ':')) return bad_time(text);
  const auto minute = take_digits(rest, 2);
  if (!minute || !take_char(rest, ':')) return bad_time(text);
  const auto second = take_digits(rest, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return bad_time(text);
  skip_fraction(rest);
  const auto offset = take_offset(rest);
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!offset || !rest.empty() || !date.ok()) return bad_time(text);
  return WallTime(std::chrono::sys_days(date)) + hours(*hour) + minutes(*minute) +
         seconds(*second) - *offset;
}

Result<milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return milliseconds(0);
  auto rest = text;
  if (rest.empty() || rest.size() > 32) return bad_duration(text);
  std::int64_t total_us = 0;
  while (!rest.empty()) {
    std::int64_t whole = 0;
    std::int64_t fraction_us = 0;
    std::int64_t scale = 1'000'000;
    bool digits = false;
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
      whole = whole * 10 + (rest.front() - '0');
      if (whole > 1'000'000'000) return bad_duration(text);
      digits = true;
      rest.remove_prefix(1);
    }
    if (take_char(rest, '.')) {
      while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
        scale /= 10;
        fraction_us += (rest.front() - '0') * scale;
        digits = true;
        rest.remove_prefix(1);
      }
    }
    if (!digits) return bad_duration(text);
    std::int64_t unit_us = 0;
    if (rest.starts_with("ms")) {
      unit_us = 1'000;
      rest.remove_prefix(2);
    } else if (take_char(rest, 's'))
      unit_us = 1'000'000;
    else if (take_char(rest, 'm'))
      unit_us = 60LL * 1'000'000;
    else if (take_char(rest, 'h'))
      unit_us = 3600LL * 1'000'000;
    else
      return bad_duration(text);
    total_us += whole * unit_us + fraction_us * (unit_us / 1'000) / 1'000;
    if (total_us > 366LL * 24 * 3600 * 1'000'000) return bad_duration(text);
  }
  return milliseconds(total_us / 1'000);
}

std::string format_duration(milliseconds duration) {
  if (duration.count() == 0) return "0s";
  std::string text = duration.count() < 0 ? "-" : "";
  auto left = std::chrono::abs(duration);
  if (left < seconds(1)) return text + std::to_string(left.count()) + "ms";
  if (const auto h = std::chrono::floor<hours>(left); h.count() > 0) {
    text += std::to_string(h.count()) + "h";
    left -= h;
  }
  if (const auto m = std::chrono::floor<minutes>(left); m.count() > 0) {
    text += std::to_string(m.count()) + "m";
    left -= m;
  }
  if (left.count() == 0) return text;
  auto number = std::to_string(left.count() / 1000);
  if (left.count() % 1000 != 0) {
    auto fraction = std::to_string(1000 + left.count() % 1000).substr(1);
    fraction.erase(fraction.find_last_not_of('0') + 1);
    number += "." + fraction;
  }
  return text + number + "s";
}

}  // namespace kiln
