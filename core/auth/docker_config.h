#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/auth/credential.h"

namespace kiln::auth {

/// The key under which docker keeps a registry's credentials: the host, but for Docker Hub
/// "https://index.docker.io/v1/".
std::string docker_key(const std::string& registry);

/// The registry that a key stands for as a whole ("https://ghcr.io/v1/" → ghcr.io, docker.io →
/// index.docker.io); nullopt for one with a path or a pattern, and for what is no key.
std::optional<std::string> registry_of_key(std::string_view key);

/// The credentials of a docker config file ("auths") or of the older .dockercfg. Exact host[:port]
/// matches only; a key may carry a path ("ghcr.io/team") and then fits that path and what is below
/// it, longest first; '*' in a host stands for a run of characters within one part of the name;
/// Docker Hub's aliases are one; a scheme and "/v1/" or "/v2/" in a key are ignored. The helpers
/// that `credsStore` and `credHelpers` name are never run here (attack A13): see core/auth/helper.
class DockerConfig final : public Keychain {
 public:
  /// Errors: kInvalid, naming the key that is wrong, never a value.
  [[nodiscard]] static Result<DockerConfig> parse(std::string_view json);
  [[nodiscard]] static Result<DockerConfig> parse_legacy(std::string_view json);  ///< .dockercfg

  std::vector<Credential> find(const oci::Repository& repository) const override;
  bool empty() const { return entries_.empty(); }

  /// The NAME of the docker-credential-NAME that the file wants asked for this registry:
  /// `credHelpers` by exact host, else `credsStore`; "" = none. As it stands there: not checked.
  std::string helper_for(const std::string& registry) const;

 private:
  struct Entry {
    std::string host;
    std::string path;
    Credential credential;
  };
  struct Reader;
  std::vector<Entry> entries_;
  std::map<std::string, std::string> helpers_;  // By registry.
  std::string store_;
};

/// Asks several keychains in order and joins their answers.
class KeychainChain final : public Keychain {
 public:
  explicit KeychainChain(std::vector<std::shared_ptr<const Keychain>> chain)
      : chain_(std::move(chain)) {}
  std::vector<Credential> find(const oci::Repository& repository) const override;

 private:
  std::vector<std::shared_ptr<const Keychain>>
      chain_;  // Shared: one Secret may serve base and output.
};

}  // namespace kiln::auth
