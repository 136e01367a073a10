#pragma once
#include <chrono>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "core/auth/credential.h"
#include "core/base/error.h"
#include "core/base/program.h"

namespace kiln::auth {

/// How helpers are run.
struct HelperOptions {
  Environment environment = own_environment();  ///< What they get; they are found on its PATH.
  std::chrono::milliseconds deadline = std::chrono::seconds(30);  ///< For each call.
  std::stop_token stop{};                                         ///< Ends a call early.
};

/// A program called docker-credential-NAME that keeps credentials of registries. `server` is the
/// key that docker uses for a registry: see docker_key().
///
/// It is named by a configuration and run as whoever runs us, so it is for a user's own
/// configuration alone, and never for one that came from elsewhere (attack A13).
///
/// Errors of all calls, naming program and server, with the program's own words, sanitised, and
/// never a secret:
///   kNotFound     it is not on PATH.
///   kUnavailable  it failed.
///   kCorrupt      its answer is not of the protocol.
///   kInvalid      its answer is larger than 256 KiB.
///   kTimeout, kCancelled.
/// Source: docker/docker-credential-helpers, client/client.go and credentials/credentials.go.
/// Threads: any. Every call blocks, so it is for the WorkPool.
class CredentialHelper {
 public:
  /// Errors: kInvalid for a name that is not of letters, digits, '.', '_' and '-'.
  [[nodiscard]] static Result<CredentialHelper> named(const std::string& name,
                                                      HelperOptions options = {});

  /// nullopt when it has none: the registry is used anonymously.
  [[nodiscard]] Result<std::optional<Credential>> get(const std::string& server) const;
  /// Errors: also kInvalid for a credential that helpers cannot keep (a registry token).
  [[nodiscard]] Result<void> store(const std::string& server, const Credential& credential) const;
  /// Absent is success.
  [[nodiscard]] Result<void> erase(const std::string& server) const;
  /// Servers with the usernames that it has for them.
  [[nodiscard]] Result<std::map<std::string, std::string>> list() const;

  const std::string& program() const { return program_; }  ///< "docker-credential-NAME"

 private:
  CredentialHelper(std::string program, HelperOptions options)
      : program_(std::move(program)), options_(std::move(options)) {}
  struct Answer;
  Result<Answer> ask(const std::string& action, const std::string& server, const std::string& input,
                     const std::string& secret = {}) const;

  std::string program_;
  HelperOptions options_;
};

}  // namespace kiln::auth
