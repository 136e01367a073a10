#include "controller/imagebuild/cluster_content.h"

#include <vector>

#include "core/auth/docker_config.h"
#include "core/base/json.h"

namespace kiln::imagebuild {
namespace {

using SharedKeychain = std::shared_ptr<const auth::Keychain>;

Result<SharedKeychain> keychain_of(const plan::NamedData& secret, const std::string& name) {
  const auto entry = [&](const char* key) {
    const auto found = secret.files.find(key);
    return found == secret.files.end() ? nullptr : &found->second;
  };
  const auto* json = entry(".dockerconfigjson");
  const auto* legacy = entry(".dockercfg");
  if (json == nullptr && legacy == nullptr)
    return Error(Errc::kInvalid,
                 "Secret/" + name +
                     " holds no registry credentials; it must be of type "
                     "kubernetes.io/dockerconfigjson (kubectl create secret docker-registry)");
  auto config = json != nullptr ? auth::DockerConfig::parse(*json)
                                : auth::DockerConfig::parse_legacy(*legacy);
  if (!config) return std::move(config).error().while_doing("Secret/" + name);
  return SharedKeychain(std::make_shared<auth::DockerConfig>(std::move(*config)));
}

Task<Result<SharedKeychain>> read_secret(kube::Client& client, std::string space, std::string name,
                                         std::string field) {
  ClusterContent content(client, std::move(space));
  auto secret = co_await content.secret(name);
  if (!secret) co_return std::move(secret).error().while_doing(field);
  auto keychain = keychain_of(*secret, name);
  if (!keychain) co_return std::move(keychain).error().while_doing(field);
  co_return keychain;
}

std::vector<std::string> pull_secret_names(const kube::Object& account) {
  std::vector<std::string> names;
  const auto json = parse_json(account.json());
  if (!json) return names;
  for (const auto& item : json_at(*json, "imagePullSecrets"))
    if (auto name = json_string(item, "name"); !name.empty()) names.push_back(std::move(name));
  return names;
}

Task<Result<SharedKeychain>> account_keychain(kube::Client& client, std::string space,
                                              std::string account) {
  const kube::ObjectKey key(space, account);
  auto object = co_await client.get(kube::kServiceAccounts, key);
  if (!object && object.error().code == Errc::kNotFound) co_return SharedKeychain();
  if (!object) co_return std::move(object).error();
  std::vector<SharedKeychain> chain;
  for (const auto& name : pull_secret_names(*object)) {
    auto keychain = co_await read_secret(client, space, name, "serviceAccountName " + account);
    if (!keychain && keychain.error().code == Errc::kNotFound) continue;
    if (!keychain) co_return std::move(keychain).error();
    chain.push_back(std::move(*keychain));
  }
  co_return SharedKeychain(std::make_shared<auth::KeychainChain>(std::move(chain)));
}

}  // namespace

Task<Result<plan::NamedData>> ClusterContent::config_map(std::string name) {
  asked_for_secret_ = false;
  const kube::ObjectKey key(namespace_, name);
  auto object = co_await client_.get(kube::kConfigMaps, key);
  if (!object && object.error().code == Errc::kNotFound)
    co_return Error(Errc::kNotFound, "ConfigMap/" + name +
                                         " is not there; create it in the namespace " + namespace_);
  if (!object) co_return std::move(object).error().while_doing("ConfigMap/" + name);
  co_return plan::parse_config_map(object->json());
}

Task<Result<plan::NamedData>> ClusterContent::secret(std::string name) {
  asked_for_secret_ = true;
  const kube::ObjectKey key(namespace_, name);
  auto object = co_await client_.get(kube::kSecrets, key);
  if (!object && object.error().code == Errc::kNotFound)
    co_return Error(Errc::kNotFound,
                    "Secret/" + name + " is not there; create it in the namespace " + namespace_);
  if (!object) co_return std::move(object).error().while_doing("Secret/" + name);
  co_return plan::parse_secret(object->json());
}

Task<Result<plan::Keychains>> read_keychains(kube::Client& client,
                                             std::shared_ptr<const api::ImageBuild> build) {
  const auto space = build->metadata.namespace_;
  const auto base_secret = build->spec.base.registry.secret;
  const auto output_secret = build->spec.output.registry.secret;
  plan::Keychains keychains;
  SharedKeychain account;
  if (base_secret.empty() || output_secret.empty()) {
    auto read = co_await account_keychain(client, space, build->spec.service_account);
    if (!read) co_return std::move(read).error();
    account = std::move(*read);
  }
  keychains.base = account;
  keychains.output = account;
  if (!base_secret.empty()) {
    auto read =
        co_await read_secret(client, space, base_secret, std::string("spec.base.secretRef"));
    if (!read) co_return std::move(read).error();
    keychains.base = std::move(*read);
  }
  if (!output_secret.empty()) {
    auto read =
        co_await read_secret(client, space, output_secret, std::string("spec.output.secretRef"));
    if (!read) co_return std::move(read).error();
    keychains.output = std::move(*read);
  }
  co_return keychains;
}

}  // namespace kiln::imagebuild
