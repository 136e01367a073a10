#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/http/scripted_server.h"

namespace kiln::source {

/// The part of GitHub's API that gives tokens to Apps: to who proves, with a token that the App's
/// key has signed and that holds now, to be the App 123; of its installation 456 at the
/// organization "team" or 457 at the user "me".
///
/// Does not imitate: permissions, choosing repositories, limits of rates, anything else.
class FakeGitHub {
 public:
  /// `tls`: the API speaks https.
  explicit FakeGitHub(std::string public_key_pem,
                      std::optional<http::ServerTls> tls = std::nullopt);

  std::string url() const { return api_.url("/api/v3", "127.0.0.1").str(); }
  /// Of a server that says 200 to a request with a token that was given, and 401 to others: for
  /// nginx's auth_request, and in plain http.
  std::uint16_t check_port() const { return check_.port(); }

  std::vector<std::string> tokens() const;    ///< All that were given, oldest first.
  std::vector<std::string> requests() const;  ///< Of the API: "POST /api/v3/app/…".
  void revoke_tokens();                       ///< Those that were given are not good any more.
  void redirect_to(std::string url);          ///< From now on the API redirects.

 private:
  void answer(http::Peer& peer, const http::Peer::Request& request);
  void answer_check(http::Peer& peer, const http::Peer::Request& request);
  std::string refusal_of(const std::string& authorization) const;
  std::string new_token();

  std::string public_key_pem_;
  mutable std::mutex mutex_;  ///< For all that follows.
  std::vector<std::string> requests_;
  std::vector<std::string> tokens_;
  std::set<std::string> good_;
  std::string redirect_;
  http::ScriptedServer api_;
  http::ScriptedServer check_;
};

}  // namespace kiln::source
