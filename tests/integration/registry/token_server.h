#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "core/base/file.h"
#include "tests/integration/http/scripted_server.h"

namespace kiln::registry {

/// A token server as distribution's documentation describes them, for one user, "me" with the
/// password "secret", who may do everything. Anonymous people may pull from repositories below
/// "public/".
class TokenServer {
 public:
  /// Null when there is no usable `openssl` program to make its certificate with.
  static std::unique_ptr<TokenServer> create();

  /// The registry's "auth" configuration.
  std::string registry_auth() const;
  int tokens_given() const { return tokens_given_; }

 private:
  explicit TokenServer(TempDir folder);
  void serve(http::Peer& peer);
  std::string sign(const std::string& scopes_json) const;

  TempDir folder_;
  std::string key_pem_, cert_base64_;
  std::atomic<int> tokens_given_ = 0;
  std::unique_ptr<http::ScriptedServer> server_;
};

}  // namespace kiln::registry
