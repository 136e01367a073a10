#include "core/base/redact.h"

#include <array>
#include <cctype>
#include <cstddef>

#include "core/base/encoding.h"

namespace kiln {
namespace {

/// Puts `stand_in` for C0 and DEL, and for U+0080 to U+009F, which terminals obey as well.
std::string without_controls(std::string_view text, char stand_in) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    const bool two_bytes = byte == 0xc2 && next >= 0x80 && next < 0xa0;
    out += byte < 0x20 || byte == 0x7f || two_bytes ? stand_in : text[i];
    if (two_bytes) ++i;
  }
  return out;
}

/// Every byte that belongs to no UTF-8 character becomes "?".
std::string repaired(std::string_view text) {
  constexpr std::size_t kLongest = 4;
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = 1;
    while (length <= kLongest && !is_utf8(text.substr(i, length))) ++length;
    if (length <= kLongest)
      out += text.substr(i, length);
    else
      out += '?';
    i += length <= kLongest ? length : 1;
  }
  return out;
}

/// At most `limit_bytes`, and no character cut in two.
std::string_view cut(std::string_view text, std::size_t limit_bytes) {
  if (text.size() <= limit_bytes) return text;
  const auto inside = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  std::size_t end = limit_bytes;
  while (end > 0 && limit_bytes - end < 3 && inside(end)) --end;
  return text.substr(0, end);
}

bool ends_token(char c) {
  return c == ' ' || c == '"' || c == '\'' || c == '&' || c == ',' || c == '<';
}

/// Tells where the secret begins, from where its name ends; npos if there is none.
using FindSecret = std::size_t (*)(std::string_view text, std::size_t name_end);

/// `Bearer abc`.
std::size_t after_scheme(std::string_view text, std::size_t name_end) {
  if (name_end >= text.size() || text[name_end] != ' ') return text.npos;
  return text.find_first_not_of(" \"'", name_end);
}

/// `token=abc`, `"token": "abc"`.
std::size_t after_key(std::string_view text, std::size_t name_end) {
  const auto rest = text.substr(name_end);
  if (rest.starts_with('=')) return name_end + 1;
  if (!rest.starts_with('"')) return text.npos;
  const auto colon = text.find_first_not_of(' ', name_end + 1);
  if (colon == text.npos || text[colon] != ':') return text.npos;
  const auto quote = text.find_first_not_of(' ', colon + 1);
  return quote == text.npos || text[quote] != '"' ? text.npos : quote + 1;
}

struct Marker {
  std::string_view name;  ///< In lower case; `access_token` has "token" in it.
  FindSecret find_secret;
};

constexpr std::array<Marker, 6> kMarkers = {{{"bearer", &after_scheme},
                                             {"basic", &after_scheme},
                                             {"token", &after_key},
                                             {"password", &after_key},
                                             {"signature", &after_key},
                                             {"sig", &after_key}}};

/// Masks the word that follows a marker. From back to front, so that of "Bearer Bearer abc" it is
/// not the second "Bearer" that is taken for the secret.
void mask_secrets(std::string& text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (auto at = lower.size(); at-- > 0;) {
    for (const auto& [name, find_secret] : kMarkers) {
      if (!std::string_view(lower).substr(at).starts_with(name)) continue;
      const auto start = find_secret(text, at + name.size());
      if (start == text.npos) continue;
      auto end = start;
      while (end < text.size() && !ends_token(text[end])) ++end;
      if (end > start) text.replace(start, end - start, "***");
    }
  }
}

}  // namespace

std::string redact_url(std::string_view url) {
  auto text = without_controls(url, ' ');
  if (const auto query = text.find_first_of("?#"); query != std::string::npos) text.resize(query);
  const auto scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const auto host = scheme + 3;
  const auto path = text.find('/', host);
  const auto at = text.rfind('@', path == std::string::npos ? std::string::npos : path);
  if (at != std::string::npos && at >= host) text.erase(host, at + 1 - host);
  return text;
}

std::string quoted_name(std::string_view name, std::size_t limit_bytes) {
  auto text = repaired(without_controls(cut(name, limit_bytes), '?'));
  return "\"" + text + (name.size() > limit_bytes ? "…\"" : "\"");
}

std::string sanitize_server_text(std::string_view text, std::size_t limit_bytes) {
  auto out = repaired(without_controls(cut(text, limit_bytes), ' '));
  mask_secrets(out);
  out.resize(cut(out, limit_bytes).size());  // A mask may be longer than what it hides.
  if (text.size() > limit_bytes) out += "…";
  return out;
}

}  // namespace kiln
