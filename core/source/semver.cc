#include "core/source/semver.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/base/redact.h"

namespace kiln::source {
namespace {

constexpr std::size_t kMaxLength = 255;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_identifier_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "rc.1": parts that are not empty, of letters, digits and "-".
bool is_dotted(std::string_view text) {
  std::size_t part = 0;
  for (const char c : text) {
    if (c == '.' ? part == 0 : !is_identifier_char(c)) return false;
    part = c == '.' ? 0 : part + 1;
  }
  return part > 0;
}

bool is_wildcard(std::string_view text) {
  return text == "x" || text == "X" || text == "*";
}

/// A version that may lack numbers at its end.
struct Partial {
  std::array<std::uint64_t, 3> numbers{};
  int given = 0;
  std::string prerelease{};
};

/// `text` without what follows `mark`, which goes to `rest`; false when that is not well formed.
bool split_suffix(std::string_view& text, char mark, std::string_view& rest) {
  const auto at = text.find(mark);
  if (at == text.npos) return true;
  rest = text.substr(at + 1);
  text = text.substr(0, at);
  return is_dotted(rest);
}

std::optional<Partial> parse_partial(std::string_view text) {
  if (text.size() > kMaxLength) return std::nullopt;
  if (text.starts_with('v')) text.remove_prefix(1);
  std::string_view build;
  std::string_view prerelease;
  if (!split_suffix(text, '+', build) || !split_suffix(text, '-', prerelease)) return std::nullopt;
  Partial partial;
  partial.prerelease = prerelease;
  bool open = false;  // A wildcard was met.
  for (std::size_t i = 0; i < 3; ++i) {
    const auto dot = text.find('.');
    const auto part = text.substr(0, dot);
    open = open || is_wildcard(part);
    const auto number = parse_number(part);
    if (!number && !is_wildcard(part)) return std::nullopt;
    if (!open) partial.numbers[i] = *number;
    if (!open) ++partial.given;
    if (dot == text.npos) return partial;
    text.remove_prefix(dot + 1);
  }
  return std::nullopt;  // A fourth number.
}

std::weak_ordering compare_identifiers(std::string_view a, std::string_view b) {
  const auto left = parse_number(a);
  const auto right = parse_number(b);
  if (left && right) return *left <=> *right;
  if (left || right) return left ? std::weak_ordering::less : std::weak_ordering::greater;
  return a <=> b;
}

std::weak_ordering compare_prereleases(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() <=> b.empty();  // None is higher than any.
  for (;;) {
    const auto left = a.substr(0, a.find('.'));
    const auto right = b.substr(0, b.find('.'));
    if (const auto order = compare_identifiers(left, right); order != 0) return order;
    a.remove_prefix(std::min(left.size() + 1, a.size()));
    b.remove_prefix(std::min(right.size() + 1, b.size()));
    if (a.empty() || b.empty()) return !a.empty() <=> !b.empty();
  }
}

Error no_range(std::string_view text) {
  return {Errc::kInvalid, "\"" + sanitize_server_text(text, kMaxLength) +
                              "\" is no range of versions; write for example 1.4.x, ^1.4 or "
                              ">=1.0.0 <2.0.0"};
}

/// Words and, as a word of its own, every operator that stands before one: ">= 1.0,<2" gives
/// ">=", "1.0", "<", "2".
std::vector<std::string_view> words_of(std::string_view text) {
  constexpr std::string_view kOperatorChars = "=<>!~^";
  std::vector<std::string_view> words;
  while (!text.empty()) {
    if (text[0] == ' ' || text[0] == ',') {
      text.remove_prefix(1);
      continue;
    }
    const bool op = kOperatorChars.find(text[0]) != kOperatorChars.npos;
    auto end = op ? text.find_first_not_of(kOperatorChars) : text.find_first_of(" ,=<>!~^");
    end = std::min(end, text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

bool is_operator(std::string_view word) {
  return std::string_view("=<>!~^").find(word[0]) != std::string_view::npos;
}

}  // namespace

std::optional<Version> Version::parse(std::string_view text) {
  auto partial = parse_partial(text);
  if (!partial || partial->given != 3) return std::nullopt;
  const auto& [major, minor, patch] = partial->numbers;
  return Version(major, minor, patch, std::move(partial->prerelease));
}

std::weak_ordering Version::compare(const Version& other) const {
  const std::array left{major_, minor_, patch_};
  const std::array right{other.major_, other.minor_, other.patch_};
  if (left != right) return left <=> right;
  return compare_prereleases(prerelease_, other.prerelease_);
}

Result<VersionRange::Comparison> VersionRange::parse_comparison(std::string_view op,
                                                                std::string_view version) {
  static const std::vector<std::pair<std::string_view, Operator>> kOperators = {
      {"", Operator::kEqual},     {"=", Operator::kEqual},   {"!=", Operator::kNotEqual},
      {">", Operator::kGreater},  {"<", Operator::kLess},    {">=", Operator::kAtLeast},
      {"=>", Operator::kAtLeast}, {"<=", Operator::kAtMost}, {"=<", Operator::kAtMost},
      {"~", Operator::kTilde},    {"~>", Operator::kTilde},  {"^", Operator::kCaret}};
  const auto known = std::find_if(kOperators.begin(), kOperators.end(),
                                  [op](const auto& one) { return one.first == op; });
  auto partial = parse_partial(version);
  if (known == kOperators.end() || !partial)
    return no_range(std::string(op) + std::string(version));
  Comparison comparison;
  comparison.op = known->second;
  comparison.numbers = partial->given;
  const auto& [major, minor, patch] = partial->numbers;
  comparison.bound = Version(major, minor, patch, std::move(partial->prerelease));
  return comparison;
}

Result<VersionRange::Group> VersionRange::parse_group(std::string_view text) {
  const auto words = words_of(text);
  Group group;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool range = i + 2 < words.size() && words[i + 1] == "-" && !is_operator(words[i]);
    std::string_view op;
    if (range) op = ">=";
    if (!range && is_operator(words[i])) op = words[i++];
    if (i == words.size()) return no_range(text);
    auto comparison = parse_comparison(op, words[i]);
    if (!comparison) return std::move(comparison).error();
    group.push_back(std::move(*comparison));
    if (!range) continue;
    i += 2;
    auto upper = parse_comparison("<=", words[i]);
    if (!upper) return std::move(upper).error();
    group.push_back(std::move(*upper));
  }
  if (group.empty()) return no_range(text);
  return group;
}

Result<VersionRange> VersionRange::parse(std::string_view text) {
  if (text.size() > kMaxLength)
    return Error(Errc::kInvalid, "a range of versions has at most 255 characters");
  VersionRange range;
  for (;;) {
    const auto bar = text.find("||");
    auto group = parse_group(text.substr(0, bar));
    if (!group) return std::move(group).error();
    range.alternatives_.push_back(std::move(*group));
    if (bar == text.npos) return range;
    text.remove_prefix(bar + 2);
  }
}

bool VersionRange::Comparison::within_tilde(const Version& version) const {
  return version.compare(bound) >= 0 && version.major_number() == bound.major_number() &&
         (numbers < 2 || version.minor_number() == bound.minor_number());
}

/// Up to the next change of the first number that is not zero.
bool VersionRange::Comparison::within_caret(const Version& version) const {
  if (version.compare(bound) < 0 || version.major_number() != bound.major_number()) return false;
  if (bound.major_number() > 0 || numbers < 2) return true;
  if (version.minor_number() != bound.minor_number()) return false;
  return bound.minor_number() > 0 || numbers < 3 || version.patch_number() == bound.patch_number();
}

/// Beyond everything that the numbers given stand for: ">1.2" is not 1.2.9.
bool VersionRange::Comparison::above_all(const Version& version) const {
  if (numbers == 3) return version.compare(bound) > 0;
  if (version.major_number() != bound.major_number())
    return version.major_number() > bound.major_number();
  return numbers == 2 && version.minor_number() > bound.minor_number();
}

bool VersionRange::Comparison::equal(const Version& version) const {
  return numbers == 3 ? version.compare(bound) == 0 : within_tilde(version);
}

bool VersionRange::Comparison::holds(const Version& version) const {
  if (numbers == 0)
    return op != Operator::kNotEqual && op != Operator::kGreater && op != Operator::kLess;
  switch (op) {
    case Operator::kEqual:
      return equal(version);
    case Operator::kNotEqual:
      return !equal(version);
    case Operator::kGreater:
      return above_all(version);
    case Operator::kLess:
      return version.compare(bound) < 0;
    case Operator::kAtLeast:
      return version.compare(bound) >= 0;
    case Operator::kAtMost:
      return !above_all(version);
    case Operator::kTilde:
      return within_tilde(version);
    case Operator::kCaret:
      return within_caret(version);
  }
  return false;
}

bool VersionRange::matches(const Version& version) const {
  const auto holds = [&](const Comparison& one) { return one.holds(version); };
  const auto of_prerelease = [](const Comparison& one) { return !one.bound.prerelease().empty(); };
  return std::any_of(alternatives_.begin(), alternatives_.end(), [&](const Group& group) {
    if (!version.prerelease().empty() && std::none_of(group.begin(), group.end(), of_prerelease))
      return false;
    return std::all_of(group.begin(), group.end(), holds);
  });
}

std::optional<std::string> highest_tag(const VersionRange& range,
                                       const std::vector<std::string>& tags) {
  std::optional<Version> best;
  std::optional<std::string> tag;
  for (const auto& candidate : tags) {
    auto version = Version::parse(candidate);
    if (!version || !range.matches(*version)) continue;
    const auto order = best ? version->compare(*best) : std::weak_ordering::greater;
    if (order < 0 || (order == 0 && candidate < *tag)) continue;
    best = std::move(version);
    tag = candidate;
  }
  return tag;
}

}  // namespace kiln::source
