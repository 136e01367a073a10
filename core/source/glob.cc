#include "core/source/glob.h"

#include <array>
#include <optional>
#include <utility>

namespace kiln::source {
namespace {

constexpr std::string_view kWhite = " \t\n\r";  // As git has it: no \v and no \f.

bool in_range(int byte, int first, int last) {
  return byte >= first && byte <= last;
}

bool is_upper(int byte) {
  return in_range(byte, 'A', 'Z');
}
bool is_lower(int byte) {
  return in_range(byte, 'a', 'z');
}
bool is_digit(int byte) {
  return in_range(byte, '0', '9');
}
bool is_alnum(int byte) {
  return is_upper(byte) || is_lower(byte) || is_digit(byte);
}
bool is_graph(int byte) {
  return in_range(byte, 0x21, 0x7e);
}

struct NamedClass {
  std::string_view name;
  bool (*holds)(int byte);
};

constexpr std::array<NamedClass, 12> kNamedClasses{{
    {"alnum", is_alnum},
    {"alpha", [](int byte) { return is_upper(byte) || is_lower(byte); }},
    {"blank", [](int byte) { return byte == ' ' || byte == '\t'; }},
    {"cntrl", [](int byte) { return byte < 0x20 || byte == 0x7f; }},
    {"digit", is_digit},
    {"graph", is_graph},
    {"lower", is_lower},
    {"print", [](int byte) { return byte == ' ' || is_graph(byte); }},
    {"punct", [](int byte) { return is_graph(byte) && !is_alnum(byte); }},
    {"space", [](int byte) { return kWhite.find(static_cast<char>(byte)) != kWhite.npos; }},
    {"upper", is_upper},
    {"xdigit",
     [](int byte) {
       return is_digit(byte) || in_range(byte, 'a', 'f') || in_range(byte, 'A', 'F');
     }},
}};

/// Reads what stands between "[" and "]", byte by byte.
class ClassReader {
 public:
  ClassReader(std::string_view pattern, std::size_t at) : pattern_(pattern), at_(at) {}

  /// The bytes of the class; nothing if it is broken. Then at() is behind the "]".
  std::optional<std::bitset<256>> read() {
    const bool negated = peek() == '!' || peek() == '^';
    if (negated) ++at_;
    // A "]" that comes first is one of the bytes.
    for (bool first = true; first || peek() != ']'; first = false)
      if (!read_item()) return std::nullopt;
    ++at_;
    if (negated) set_.flip();
    return set_;
  }

  std::size_t at() const { return at_; }

 private:
  int peek(std::size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? static_cast<unsigned char>(pattern_[at_ + ahead]) : -1;
  }

  bool read_item() {
    if (peek() == '-' && previous_ >= 0 && peek(1) >= 0 && peek(1) != ']') {
      ++at_;
      return read_range_end();
    }
    if (peek() == '[' && peek(1) == ':') {
      const auto end = pattern_.find(']', at_ + 2);
      if (end == pattern_.npos) return false;
      // Without ":]" the "[" is a byte like others.
      if (end > at_ + 2 && pattern_[end - 1] == ':') return read_named(end);
    }
    const int byte = read_byte();
    if (byte < 0) return false;
    set_.set(static_cast<std::size_t>(byte));
    previous_ = byte;
    return true;
  }

  bool read_range_end() {
    const int last = read_byte();
    for (int byte = previous_; byte <= last; ++byte) set_.set(static_cast<std::size_t>(byte));
    previous_ = -1;
    return last >= 0;
  }

  bool read_named(std::size_t end) {
    const auto name = pattern_.substr(at_ + 2, end - 1 - (at_ + 2));
    at_ = end + 1;
    previous_ = -1;
    for (const auto& known : kNamedClasses) {
      if (known.name != name) continue;
      for (int byte = 0; byte < 256; ++byte)
        if (known.holds(byte)) set_.set(static_cast<std::size_t>(byte));
      return true;
    }
    return false;
  }

  /// One byte, or the one behind a "\"; -1 at the end.
  int read_byte() {
    if (peek() == '\\') ++at_;
    const int byte = peek();
    ++at_;
    return byte;
  }

