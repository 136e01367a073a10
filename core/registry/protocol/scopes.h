#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace kiln::registry::protocol {

/// What a token is asked for, e.g. "repository:team/shop:push,pull". A small value that only grows.
/// Some token servers look at the first scope alone, so the order is kept: what is pushed to comes
/// first. Source: distribution documentation, "Token Scope Documentation".
class Scopes {
 public:
  Scopes() = default;
  static Scopes pull(std::string_view path);
  static Scopes push(std::string_view path);  ///< "push,pull": pushing also looks and pulls.

  /// Adds one "type:name:action,action"; actions join those of the same type and name. What is not
  /// of this form is dropped, and so is all beyond 8 scopes (a challenge is a stranger's text).
  void add(std::string_view scope);
  void add_all(const Scopes& other);
  /// Adds the scopes of a challenge's "scope" parameter, which separates them by spaces.
  void add_challenge(std::string_view scope_param);

  bool empty() const { return items_.empty(); }
  /// True if a token for these serves `wanted`.
  bool cover(const Scopes& wanted) const;
  /// Type and name of the first scope, e.g. "repository:team/shop"; "" when empty.
  std::string first_resource() const { return items_.empty() ? "" : items_.front().resource; }
  std::vector<std::string> list() const;
  std::string joined() const;  ///< Separated by spaces.

  friend bool operator==(const Scopes&, const Scopes&) = default;

 private:
  struct Item {
    std::string resource;
    std::vector<std::string> actions;
    friend bool operator==(const Item&, const Item&) = default;
  };
  std::vector<Item> items_;
};

}  // namespace kiln::registry::protocol
