#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/http/message.h"
#include "core/source/git_url.h"
#include "core/source/github_app.h"

namespace kiln::source {

/// Who one is for one git server: what a Secret says under Flux's keys. A value.
///
/// https and http: the keys of a GitHubApp, or `bearerToken`, or `username` and `password`;
/// `ca.crt` (or `caFile`) beside the system's authorities; `tls.crt` and `tls.key`. ssh:
/// `identity`, `known_hosts`, and `password` for a key that has one. Keys that the scheme has no
/// use for are left alone.
class GitCredentials {
 public:
  GitCredentials() = default;  ///< Nobody.

  /// One line break at the end of a user name, password or token is dropped: editors leave it.
  /// Errors: kInvalid, naming the key that is missing, is no PEM or holds what it cannot hold;
  /// never a value.
  [[nodiscard]] static Result<GitCredentials> parse(const std::map<std::string, std::string>& keys,
                                                    const GitUrl& url);

  /// Null, or as which App one asks: it needs a token first, see with_app_token().
  const std::shared_ptr<const GitHubApp>& app() const { return app_; }
  /// The same with a token of the App. It is the same one who asks, so fingerprint() stays.
  GitCredentials with_app_token(const std::string& token) const;

  /// What http sends as Authorization; "" = nothing.
  const std::string& authorization() const { return authorization_; }
  const http::TlsOptions& tls() const { return tls_; }
  const std::string& identity() const { return identity_; }        ///< The private key.
  const std::string& known_hosts() const { return known_hosts_; }  ///< Checked against, strictly.
  const std::string& passphrase() const { return passphrase_; }    ///< Of the private key.

  /// Only for telling who may share what was fetched: all of it, in one text, to be hashed.
  std::string fingerprint() const;
  /// `text` with every secret in it masked.
  std::string without_secrets(std::string text) const;

 private:
  Result<void> read_http(const std::map<std::string, std::string>& keys, const GitUrl& url);
  Result<void> read_login(const std::map<std::string, std::string>& keys);
  Result<void> read_tls(const std::map<std::string, std::string>& keys);
  Result<void> read_ssh(const std::map<std::string, std::string>& keys);

  std::shared_ptr<const GitHubApp> app_;  // Shared by the copies, never changed.
  std::string authorization_;
  http::TlsOptions tls_;
  std::string identity_;
  std::string known_hosts_;
  std::string passphrase_;
  std::vector<std::string> secrets_;
};

}  // namespace kiln::source
