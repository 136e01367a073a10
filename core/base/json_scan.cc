#include "core/base/json_scan.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace kiln {
namespace {

constexpr auto kNone = std::string_view::npos;

/// Behind the string whose quote stands at `at`.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (auto end = text.find('"', at + 1); end != kNone; end = text.find('"', end + 1)) {
    auto escapes = end;
    while (text[escapes - 1] == '\\') --escapes;  // Ends at the first quote, if not before.
    if ((end - escapes) % 2 == 0) return end + 1;
  }
  return kNone;
}

/// Behind the object or array that begins at `at`.
std::size_t end_of_container(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = end_of_string(text, at);
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at + 1;
    ++at;
  }
  return kNone;
}

/// Nothing that a JSON string must not have, and nothing to check.
bool is_plain_ascii(std::string_view text) {
  bool other = false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    other |= byte < 0x20 || byte >= 0x80;
  }
  return !other;
}

/// What "\n" is; '\0' for what is no escape of one letter.
char unescaped(char letter) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
  const auto found = kLetters.find(letter);
  return found == kNone ? '\0' : kMeant[found];
}

/// What "\u003c" is, of its four digits; nullopt for what is not ASCII.
std::optional<char> ascii_of(std::string_view digits) {
  unsigned value = 0;
  const auto* end = digits.data() + digits.size();
  const auto [read, error] = std::from_chars(digits.data(), end, value, 16);
  if (digits.size() != 4 || error != std::errc() || read != end || value >= 0x80)
    return std::nullopt;
  return static_cast<char>(value);
}

}  // namespace

std::size_t end_of_json_value(std::string_view text, std::size_t at) {
  if (at >= text.size()) return kNone;
  if (text[at] == '"') return end_of_string(text, at);
  if (text[at] == '{' || text[at] == '[') return end_of_container(text, at);
  const auto end = text.find_first_of(",}] \n", at);
  return end == at ? kNone : end;
}

JsonScan::JsonScan(std::string_view text) : text_(text), at_(text.size()) {
  if (text.empty() || (text[0] != '{' && text[0] != '[')) return;
  is_object_ = text[0] == '{';
  at_ = 1;
  if (text.size() > 1 && text[1] == (is_object_ ? '}' : ']')) close(2);
}

void JsonScan::close(std::size_t behind) {
  at_ = text_.size();
  is_complete_ = text_.find_first_not_of(" \t\r\n", behind) == kNone;
}

std::optional<JsonScan::Part> JsonScan::next() {
  const auto begin = at_;
  at_ = text_.size();  // Unless it goes on.
  auto value = begin;
  std::string_view name;
  if (is_object_) {
    if (begin >= text_.size() || text_[begin] != '"') return std::nullopt;
    const auto colon = end_of_string(text_, begin);
    if (colon >= text_.size() || text_[colon] != ':') return std::nullopt;
    name = text_.substr(begin + 1, colon - begin - 2);
    value = colon + 1;
  }
  const auto end = end_of_json_value(text_, value);
  if (end >= text_.size()) return std::nullopt;
  const char behind = text_[end];
  if (behind != ',' && behind != (is_object_ ? '}' : ']')) return std::nullopt;
  if (behind == ',')
    at_ = end + 1;
  else
    close(end + 1);
  return Part(name, text_.substr(value, end - value), text_.substr(begin, end - begin));
}

std::string_view plain_json_text(std::string_view json) {
  if (json.size() < 2 || json.front() != '"' || json.find('\\') != kNone) return {};
  return json.substr(1, json.size() - 2);
}

std::optional<std::string> json_ascii_text(std::string_view json) {
  if (json.size() < 2 || json.front() != '"' || end_of_string(json, 0) != json.size())
    return std::nullopt;
  json = json.substr(1, json.size() - 2);
  if (!is_plain_ascii(json)) return std::nullopt;
  std::string text;
  text.reserve(json.size());
  while (!json.empty()) {
    const auto plain = std::min(json.find('\\'), json.size());
    text.append(json, 0, plain);
    json.remove_prefix(plain);
    if (json.empty()) break;
    const bool coded = json[1] == 'u';  // An escape is never the last: the string would go on.
    const auto meant = coded ? ascii_of(json.substr(2, 4)) : unescaped(json[1]);
    if (!meant || (!coded && *meant == '\0')) return std::nullopt;
    text += *meant;
    json.remove_prefix(coded ? 6 : 2);
  }
  return text;
}

std::string_view json_member(std::string_view object, std::string_view name) {
  JsonScan scan(object);
  while (const auto part = scan.next())
    if (part->name == name) return part->value;
  return {};
}

std::string with_json_member(std::string_view object, std::string_view name,
                             std::string_view value) {
  std::string text;
  text.reserve(object.size() + name.size() + value.size() + 8);
  const auto add = [&text](std::string_view key, std::string_view what) {
    text.append(text.empty() ? "{\"" : ",\"").append(key).append("\":").append(what);
  };
  bool found = false;
  JsonScan scan(object);
  while (const auto part = scan.next()) {
    const bool is_it = part->name == name;
    add(part->name, is_it ? value : part->value);
    found = found || is_it;
  }
  if (!found) add(name, value);
  return text.append("}");
}

}  // namespace kiln
