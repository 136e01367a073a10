#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "controller/kube/client.h"
#include "controller/plan/plan.h"

namespace kiln::imagebuild {

/// ConfigMaps and Secrets of one namespace, read from the API server when asked; nothing is kept
/// but what was read ahead. Lifetime: `client` outlives it.
class ClusterContent final : public plan::ContentProvider {
 public:
  ClusterContent(kube::Client& client, std::string space)
      : client_(client), namespace_(std::move(space)) {}

  Task<Result<plan::NamedData>> config_map(std::string name) override;
  Task<Result<plan::NamedData>> secret(std::string name) override;
  /// A ConfigMap and the resourceVersion that it is known to have at least; "" = it is read as it
  /// is now.
  using Known = std::pair<std::string, std::string>;
  /// Reads these now, all at once. An error is told when it is asked for that one.
  [[nodiscard]] Task<Result<void>> read_ahead(std::vector<Known> config_maps);
  /// The last thing asked for was a Secret: it is what a kNotFound is about.
  bool asked_for_secret() const { return asked_for_secret_; }

 private:
  Task<Result<int>> keep(std::string config_map, std::string version);

  kube::Client& client_;
  std::string namespace_;
  bool asked_for_secret_ = false;
  std::map<std::string, Result<kube::Object>> config_maps_;  ///< What was read ahead.
};

}  // namespace kiln::imagebuild
