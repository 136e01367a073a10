#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/message.h"
#include "core/registry/protocol/challenge.h"
#include "core/registry/protocol/scopes.h"

namespace kiln::registry::protocol {

/// A token server, after its address has been judged.
struct Realm {
  http::Url url;
  std::string service{};
  bool same_host = false;  ///< The registry's own TLS options hold for it.
  bool may_see_credentials = false;
  /// Set when it is another server than the registry: where the registry was reached. The connector
  /// refuses what that registry may not name (attack A1).
  std::optional<http::AddressKind> named_by{};

  explicit Realm(http::Url u) : url(std::move(u)) {}
};

/// Judges a Bearer challenge's realm, found in `answer`: https, unless the registry itself is
/// spoken to in plain http; credentials only over https or back to the registry's own host. A
/// relative realm is resolved against the request's URL. Errors: kEgressDenied, kInvalid.
[[nodiscard]] Result<Realm> judge_realm(const Challenge& challenge,
                                        const http::ResponseHead& answer);

/// "user:password" as the value of an Authorization field.
std::string basic_authorization(std::string_view username, std::string_view password);

/// The largest answer of a token server that is read.
inline constexpr std::uint64_t kMaxTokenBytes = 64 * 1024;

/// GET with service, scope and account; Basic authorization unless both username and secret are "".
/// Precondition: `realm.may_see_credentials` or there are none.
/// Source: distribution documentation, "Token Authentication Specification".
http::Request token_get(const Realm& realm, const Scopes& scopes, std::string_view username,
                        std::string_view secret);

/// The OAuth2 form, for identity tokens. Precondition: `realm.may_see_credentials`.
/// Source: distribution documentation, "OAuth2 Token Authentication"; RFC 6749, 6.
http::Request token_post(const Realm& realm, const Scopes& scopes, std::string_view identity_token);

struct Token {
  std::string value;
  std::chrono::seconds lifetime;  ///< From its receipt; 60 s to a day.
};

/// Reads a token server's answer. `token` or `access_token`; without `expires_in` it lives 60 s.
/// Errors: kUnavailable for what is not an answer of a token server, never with a copy of it.
[[nodiscard]] Result<Token> parse_token(std::string_view body);

}  // namespace kiln::registry::protocol
