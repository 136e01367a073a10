#include "controller/imagebuild/cluster_content.h"

#include <vector>

#include "core/base/gather.h"

namespace kiln::imagebuild {

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

}  // namespace kiln::imagebuild
