#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/auth/docker_config.h"
#include "core/base/error.h"
#include "core/base/program.h"
#include "core/base/task.h"
#include "core/base/work_pool.h"
#include "core/registry/gate.h"

namespace kiln::cli {

/// The user's own credentials, as docker, podman and crane find them.
///
/// The files, best first; one that does not exist is passed over:
///   1. $REGISTRY_AUTH_FILE                     (podman, skopeo, crane)
///   2. $DOCKER_CONFIG/config.json, or ~/.docker/config.json          (docker, crane, podman)
///   3. $XDG_RUNTIME_DIR/containers/auth.json, or /run/containers/UID/auth.json      (podman)
///   4. $XDG_CONFIG_HOME/containers/auth.json, or ~/.config/containers/auth.json     (podman)
/// In each of them, for one registry:
///   1. the helper program that `credHelpers` names for exactly this host (Docker Hub is
///      "https://index.docker.io/v1/"); where it names none, the one of `credsStore`
///   2. `auths`, the longest path first
/// All that fit are tried in this order until the registry accepts one. Docker and podman differ
/// from one another: docker reads 2 alone, podman nothing but 1 where that is set, and neither goes
/// on to the next where a helper has something.
///
/// Threads: the I/O executor.
class UserKeychain final : public auth::Keychain {
 public:
  /// Errors: those of a file that cannot be read or parsed, naming it.
  [[nodiscard]] static Result<std::shared_ptr<UserKeychain>> read(Environment environment);

  std::vector<auth::Credential> find(const oci::Repository& repository) const override;

  /// Has the helpers asked about a registry, once; find() knows then what they said. Those of later
  /// files are not asked when an earlier file has something for the whole registry.
  /// Errors: those of the helpers, naming the file too.
  /// Cancellation: stops the helper. Lifetime: this and `pool` outlive the task.
  [[nodiscard]] Task<Result<void>> ask_helpers(std::string registry, WorkPool& pool);

  /// The files whose `auths` have something for the whole registry.
  std::vector<std::filesystem::path> files_with(const std::string& registry) const;

 private:
  struct File {
    std::filesystem::path path;
    auth::DockerConfig config;
    std::map<std::string, auth::Credential> from_helper{};  // By registry.
  };
  struct Question;
  struct Found;
  explicit UserKeychain(Environment environment) : environment_(std::move(environment)) {}
  static Result<std::optional<Found>> ask(const std::vector<Question>& questions,
                                          const Environment& environment,
                                          const std::string& registry, std::stop_token stop);
  std::vector<Question> questions_about(const std::string& registry) const;

  Environment environment_;
  std::vector<File> files_;
  std::set<std::string> asked_;
  registry::Gate one_at_a_time_{1};  // Two questions about one registry are one.
};

/// Where credentials are looked for, best first, whether or not the files exist.
std::vector<std::filesystem::path> credential_files(const Environment& environment);

/// A config file: {} where there is none or it is empty. Errors: those of reading, naming it.
[[nodiscard]] Result<std::string> read_config(const std::filesystem::path& path);

}  // namespace kiln::cli
