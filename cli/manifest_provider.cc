#include "cli/manifest_provider.h"

#include <utility>
#include <vector>

#include "core/auth/docker_config.h"

namespace kiln::cli {

Task<Result<plan::NamedData>> ManifestProvider::config_map(std::string name) {
  return find(manifests_.config_maps, "ConfigMap", std::move(name));
}

Task<Result<plan::NamedData>> ManifestProvider::secret(std::string name) {
  return find(manifests_.secrets, "Secret", std::move(name));
}

Task<Result<plan::NamedData>> ManifestProvider::find(
    const std::map<std::string, plan::NamedData>& all,  // NOLINT: a member of manifests_
    std::string kind, std::string name) {
  const auto found = all.find(namespace_ + "/" + name);
  if (found == all.end())
    co_return Error(Errc::kNotFound,
                    "the " + kind + " " + namespace_ + "/" + name +
                        " is in none of the files; add it, or name its file with -f");
  co_return found->second;
}

Result<std::shared_ptr<const auth::Keychain>> keychain_for(
    const std::string& secret, const std::string& space, const Manifests& manifests,
    std::shared_ptr<const auth::Keychain> user) {
  const auto found = manifests.secrets.find(space + "/" + secret);
  if (secret.empty() || found == manifests.secrets.end()) return user;
  const auto config = found->second.files.find(".dockerconfigjson");
  if (config == found->second.files.end())
    return Error(Errc::kInvalid, "the Secret " + secret + " has no key .dockerconfigjson");
  auto parsed = auth::DockerConfig::parse(config->second);
  if (!parsed) return std::move(parsed).error().while_doing("the Secret " + secret);
  std::vector<std::shared_ptr<const auth::Keychain>> chain;
  chain.push_back(std::make_shared<auth::DockerConfig>(std::move(*parsed)));
  chain.push_back(std::move(user));
  return std::shared_ptr<const auth::Keychain>(
      std::make_shared<auth::KeychainChain>(std::move(chain)));
}

}  // namespace kiln::cli
