#pragma once
#include <bitset>
#include <cstddef>
#include <string_view>
#include <vector>

namespace kiln::source {

/// A shell pattern over bytes, as git matches one with WM_PATHNAME. A value.
///
/// "?", "*" and "[…]" never match "/". "**" between slashes or ends crosses it: "**/" is also
/// nothing at all. "[!a-c]", "[^…]" and "[[:alpha:]]" are classes of ASCII; "\" takes the next byte
/// as it stands. A pattern that is broken (an open "[", a "\" at the end) matches nothing.
/// Matching takes at most pattern × text steps and no recursion, whatever the pattern.
///
/// Source: gitignore(5), "PATTERN FORMAT"; git's wildmatch.c where that says nothing.
class Glob {
 public:
  Glob() = default;  ///< Matches "" only.
  explicit Glob(std::string_view pattern);
  bool matches(std::string_view text) const;

 private:
  using Bytes = std::bitset<256>;
  struct Token {
    enum class Kind {
      kByte,         ///< `byte`.
      kClass,        ///< One of classes_[index].
      kName,         ///< Any bytes but "/".
      kAnything,     ///< Any bytes.
      kDirectories,  ///< Nothing, or any bytes and a "/".
      kNever,        ///< No byte: the pattern is broken from here on.
    } kind = Kind::kNever;
    char byte = 0;
    std::size_t index = 0;
  };
  class Run;

  std::size_t add_stars(std::string_view pattern, std::size_t at);
  std::size_t add_class(std::string_view pattern, std::size_t at);
  void add(Token::Kind kind) { tokens_.push_back(Token{kind}); }
  void add_set(Bytes set);

  std::vector<Token> tokens_;
  std::vector<Bytes> classes_;
};

}  // namespace kiln::source
