// A pattern and, from the second line on, the texts it is tried on. The oracle reads the same
// pattern one byte at a time and goes back wherever it could have gone on otherwise; it is slow, so
// pattern and texts are short.
#include <optional>
#include <string_view>
#include <vector>

#include "core/source/glob.h"
#include "tests/fuzz/fuzzing.h"

namespace kiln::source {
namespace {

constexpr std::size_t kMostBytes = 96;

/// One byte of a class or what stands for one; unset at the pattern's end.
std::optional<char> take_byte(std::string_view& pattern) {
  if (pattern.starts_with('\\')) pattern.remove_prefix(1);
  if (pattern.empty()) return std::nullopt;
  const char byte = pattern.front();
  pattern.remove_prefix(1);
  return byte;
}

bool in_named_class(std::string_view name, char byte, bool& known) {
  const auto between = [&](char first, char last) { return byte >= first && byte <= last; };
  const bool upper = between('A', 'Z');
  const bool lower = between('a', 'z');
  const bool digit = between('0', '9');
  const bool graph = between('!', '~');
  known = true;
  if (name == "alnum") return upper || lower || digit;
  if (name == "alpha") return upper || lower;
  if (name == "blank") return byte == ' ' || byte == '\t';
  if (name == "cntrl") return between('\0', '\x1f') || byte == '\x7f';
  if (name == "digit") return digit;
  if (name == "graph") return graph;
  if (name == "lower") return lower;
  if (name == "print") return graph || byte == ' ';
  if (name == "punct") return graph && !upper && !lower && !digit;
  if (name == "space") return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
  if (name == "upper") return upper;
  if (name == "xdigit") return digit || between('a', 'f') || between('A', 'F');
  known = false;
  return false;
}

/// Does `byte` belong to the class that begins `pattern`, behind its "["? Takes the class away.
/// Unset if it is broken.
std::optional<bool> class_holds(std::string_view& pattern, char byte) {
  const auto code = [](char c) { return static_cast<unsigned char>(c); };
  const bool negated = pattern.starts_with('!') || pattern.starts_with('^');
  if (negated) pattern.remove_prefix(1);
  bool holds = false;
  std::optional<char> before;
  for (bool first = true; first || !pattern.starts_with(']'); first = false) {
    if (pattern.empty()) return std::nullopt;
    if (pattern[0] == '-' && before && pattern.size() > 1 && pattern[1] != ']') {
      pattern.remove_prefix(1);
      const auto last = take_byte(pattern);
      if (!last) return std::nullopt;
      holds = holds || (code(byte) >= code(*before) && code(byte) <= code(*last));
      before.reset();
      continue;
    }
    if (pattern.starts_with("[:")) {
      const auto end = pattern.find(']', 2);
      if (end == pattern.npos) return std::nullopt;
      if (end > 2 && pattern[end - 1] == ':') {
        bool known = false;
        holds = in_named_class(pattern.substr(2, end - 3), byte, known) || holds;
        if (!known) return std::nullopt;
        pattern.remove_prefix(end + 1);
        before.reset();
        continue;
      }
    }
    before = take_byte(pattern);
    if (!before) return std::nullopt;
    holds = holds || *before == byte;
  }
  pattern.remove_prefix(1);
  return holds != negated && byte != '/';
}

/// Tries every way through the pattern, each only once.
class Oracle {
 public:
  Oracle(std::string_view pattern, std::string_view text)
      : pattern_(pattern), text_(text), known_((pattern.size() + 1) * (text.size() + 1)) {}

  bool matches() { return at(0, 0); }

 private:
  bool at(std::size_t p, std::size_t t) {
    auto& known = known_[p * (text_.size() + 1) + t];
    if (known == 0) known = decide(p, t) ? 1 : 2;
    return known == 1;
  }

  bool decide(std::size_t p, std::size_t t) {
    if (p == pattern_.size()) return t == text_.size();
    if (pattern_[p] == '*') return stars(p, t);
    if (t == text_.size()) return false;
    if (pattern_[p] == '?') return text_[t] != '/' && at(p + 1, t + 1);
    if (pattern_[p] == '[') {
      auto rest = pattern_.substr(p + 1);
      const auto holds = class_holds(rest, text_[t]);
      return holds && *holds && at(pattern_.size() - rest.size(), t + 1);
    }
    if (pattern_[p] == '\\') ++p;
    return p < pattern_.size() && pattern_[p] == text_[t] && at(p + 1, t + 1);
  }

  bool stars(std::size_t p, std::size_t t) {
    auto end = p;
    while (end < pattern_.size() && pattern_[end] == '*') ++end;
    const auto rest = pattern_.substr(end);
    const bool whole = end - p >= 2 && (p == 0 || pattern_[p - 1] == '/') &&
                       (rest.empty() || rest.starts_with('/') || rest.starts_with("\\/"));
    if (whole && rest.starts_with('/') && at(end + 1, t)) return true;  // "**/" is nothing at all.
    for (auto to = t;; ++to) {
      if (at(end, to)) return true;
      if (to == text_.size() || (!whole && text_[to] == '/')) return false;
    }
  }

  std::string_view pattern_;
  std::string_view text_;
  std::vector<char> known_;
};

}  // namespace
}  // namespace kiln::source

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  auto texts = fuzzing::text_of(data, size);
  const auto pattern = fuzzing::take_part(texts, '\n');
  const source::Glob glob(pattern);
  for (const auto text : fuzzing::parts_of(texts, '\n')) {
    const bool matches = glob.matches(text);
    if (pattern.size() > source::kMostBytes || text.size() > source::kMostBytes) continue;
    fuzzing::require(matches == source::Oracle(pattern, text).matches(), "the oracle agrees");
  }
  return 0;
}
