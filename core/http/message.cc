#include "core/http/message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

#include "core/base/ascii.h"

namespace kiln::http {
namespace {

constexpr std::chrono::seconds kLongestHint = std::chrono::hours(1);

/// RFC 9110 5.6.2: token.
bool is_token(std::string_view name) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
           kSymbols.find(c) != kSymbols.npos;
  });
}

bool is_value(std::string_view value) {
  return value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::optional<unsigned> month_number(std::string_view name) {
  const auto at = std::find(kMonths.begin(), kMonths.end(), name);
  if (at == kMonths.end()) return std::nullopt;
  return static_cast<unsigned>(at - kMonths.begin()) + 1;
}

}  // namespace

bool Headers::set(std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_value(value)) return false;
  remove(name);
  fields_.emplace_back(name, value);
  return true;
}

bool Headers::add(std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_value(value)) return false;
  fields_.emplace_back(name, value);
  return true;
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const auto& field) { return equal_in_any_case(field.first, name); });
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [key, value] : fields_)
    if (equal_in_any_case(key, name)) return value;
  return {};
}

bool Headers::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [&](const auto& field) { return equal_in_any_case(field.first, name); });
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : fields_)
    if (equal_in_any_case(key, name)) values.emplace_back(value);
  return values;
}

Body::Body(std::string bytes)
    : size_(bytes.size()), bytes_(std::make_shared<const std::string>(std::move(bytes))) {}

Result<std::unique_ptr<ByteSource>> Body::open() const {
  if (open_) return open_();
  const std::string_view bytes = bytes_ ? std::string_view(*bytes_) : std::string_view();
  std::unique_ptr<ByteSource> source = std::make_unique<MemorySource>(bytes, bytes_);
  return source;
}

std::optional<std::chrono::sys_seconds> parse_http_date(const std::string& text) {
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  std::array<char, 4> month{};
  const char* s = text.c_str();
  if (std::sscanf(s, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &day, month.data(), &year, &hour, &minute,
                  &second) != 6 &&
      std::sscanf(s, "%*[A-Za-z], %2d-%3s-%2d %2d:%2d:%2d GMT", &day, month.data(), &year, &hour,
                  &minute, &second) != 6 &&
      std::sscanf(s, "%*3s %3s %2d %2d:%2d:%2d %4d", month.data(), &day, &hour, &minute, &second,
                  &year) != 6)
    return std::nullopt;
  if (year < 100) year += 2000;
  const auto month_of_year = month_number(month.data());
  if (!month_of_year || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)
    return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(*month_of_year),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

std::string format_http_date(std::chrono::sys_seconds time) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                     "Thu", "Fri", "Sat"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 64> text{};
  const auto size = std::snprintf(
      text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
      kDays[std::chrono::weekday(day).c_encoding()].data(), static_cast<unsigned>(date.day()),
      kMonths[static_cast<unsigned>(date.month()) - 1].data(), static_cast<int>(date.year()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(size));
}

std::optional<std::chrono::seconds> retry_after(const Headers& headers,
                                                std::chrono::sys_seconds now) {
  const auto value = trim(headers.get("Retry-After"));
  if (value.empty()) return std::nullopt;
  if (value.find_first_not_of("0123456789") == value.npos) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (error != std::errc()) return kLongestHint;  // More digits than fit: "very long".
    return std::min(std::chrono::seconds(seconds), kLongestHint);
  }
  const auto date = parse_http_date(std::string(value));
  if (!date) return std::nullopt;
  return std::clamp(*date - now, std::chrono::seconds(0), kLongestHint);
}

}  // namespace kiln::http
