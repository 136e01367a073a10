#include "core/registry/protocol/challenge.h"

#include <cctype>
#include <cstddef>
#include <utility>

namespace kiln::registry::protocol {
namespace {

constexpr std::size_t kMaxChallenges = 16;
constexpr std::size_t kMaxParams = 32;
constexpr std::size_t kMaxFieldBytes = 16 * 1024;

bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token68_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("-._~+/").find(c) != std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Reads one field from front to back.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : text_(text.substr(0, kMaxFieldBytes)) {}

  void read_into(std::vector<Challenge>& out) {
    // Parameters belong to the challenge that this very field began.
    Challenge* current = nullptr;
    for (;;) {
      skip(" \t,");
      const auto word = take_while(is_token_char);
      if (word.empty()) return;
      if (current && at_param_value()) {
        std::string value;
        if (!read_value(value)) return;
        if (current->params.size() < kMaxParams) current->params.emplace(lower(word), value);
        continue;
      }
      if (out.size() == kMaxChallenges) return;
      out.emplace_back();
      current = &out.back();
      current->scheme = lower(word);
      skip(" \t");
      read_token68(*current);
    }
  }

 private:
  void skip(std::string_view set) {
    const auto to = text_.find_first_not_of(set, at_);
    at_ = to == text_.npos ? text_.size() : to;
  }

  template <class Predicate>
  std::string_view take_while(Predicate wanted) {
    const auto from = at_;
    while (at_ < text_.size() && wanted(text_[at_])) ++at_;
    return text_.substr(from, at_ - from);
  }

  /// After a word: moves behind the '=' if there is one (white space around it is allowed).
  bool at_param_value() {
    const auto before = at_;
    skip(" \t");
    if (at_ < text_.size() && text_[at_] == '=') {
      ++at_;
      skip(" \t");
      return true;
    }
    at_ = before;
    return false;
  }

  bool read_value(std::string& value) {
    if (at_ >= text_.size() || text_[at_] != '"') {
      // Some servers leave out the quotes around a URL; take all up to the next comma or space.
      value = take_while([](char c) { return c != ',' && c != ' ' && c != '\t'; });
      return true;
    }
    for (++at_; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '\\' && at_ + 1 < text_.size()) c = text_[++at_];
      value += c;
    }
    return false;  // The closing quote is missing.
  }

  /// "Negotiate abc==": only if nothing but a comma or the end follows; else it is a parameter's
  /// name.
  void read_token68(Challenge& challenge) {
    const auto before = at_;
    auto token = std::string(take_while(is_token68_char));
    if (!token.empty()) token += take_while([](char c) { return c == '='; });
    skip(" \t");
    if (!token.empty() && (at_ == text_.size() || text_[at_] == ','))
      challenge.token68 = std::move(token);
    else
      at_ = before;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const std::string& Challenge::get(std::string_view name) const {
  static const std::string kNone;
  const auto it = params.find(std::string(name));
  return it == params.end() ? kNone : it->second;
}

std::vector<Challenge> parse_challenges(const std::vector<std::string_view>& fields) {
  std::vector<Challenge> challenges;
  for (const auto field : fields) FieldReader(field).read_into(challenges);
  return challenges;
}

const Challenge* choose(const std::vector<Challenge>& challenges) {
  for (const auto& challenge : challenges)
    if (challenge.scheme == "bearer" && !challenge.get("realm").empty()) return &challenge;
  for (const auto& challenge : challenges)
    if (challenge.scheme == "basic") return &challenge;
  return nullptr;
}

}  // namespace kiln::registry::protocol
