#include "core/registry/protocol/notices.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "core/base/redact.h"

namespace kiln::registry::protocol {
namespace {

constexpr std::size_t kMaxWarningBytes = 4096;

std::optional<std::uint64_t> leading_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

/// The text between the quotes, without escapes.
std::string unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

}  // namespace

std::optional<RateLimit> parse_rate_limit(const http::Headers& headers) {
  const auto text = headers.get("RateLimit-Limit");
  const auto limit = leading_number(text);
  const auto remaining = leading_number(headers.get("RateLimit-Remaining"));
  if (!limit || !remaining) return std::nullopt;
  RateLimit found;
  found.limit = *limit;
  found.remaining = *remaining;
  if (const auto at = text.find(";w="); at != text.npos) {
    constexpr std::uint64_t kMaxWindow = 366ULL * 24 * 60 * 60;
    const auto window = leading_number(text.substr(at + 3)).value_or(0);
    found.window = std::chrono::seconds(std::min(window, kMaxWindow));
  }
  return found;
}

std::vector<std::string> parse_warnings(const http::Headers& headers) {
  constexpr std::string_view kStart = "299 - \"";
  std::vector<std::string> warnings;
  std::size_t total = 0;
  for (const auto field : headers.all("Warning")) {
    if (!field.starts_with(kStart)) continue;
    total += field.size();
    if (total > kMaxWarningBytes) break;
    auto words = sanitize_server_text(unquoted(field.substr(kStart.size() - 1)));
    if (!words.empty()) warnings.push_back(std::move(words));
  }
  return warnings;
}

}  // namespace kiln::registry::protocol
