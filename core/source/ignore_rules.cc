#include "core/source/ignore_rules.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/layer/entry_path.h"
#include "core/source/glob.h"

namespace kiln::source {

struct IgnoreRules::Rule {
  bool negated = false;
  bool directories_only = false;
  bool any_depth = false;  ///< The pattern has no "/": it is about a name, wherever it is.
  std::string literal{};   ///< What the pattern begins with before its first special byte.
  Glob rest{};             ///< What follows.

  /// `inside`: relative to the directory of the rule.
  bool matches(std::string_view inside, bool is_directory) const {
    if (directories_only && !is_directory) return false;
    const auto subject = any_depth ? layer::name_of_path(inside) : inside;
    return subject.starts_with(literal) && rest.matches(subject.substr(literal.size()));
  }

  /// One line of a file, without its line break; nothing for a comment and an empty line.
  static std::optional<Rule> parse(std::string_view line);
};

namespace {

constexpr std::size_t kMaxLineBytes = 4096;
constexpr std::size_t kMaxLines = 10'000;

/// Without the spaces at its end, except one that a "\" keeps.
std::string_view without_trailing_spaces(std::string_view line) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == ' ') continue;
    if (line[at] == '\\') ++at;
    end = std::min(at + 1, line.size());
  }
  return line.substr(0, end);
}

/// `path` as seen from `base`; nothing if it is not below it.
std::optional<std::string_view> seen_from(std::string_view base, std::string_view path) {
  if (base.empty()) return path;
  if (path.size() <= base.size() || path[base.size()] != '/' || !path.starts_with(base))
    return std::nullopt;
  return path.substr(base.size() + 1);
}

Error bad_line(std::size_t number, std::string_view why) {
  return {Errc::kInvalid, "line " + std::to_string(number) + " " + std::string(why)};
}

}  // namespace

std::optional<IgnoreRules::Rule> IgnoreRules::Rule::parse(std::string_view line) {
  if (line.empty() || line.starts_with('#')) return std::nullopt;
  if (line.ends_with('\r')) line.remove_suffix(1);
  auto pattern = without_trailing_spaces(line);

  Rule rule;
  rule.negated = pattern.starts_with('!');
  if (rule.negated) pattern.remove_prefix(1);
  rule.directories_only = pattern.ends_with('/');
  if (rule.directories_only) pattern.remove_suffix(1);
  rule.any_depth = pattern.find('/') == pattern.npos;
  if (pattern.starts_with('/')) pattern.remove_prefix(1);

  // Split as git does it: the "**" of "ab**/c" then stands at the beginning of what is left, and
  // crosses slashes.
  const auto special = std::min(pattern.find_first_of("*?[\\"), pattern.size());
  rule.literal = pattern.substr(0, special);
  rule.rest = Glob(pattern.substr(special));
  return rule;
}

Result<IgnoreRules> IgnoreRules::parse(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());

  std::vector<Rule> rules;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (number > kMaxLines) return bad_line(number, "is one too many: write at most 10000");
    if (line.size() > kMaxLineBytes) return bad_line(number, "is longer than 4096 bytes");
    if (line.find('\0') != line.npos) return bad_line(number, "has a NUL byte: this is no text");
    if (auto rule = Rule::parse(line)) rules.push_back(std::move(*rule));
  }

  IgnoreRules parsed;
  if (!rules.empty())
    parsed.lists_.push_back(List{"", std::make_shared<const std::vector<Rule>>(std::move(rules))});
  return parsed;
}

void IgnoreRules::add(const std::string& directory, IgnoreRules deeper) {
  for (auto& list : deeper.lists_)
    lists_.push_back(List{layer::join_path(directory, list.base), std::move(list.rules)});
}

bool IgnoreRules::ignores_itself(std::string_view path, bool is_directory) const {
  for (auto list = lists_.rbegin(); list != lists_.rend(); ++list) {
    const auto inside = seen_from(list->base, path);
    if (!inside) continue;
    const auto& rules = *list->rules;
    const auto last = std::find_if(rules.rbegin(), rules.rend(), [&](const Rule& rule) {
      return rule.matches(*inside, is_directory);
    });
    if (last != rules.rend()) return !last->negated;
  }
  return false;
}

bool IgnoreRules::ignores(std::string_view path, bool is_directory) const {
  for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1))
    if (ignores_itself(path.substr(0, slash), true)) return true;
  return ignores_itself(path, is_directory);
}

}  // namespace kiln::source
