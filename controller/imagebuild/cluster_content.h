#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controller/api/image_build.h"
#include "controller/imagebuild/cluster_view.h"
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

/// How a service account is read. Who has a good image has good credentials, and what the API
/// server remembers of the account will do.
enum class Accounts { kAsTheyAre, kAsRemembered };

/// The credentials for base, output and images of the content: secretRef where there is one, else
/// the imagePullSecrets of the service account. Secrets that imagePullSecrets name and that do not
/// exist are passed over, as the kubelet does; a missing service account has none. `view` is told
/// which they are. Errors: kNotFound (secretRef), kInvalid (a Secret of another type, or not
/// readable). Lifetime: `client` and `view` outlive the task.
[[nodiscard]] Task<Result<plan::Keychains>> read_keychains(
    kube::Client& client, ClusterView& view, std::shared_ptr<const api::ImageBuild> build,
    Accounts accounts);

/// How the registry of the output is reached, for those who need no more than that. Errors: as
/// read_keychains(), and those of `provider`. Lifetime: as read_keychains(); `provider` too.
[[nodiscard]] Task<Result<registry::Access>> read_output_access(
    kube::Client& client, ClusterView& view, std::shared_ptr<const api::ImageBuild> build,
    plan::ContentProvider& provider);

}  // namespace kiln::imagebuild
