#pragma once
#include <map>
#include <memory>
#include <string>

#include "cli/manifests.h"
#include "controller/plan/plan.h"
#include "core/auth/credential.h"

namespace kiln::cli {

/// ConfigMaps and Secrets of one namespace, from the manifests.
/// Lifetime: `manifests` outlives it.
class ManifestProvider final : public plan::ContentProvider {
 public:
  ManifestProvider(const Manifests& manifests, std::string space)
      : manifests_(manifests), namespace_(std::move(space)) {}

  Task<Result<plan::NamedData>> config_map(std::string name) override;
  Task<Result<plan::NamedData>> secret(std::string name) override;

 private:
  Task<Result<plan::NamedData>> find(
      const std::map<std::string, plan::NamedData>& all,  // NOLINT: a member of manifests_
      std::string kind, std::string name);

  const Manifests& manifests_;
  std::string namespace_;
};

/// The Secret of secretRef if the files have it, and after it the user's own credentials.
/// Errors: kInvalid for a Secret that holds none.
[[nodiscard]] Result<std::shared_ptr<const auth::Keychain>> keychain_for(
    const std::string& secret, const std::string& space, const Manifests& manifests,
    std::shared_ptr<const auth::Keychain> user);

}  // namespace kiln::cli
