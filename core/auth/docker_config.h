#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/auth/credential.h"

namespace kiln::auth {

/// The credentials of a docker config file ("auths") or of the older .dockercfg. Exact host[:port]
/// matches only; a key may carry a path ("ghcr.io/team") and then fits that path and what is below
/// it, longest first; '*' in a host stands for a run of characters within one part of the name;
/// Docker Hub's aliases are one; a scheme and "/v1/" or "/v2/" in a key are ignored. `credsStore`
/// and `credHelpers` are noticed and never executed here (attack A13).
class DockerConfig final : public Keychain {
 public:
  /// Errors: kInvalid, naming the key that is wrong, never a value.
  [[nodiscard]] static Result<DockerConfig> parse(std::string_view json);
  [[nodiscard]] static Result<DockerConfig> parse_legacy(std::string_view json);  ///< .dockercfg

  std::vector<Credential> find(const oci::Repository& repository) const override;
  bool empty() const { return entries_.empty(); }
  bool names_helpers() const { return names_helpers_; }

 private:
  struct Entry {
    std::string host;
    std::string path;
    Credential credential;
  };
  struct Reader;
  std::vector<Entry> entries_;
  bool names_helpers_ = false;
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
