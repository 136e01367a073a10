#include "controller/imagebuild/credentials.h"

#include <algorithm>

#include "controller/imagebuild/cluster_content.h"
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

std::vector<std::string> pull_secret_names(const kube::Object& account) {
  std::vector<std::string> names;
  const auto json = parse_json(account.json());
  if (!json) return names;
  for (const auto& item : json_at(*json, "imagePullSecrets"))
    if (auto name = json_string(item, "name"); !name.empty()) names.push_back(std::move(name));
  return names;
}

}  // namespace

Credentials::Credentials(kube::Client& client, ClusterView& view, const Clock& clock)
    : client_(client),
      view_(view),
      clock_(clock),
      accounts_(clock, kNewEnough),
      secrets_(clock, kNewEnough) {}

std::chrono::milliseconds age_since(runtime::WorkQueue::Time asked, const Clock& clock) {
  const auto age = std::chrono::floor<std::chrono::milliseconds>(clock.steady_now() - asked);
  return std::min<std::chrono::milliseconds>(age, kNewEnough);
}

Task<Result<Credentials::SharedKeychain>> Credentials::read_secret(kube::ObjectKey key) {
  ClusterContent content(client_, key.namespace_);
  auto secret = co_await content.secret(key.name);
  if (!secret) co_return std::move(secret).error();
  co_return keychain_of(*secret, key.name);
}

Task<Result<Credentials::SharedKeychain>> Credentials::secret(kube::ObjectKey key,
                                                              runtime::WorkQueue::Time asked,
                                                              std::string field) {
  SharedAnswers<SharedKeychain>::Ask ask = [this, key] { return read_secret(key); };
  auto keychain =
      co_await secrets_.get(key.str(), std::string(), age_since(asked, clock_), std::move(ask));
  if (!keychain) co_return std::move(keychain).error().while_doing(field);
  co_return keychain;
}

Task<Result<Credentials::Names>> Credentials::names_of(kube::ObjectKey account, Accounts accounts) {
  auto reading = accounts == Accounts::kAsRemembered
                     ? client_.get_remembered(kube::kServiceAccounts, account, "0")
                     : client_.get(kube::kServiceAccounts, account);
  auto object = co_await std::move(reading);
  if (!object && object.error().code == Errc::kNotFound) co_return Names();
  if (!object) co_return std::move(object).error();
  co_return pull_secret_names(*object);
}

Task<Result<Credentials::SharedKeychain>> Credentials::account_keychain(Wanted wanted) {
  const auto& build = *wanted.build;
  const auto accounts = wanted.accounts;
  const kube::ObjectKey key(build.metadata.namespace_, build.spec.service_account);
  SharedAnswers<Names>::Ask ask = [this, key, accounts] { return names_of(key, accounts); };
  auto question = key.str() + (accounts == Accounts::kAsRemembered ? " as remembered" : "");
  auto names = co_await accounts_.get(std::move(question), std::string(),
                                      age_since(wanted.asked, clock_), std::move(ask));
  if (!names) co_return std::move(names).error();
  // Before they are read: one that is missing or wrong is waited for.
  view_.account_names(key, *names);
  std::vector<SharedKeychain> chain;
  for (const auto& name : *names) {
    auto keychain = co_await secret(kube::ObjectKey(key.namespace_, name), wanted.asked,
                                    "serviceAccountName " + key.name);
    if (!keychain && keychain.error().code == Errc::kNotFound) continue;
    if (!keychain) co_return std::move(keychain).error();
    chain.push_back(std::move(*keychain));
  }
  if (chain.empty()) co_return SharedKeychain();
  co_return SharedKeychain(std::make_shared<auth::KeychainChain>(std::move(chain)));
}

/// secretRef where there is one, else that of the account.
Task<Result<Credentials::SharedKeychain>> Credentials::keychain_for(Wanted wanted,
                                                                    api::RegistryRef ref,
                                                                    std::string field) {
  if (!ref.secret.empty())
    co_return co_await secret(kube::ObjectKey(wanted.build->metadata.namespace_, ref.secret),
                              wanted.asked, field + ".secretRef");
  co_return co_await account_keychain(wanted);
}

Task<Result<plan::Keychains>> Credentials::read_keychains(
    std::shared_ptr<const api::ImageBuild> build, runtime::WorkQueue::Time asked,
    Accounts accounts) {
  const Wanted wanted(build, asked, accounts);
  auto base = co_await keychain_for(wanted, build->spec.base.registry, std::string("spec.base"));
  if (!base) co_return std::move(base).error();
  auto output =
      co_await keychain_for(wanted, build->spec.output.registry, std::string("spec.output"));
  if (!output) co_return std::move(output).error();
  plan::Keychains keychains;
  keychains.base = std::move(*base);
  keychains.output = std::move(*output);
  for (std::size_t i = 0; i < build->spec.content.size(); ++i) {
    const auto& image = build->spec.content[i].image;
    if (!image) continue;
    auto keychain =
        co_await keychain_for(wanted, image->registry, plan::content_field(i) + ".image");
    if (!keychain) co_return std::move(keychain).error();
    keychains.content.insert_or_assign(i, std::move(*keychain));
  }
  co_return keychains;
}

Task<Result<registry::Access>> Credentials::read_output_access(
    std::shared_ptr<const api::ImageBuild> build, plan::ContentProvider& provider,
    runtime::WorkQueue::Time asked) {
  const Wanted wanted(build, asked, Accounts::kAsTheyAre);
  auto keychain =
      co_await keychain_for(wanted, build->spec.output.registry, std::string("spec.output"));
  if (!keychain) co_return std::move(keychain).error();
  co_return co_await plan::read_output_access(build, provider, std::move(*keychain));
}

}  // namespace kiln::imagebuild
