#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/oci/reference.h"

namespace kiln::auth {

/// A secret to present to one registry. Never printed: there is no conversion to text.
struct Credential {
  std::string username{};
  std::string password{};
  std::string identity_token{};  ///< OAuth2 refresh token ("identitytoken").
  std::string registry_token{};  ///< Sent as it is, as a bearer token ("registrytoken").

  bool anonymous() const {
    return username.empty() && password.empty() && identity_token.empty() && registry_token.empty();
  }
  friend bool operator==(const Credential&, const Credential&) = default;
};

/// Finds the credential for a repository.
class Keychain {
 public:
  virtual ~Keychain() = default;
  /// The credentials that fit, best first; empty means anonymous. No I/O.
  virtual std::vector<Credential> find(const oci::Repository& repository) const = 0;
};

class AnonymousKeychain final : public Keychain {
 public:
  std::vector<Credential> find(const oci::Repository&) const override { return {}; }
};

}  // namespace kiln::auth
