#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace kiln::http {

/// An absolute http or https URL, split. A small immutable value; what exists is well formed: no
/// control characters or spaces anywhere, no user information, host in lower case, and a host that
/// looks like a number is a plain IPv4 address (never "0x7f.1" or "2130706433").
class Url {
 public:
  /// Source: RFC 3986; only "http" and "https". The query is kept byte for byte, a fragment is
  /// dropped. Errors: kInvalid, naming the part that is wrong, never repeating a query.
  [[nodiscard]] static Result<Url> parse(std::string_view text);

  /// Resolves `reference` (absolute, "//host/…", "/path" or "relative?query") against this URL.
  /// Errors: as parse(), also when both together are too long.
  [[nodiscard]] Result<Url> resolve(std::string_view reference) const;

  const std::string& scheme() const { return scheme_; }
  bool is_https() const { return scheme_ == "https"; }
  const std::string& host() const { return host_; }    ///< IPv6 without brackets.
  std::uint16_t port() const { return port_; }         ///< The scheme's own when none was given.
  const std::string& path() const { return path_; }    ///< Starts with '/'.
  const std::string& query() const { return query_; }  ///< Without '?'; "" when there is none.

  std::string target() const;  ///< Path and query, as the request line carries them.
  std::string host_port()
      const;  ///< For the Host header: the port only when it is not the scheme's own.
  std::string origin() const;  ///< "https://host:port", always with the port: the pool's key.
  std::string str() const;
  /// For logs and errors: without query, and of a path its first 500 bytes.
  std::string redacted() const;

  /// The same origin, this path (already percent-encoded), no query. What a path must not hold is
  /// percent-encoded, so that the result is well formed whatever comes in.
  Url with_path(std::string path) const;
  /// Appends "key=value" to the query, percent-encoding both and leaving the rest untouched.
  Url with_query(std::string_view key, std::string_view value) const;

  friend auto operator<=>(const Url&, const Url&) = default;

 private:
  Url() = default;
  std::string scheme_;
  std::string host_;
  std::uint16_t port_ = 0;
  std::string path_;
  std::string query_;
};

}  // namespace kiln::http
