#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace kiln::source {

/// A semantic version. A value; ordered by precedence, so that build metadata does not count.
/// Source: semver.org 2.0.0, clauses 9 to 11.
class Version {
 public:
  /// Reads a tag: three numbers, a leading "v" and leading zeros are let pass, as Flux does.
  /// nullopt: it is no version.
  [[nodiscard]] static std::optional<Version> parse(std::string_view text);

  Version(std::uint64_t major, std::uint64_t minor, std::uint64_t patch,
          std::string prerelease = {})
      : major_(major), minor_(minor), patch_(patch), prerelease_(std::move(prerelease)) {}

  std::uint64_t major_number() const { return major_; }  // "major" is a macro of sysmacros.h.
  std::uint64_t minor_number() const { return minor_; }
  std::uint64_t patch_number() const { return patch_; }
  const std::string& prerelease() const { return prerelease_; }  ///< "rc.1", or "".

  std::weak_ordering compare(const Version& other) const;

 private:
  std::uint64_t major_, minor_, patch_;
  std::string prerelease_;
};

/// A range of versions, as Flux (Masterminds/semver 3) reads it: "1.4.x", "^1.4", "~1.2.3",
/// ">=1.0.0 <2.0.0", "1.2 - 1.4.5", "1.x || 3.x". A value.
///
/// Comparisons that stand side by side, with "," or a space between, must all hold; "||" separates
/// alternatives. A number that is missing, or x, X or *, stands for all. A version with a
/// prerelease matches only where a comparison beside has one too: ">=1.0.0-0" takes prereleases.
class VersionRange {
 public:
  /// Errors: kInvalid, naming the part that is no range, with an example.
  [[nodiscard]] static Result<VersionRange> parse(std::string_view text);

  bool matches(const Version& version) const;

 private:
  enum class Operator { kEqual, kNotEqual, kGreater, kLess, kAtLeast, kAtMost, kTilde, kCaret };
  struct Comparison {
    Operator op = Operator::kEqual;
    Version bound{0, 0, 0};
    int numbers = 3;  ///< How many of the three are given; 0 = "*".

    bool holds(const Version& version) const;
    bool within_tilde(const Version& version) const;
    bool within_caret(const Version& version) const;
    bool above_all(const Version& version) const;
    bool equal(const Version& version) const;
  };
  using Group = std::vector<Comparison>;

  static Result<Group> parse_group(std::string_view text);
  static Result<Comparison> parse_comparison(std::string_view op, std::string_view version);

  std::vector<Group> alternatives_;
};

/// The highest of `tags` in the range; of equally high ones the last by name. nullopt: none is.
[[nodiscard]] std::optional<std::string> highest_tag(const VersionRange& range,
                                                     const std::vector<std::string>& tags);

}  // namespace kiln::source
