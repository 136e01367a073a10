#include "core/base/redact.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/base/encoding.h"

namespace kiln {
namespace {

std::string without_controls(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return out;
}

bool ends_token(char c) {
  return c == ' ' || c == '"' || c == '\'' || c == '&' || c == ',' || c == '<';
}

/// Masks what follows `marker` (case-insensitive) up to the end of the word.
void mask_after(std::string& text, std::string_view marker) {
  const auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
  auto from = text.begin();
  for (;;) {
    auto at = std::search(from, text.end(), marker.begin(), marker.end(), same);
    if (at == text.end()) return;
    const auto start = (at - text.begin()) + static_cast<std::ptrdiff_t>(marker.size());
    auto end = std::find_if(text.begin() + start, text.end(), ends_token);
    const auto length = static_cast<std::size_t>(end - (text.begin() + start));
    if (length > 0) text.replace(static_cast<std::size_t>(start), length, "***");
    from = text.begin() + start + (length > 0 ? 3 : 0);
  }
}

}  // namespace

std::string redact_url(std::string_view url) {
  auto text = without_controls(url);
  if (const auto query = text.find_first_of("?#"); query != std::string::npos) text.resize(query);
  const auto scheme = text.find("://");
  if (scheme == std::string::npos) return text;
  const auto host = scheme + 3;
  const auto path = text.find('/', host);
  const auto at = text.rfind('@', path == std::string::npos ? std::string::npos : path);
  if (at != std::string::npos && at >= host) text.erase(host, at + 1 - host);
  return text;
}

std::string sanitize_server_text(std::string_view text, std::size_t limit_bytes) {
  auto out = without_controls(text.substr(0, limit_bytes));
  while (!out.empty() && !is_utf8(out)) {
    // A cut may have split a character; anything else broken is replaced byte by byte.
    const auto bad = std::find_if(out.begin(), out.end(),
                                  [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
    if (bad == out.end()) break;
    for (auto it = bad; it != out.end(); ++it)
      if (static_cast<unsigned char>(*it) >= 0x80) *it = '?';
  }
  constexpr std::array<std::string_view, 10> kMarkers = {"bearer ",
                                                         "basic ",
                                                         "token=",
                                                         "\"token\":\"",
                                                         "\"access_token\":\"",
                                                         "password=",
                                                         "x-amz-signature=",
                                                         "x-amz-security-token=",
                                                         "sig=",
                                                         "signature="};
  for (const auto marker : kMarkers) mask_after(out, marker);
  if (text.size() > limit_bytes) out += "…";
  return out;
}

}  // namespace kiln
