#include "controller/imagebuild/cluster_content.h"

#include <optional>
#include <vector>

#include "core/auth/docker_config.h"
#include "core/base/gather.h"
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

Task<Result<SharedKeychain>> account_keychain(kube::Client& client, ClusterView& view,
                                              std::string space, std::string account,
                                              Accounts accounts) {
  const kube::ObjectKey key(space, account);
  auto reading = accounts == Accounts::kAsRemembered
                     ? client.get_remembered(kube::kServiceAccounts, key, "0")
                     : client.get(kube::kServiceAccounts, key);
  auto object = co_await std::move(reading);
  if (!object && object.error().code == Errc::kNotFound) {
    view.account_names(key, {});
    co_return SharedKeychain();
  }
  if (!object) co_return std::move(object).error();
  std::vector<SharedKeychain> chain;
  const auto names = pull_secret_names(*object);
  // Before they are read: one that is missing or wrong is waited for.
  view.account_names(key, names);
  for (const auto& name : names) {
    auto keychain = co_await read_secret(client, space, name, "serviceAccountName " + account);
    if (!keychain && keychain.error().code == Errc::kNotFound) continue;
    if (!keychain) co_return std::move(keychain).error();
    chain.push_back(std::move(*keychain));
  }
  co_return SharedKeychain(std::make_shared<auth::KeychainChain>(std::move(chain)));
}

}  // namespace

Task<Result<int>> ClusterContent::keep(std::string config_map, std::string version) {
  const kube::ObjectKey key(namespace_, config_map);
  auto reading = version.empty() ? client_.get(kube::kConfigMaps, key)
                                 : client_.get_remembered(kube::kConfigMaps, key, version);
  auto object = co_await std::move(reading);
  if (!object && object.error().code == Errc::kGone)  // A server that is behind the one that told.
    object = co_await client_.get(kube::kConfigMaps, key);
  config_maps_.insert_or_assign(std::move(config_map), std::move(object));
  co_return 0;
}

Task<Result<void>> ClusterContent::read_ahead(std::vector<Known> config_maps) {
  constexpr std::size_t kAtOnce = 4;
  std::vector<Task<Result<int>>> reads;
  for (auto& [name, version] : config_maps)
    reads.push_back(keep(std::move(name), std::move(version)));
  auto read = co_await gather(std::move(reads), kAtOnce);
  if (!read) co_return std::move(read).error();
  co_return Result<void>();
}

Task<Result<plan::NamedData>> ClusterContent::config_map(std::string name) {
  asked_for_secret_ = false;
  if (!config_maps_.contains(name)) KILN_CO_TRY(co_await keep(name, ""));
  const auto& object = config_maps_.at(name);
  if (!object && object.error().code == Errc::kNotFound)
    co_return Error(Errc::kNotFound, "ConfigMap/" + name +
                                         " is not there; create it in the namespace " + namespace_);
  if (!object) co_return Error(object.error()).while_doing("ConfigMap/" + name);
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

namespace {

/// secretRef where there is one, else `account`, which is read if it was not yet.
Task<Result<SharedKeychain>> keychain_for(kube::Client& client, ClusterView& view,
                                          std::shared_ptr<const api::ImageBuild> build,
                                          api::RegistryRef wanted, std::string field,
                                          std::shared_ptr<std::optional<SharedKeychain>> account,
                                          Accounts accounts) {
  const auto space = build->metadata.namespace_;
  if (!wanted.secret.empty())
    co_return co_await read_secret(client, space, wanted.secret, field + ".secretRef");
  if (!*account) {
    auto read =
        co_await account_keychain(client, view, space, build->spec.service_account, accounts);
    if (!read) co_return std::move(read).error();
    account->emplace(std::move(*read));
  }
  co_return **account;
}

}  // namespace

Task<Result<plan::Keychains>> read_keychains(kube::Client& client, ClusterView& view,
                                             std::shared_ptr<const api::ImageBuild> build,
                                             Accounts accounts) {
  const auto account = std::make_shared<std::optional<SharedKeychain>>();
  auto base = co_await keychain_for(client, view, build, build->spec.base.registry,
                                    std::string("spec.base"), account, accounts);
  if (!base) co_return std::move(base).error();
  auto output = co_await keychain_for(client, view, build, build->spec.output.registry,
                                      std::string("spec.output"), account, accounts);
  if (!output) co_return std::move(output).error();
  plan::Keychains keychains;
  keychains.base = std::move(*base);
  keychains.output = std::move(*output);
  for (std::size_t i = 0; i < build->spec.content.size(); ++i) {
    const auto& image = build->spec.content[i].image;
    if (!image) continue;
    auto keychain = co_await keychain_for(client, view, build, image->registry,
                                          plan::content_field(i) + ".image", account, accounts);
    if (!keychain) co_return std::move(keychain).error();
    keychains.content.insert_or_assign(i, std::move(*keychain));
  }
  co_return keychains;
}

Task<Result<registry::Access>> read_output_access(kube::Client& client, ClusterView& view,
                                                  std::shared_ptr<const api::ImageBuild> build,
                                                  plan::ContentProvider& provider) {
  const auto account = std::make_shared<std::optional<SharedKeychain>>();
  auto keychain = co_await keychain_for(client, view, build, build->spec.output.registry,
                                        std::string("spec.output"), account, Accounts::kAsTheyAre);
  if (!keychain) co_return std::move(keychain).error();
  co_return co_await plan::read_output_access(build, provider, std::move(*keychain));
}

}  // namespace kiln::imagebuild