  std::string_view pattern_;
  std::size_t at_;
  std::bitset<256> set_;
  int previous_ = -1;  ///< What a "-" would start from; -1 = nothing.
};

}  // namespace

Glob::Glob(std::string_view pattern) {
  for (std::size_t at = 0; at < pattern.size();) {
    switch (pattern[at]) {
      case '*':
        at = add_stars(pattern, at);
        break;
      case '?':
        add_set(Bytes().set());
        ++at;
        break;
      case '[':
        at = add_class(pattern, at);
        break;
      case '\\':
        ++at;
        [[fallthrough]];
      default:
        if (at < pattern.size())
          tokens_.push_back(Token{Token::Kind::kByte, pattern[at]});
        else
          add(Token::Kind::kNever);
        ++at;
    }
  }
}

std::size_t Glob::add_stars(std::string_view pattern, std::size_t at) {
  auto end = pattern.find_first_not_of('*', at);
  if (end == pattern.npos) end = pattern.size();
  const auto rest = pattern.substr(end);
  const bool from_slash = at == 0 || pattern[at - 1] == '/';
  const bool to_slash = rest.empty() || rest.starts_with('/') || rest.starts_with("\\/");
  if (end - at < 2 || !from_slash || !to_slash) {
    add(Token::Kind::kName);
  } else if (rest.starts_with('/')) {
    // Twice is the same as once, and once keeps matching cheap.
    if (tokens_.empty() || tokens_.back().kind != Token::Kind::kDirectories)
      add(Token::Kind::kDirectories);
    ++end;
  } else {
    add(Token::Kind::kAnything);
  }
  return end;
}

std::size_t Glob::add_class(std::string_view pattern, std::size_t at) {
  ClassReader reader(pattern, at + 1);
  const auto set = reader.read();
  if (!set) {
    add(Token::Kind::kNever);
    return pattern.size();
  }
  add_set(*set);
  return reader.at();
}

void Glob::add_set(Bytes set) {
  set.reset('/');
  tokens_.push_back(Token{Token::Kind::kClass, 0, classes_.size()});
  classes_.push_back(set);
}

/// All the tokens that may come next, moved on one byte of text at a time.
class Glob::Run {
 public:
  explicit Run(const Glob& glob) : glob_(glob), seen_(glob.tokens_.size() + 1, 0) { enter(0); }

  void step(char byte) {
    now_.swap(next_);
    next_.clear();
    ++round_;
    for (const auto at : now_) {
      if (at == glob_.tokens_.size()) continue;
      const auto& token = glob_.tokens_[at];
      switch (token.kind) {
        case Token::Kind::kByte:
          if (token.byte == byte) enter(at + 1);
          break;
        case Token::Kind::kClass:
          if (glob_.classes_[token.index].test(static_cast<unsigned char>(byte))) enter(at + 1);
          break;
        case Token::Kind::kName:
          if (byte != '/') enter(at);
          break;
        case Token::Kind::kAnything:
          enter(at);
          break;
        case Token::Kind::kDirectories:
          // Inside of it there is no way out but a "/".
          note(at);
          if (byte == '/') enter(at + 1);
          break;
        case Token::Kind::kNever:
          break;
      }
    }
  }

  bool dead() const { return next_.empty(); }
  bool at_end() const { return seen_[glob_.tokens_.size()] == round_; }

 private:
  /// Token `at` may come next, and so may the one behind it if `at` may be nothing.
  void enter(std::size_t at) {
    for (;; ++at) {
      note(at);
      if (at == glob_.tokens_.size()) return;
      const auto kind = glob_.tokens_[at].kind;
      if (kind != Token::Kind::kName && kind != Token::Kind::kAnything &&
          kind != Token::Kind::kDirectories)
        return;
    }
  }

  void note(std::size_t at) {
    if (std::exchange(seen_[at], round_) != round_) next_.push_back(at);
  }

  const Glob& glob_;
  std::vector<std::size_t> seen_;  ///< By token: the last round that noted it.
  std::vector<std::size_t> now_;
  std::vector<std::size_t> next_;
  std::size_t round_ = 1;
};

bool Glob::matches(std::string_view text) const {
  if (tokens_.empty()) return text.empty();
  Run run(*this);
  for (const char byte : text) {
    run.step(byte);
    if (run.dead()) return false;
  }
  return run.at_end();
}

}  // namespace kiln::source
