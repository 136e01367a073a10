#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::registry::protocol {

/// One way a server offers to be authenticated to.
struct Challenge {
  std::string scheme{};  ///< Lower case: "bearer", "basic", "negotiate".
  std::map<std::string, std::string>
      params{};           ///< Names in lower case; the first of a name counts.
  std::string token68{};  ///< What some schemes carry instead of parameters.

  /// The parameter's value, or "" when there is none.
  const std::string& get(std::string_view name) const;
};

/// Every challenge of all WWW-Authenticate fields, in order. Tolerant: what is malformed ends its
/// own field and keeps what came before. At most 16 challenges with 32 parameters each are read.
/// Source: RFC 9110, 11.6.1 (and 5.6.1: lists; 5.6.4: quoted strings).
std::vector<Challenge> parse_challenges(const std::vector<std::string_view>& fields);

/// The one to answer: Bearer with a realm, else Basic, else null.
/// Lifetime: points into `challenges`.
const Challenge* choose(const std::vector<Challenge>& challenges);

}  // namespace kiln::registry::protocol
