#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/rsa_key.h"
#include "core/base/task.h"
#include "core/http/client.h"
#include "core/source/git_url.h"

namespace kiln::source {

/// A GitHub App that repositories are read as: what a Secret says under Flux's keys. A value.
///
/// `githubAppID`, `githubAppPrivateKey`, one of `githubAppInstallationID` and
/// `githubAppInstallationOwner`; `githubAppBaseURL` for a GitHub other than github.com, such as
/// "https://github.example.com/api/v3".
class GitHubApp {
 public:
  using Keys = std::map<std::string, std::string>;

  /// Is a GitHub App meant: is one of its keys there?
  static bool is_in(const Keys& keys);

  /// `tls`: what holds for the API too. Errors: kInvalid, naming the key that is missing or wrong;
  /// never a value that is a secret.
  [[nodiscard]] static Result<std::shared_ptr<const GitHubApp>> parse(const Keys& keys,
                                                                      const GitUrl& url,
                                                                      const http::TlsOptions& tls);

  const std::string& id() const { return id_; }
  const std::string& installation() const { return installation_; }  ///< Its id, "" = of owner().
  const std::string& owner() const { return owner_; }                ///< A login, "" = not said.
  http::Url api(const std::string& path) const;  ///< "/app": the address that this has.
  const std::shared_ptr<const http::TlsOptions>& tls() const { return tls_; }

  /// What the App proves itself with: a JSON Web Token that is good for some minutes. Errors: those
  /// of RsaKey::sign(). Source: docs.github.com, "Generating a JSON Web Token for a GitHub App".
  [[nodiscard]] Result<std::string> proof(WallTime now) const;

  /// All of it, in one text, to be hashed.
  std::string fingerprint() const;

 private:
  GitHubApp(http::Url base, RsaKey key) : base_(std::move(base)), key_(std::move(key)) {}
  static Result<http::Url> base_url(const std::string& text, const GitUrl& url);

  std::string id_;
  std::string installation_;
  std::string owner_;
  http::Url base_;
  RsaKey key_;
  std::string key_pem_;
  std::shared_ptr<const http::TlsOptions> tls_;  // Shared with the requests.
};

/// Gets the tokens that installations of GitHub Apps read repositories with, and keeps each in
/// memory until a few minutes before its end. Threads: the I/O executor. Lifetime: `http` and
/// `clock` outlive it, and it its tasks.
class GitHubTokens {
 public:
  GitHubTokens(http::Client& http, const Clock& clock) : http_(http), clock_(clock) {}

  /// A token that is good for some minutes at least. No redirect is followed.
  /// Errors:
  ///   kUnauthorized  the API does not take the key, or knows no such App or installation.
  ///   kDenied        it forbids it: the installation is suspended, say.
  ///   kInvalid       a redirect.
  ///   kRateLimited, kUnavailable, kTimeout, those of http::Client.
  /// Cancellation: at any point.
  [[nodiscard]] Task<Result<std::string>> token(std::shared_ptr<const GitHubApp> app);

  /// The token that is kept was not taken: the next one is a new one.
  void forget(const GitHubApp& app);

 private:
  struct Kept {
    std::string token{};
    std::chrono::steady_clock::time_point end{};  ///< From then on a new one is asked for.
  };
  Task<Result<Kept>> ask(std::shared_ptr<const GitHubApp> app);
  Task<Result<std::string>> find_installation(std::shared_ptr<const GitHubApp> app);
  Task<Result<http::Response>> send(std::shared_ptr<const GitHubApp> app, std::string method,
                                    std::string path);

  http::Client& http_;
  const Clock& clock_;
  std::map<std::string, Kept> kept_;  ///< By the hash of the fingerprint.
};

}  // namespace kiln::source
