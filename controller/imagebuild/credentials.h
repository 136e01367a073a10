#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "controller/api/image_build.h"
#include "controller/imagebuild/cluster_view.h"
#include "controller/kube/client.h"
#include "controller/plan/plan.h"
#include "controller/runtime/work_queue.h"
#include "core/base/clock.h"
#include "core/base/shared_answers.h"

namespace kiln::imagebuild {

/// How old an answer may be for those who wait, if it was asked for after they came. Not more: what
/// changes meanwhile does not bring everybody back who waits.
inline constexpr std::chrono::seconds kNewEnough{5};

/// Since `asked`, or kNewEnough.
[[nodiscard]] std::chrono::milliseconds age_since(runtime::WorkQueue::Time asked,
                                                  const Clock& clock);

/// How a service account is read. Who has a good image has good credentials, and what the API
/// server remembers of the account will do.
enum class Accounts { kAsTheyAre, kAsRemembered };

/// The credentials for registries: secretRef where there is one, else the imagePullSecrets of the
/// service account. Secrets that imagePullSecrets name and that do not exist are passed over, as
/// the kubelet does; a missing service account has none. The view is told which they are.
///
/// Each account and Secret is read once for all who ask within some seconds: nobody gets what was
/// read before `asked` (see runtime::Reconciler), or what is older than kNewEnough. What was read
/// last stays in memory until somebody asks again.
/// Threads: one executor. Lifetime: it and what it is made of outlive its tasks.
class Credentials {
 public:
  Credentials(kube::Client& client, ClusterView& view, const Clock& clock);

  /// Those for base, output and images of the content.
  /// Errors: kNotFound (secretRef), kInvalid (a Secret of another type, or not readable).
  [[nodiscard]] Task<Result<plan::Keychains>> read_keychains(
      std::shared_ptr<const api::ImageBuild> build, runtime::WorkQueue::Time asked,
      Accounts accounts);

  /// How the registry of the output is reached, for those who need no more than that. Errors: as
  /// read_keychains(), and those of `provider`. Lifetime: `provider` outlives the task.
  [[nodiscard]] Task<Result<registry::Access>> read_output_access(
      std::shared_ptr<const api::ImageBuild> build, plan::ContentProvider& provider,
      runtime::WorkQueue::Time asked);

 private:
  using SharedKeychain = std::shared_ptr<const auth::Keychain>;
  using Names = std::vector<std::string>;

  /// What one pass wants. What it asks for twice is read once, as for several.
  struct Wanted {
    std::shared_ptr<const api::ImageBuild> build;
    runtime::WorkQueue::Time asked;
    Accounts accounts;
    Wanted(std::shared_ptr<const api::ImageBuild> b, runtime::WorkQueue::Time t, Accounts a)
        : build(std::move(b)), asked(t), accounts(a) {}
  };

  Task<Result<SharedKeychain>> keychain_for(Wanted wanted, api::RegistryRef ref, std::string field);
  Task<Result<SharedKeychain>> account_keychain(Wanted wanted);
  Task<Result<SharedKeychain>> secret(kube::ObjectKey key, runtime::WorkQueue::Time asked,
                                      std::string field);
  Task<Result<Names>> names_of(kube::ObjectKey account, Accounts accounts);
  Task<Result<SharedKeychain>> read_secret(kube::ObjectKey key);

  kube::Client& client_;
  ClusterView& view_;
  const Clock& clock_;
  SharedAnswers<Names> accounts_;
  SharedAnswers<SharedKeychain> secrets_;
};

}  // namespace kiln::imagebuild
