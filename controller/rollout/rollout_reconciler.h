#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "controller/api/image_build.h"
#include "controller/kube/client.h"
#include "controller/obs/metrics.h"
#include "controller/rollout/pod_images.h"
#include "controller/rollout/workload_view.h"
#include "controller/runtime/controller.h"
#include "controller/runtime/event_recorder.h"
#include "core/base/clock.h"

namespace kiln::rollout {

/// What a workload may get from an ImageBuild.
struct BuildImage {
  std::string image;   ///< status.image; "" = none was made so far.
  bool ready = false;  ///< Ready, and for its newest generation.

  BuildImage() = default;
  explicit BuildImage(const api::ImageBuild& build);
};

/// nullopt = there is no such ImageBuild.
using FindImage = std::function<std::optional<BuildImage>(const kube::ObjectKey&)>;

struct RolloutOptions {
  /// false: others look after some ImageBuilds, so one that is not known is no mistake.
  bool knows_all_builds = true;
  obs::Metrics* metrics = nullptr;
  RolloutOptions() = default;
};

/// Sets the images of one workload by server-side apply, as the field manager kube::kFieldManager,
/// to those of the ImageBuilds that its annotation names. Level-triggered: reads the workload as it
/// is now, and writes nothing when the images stand there already.
///
/// Nothing is written where the annotation is wrong or names a place that the pod template does not
/// have (the server would add it); where an ImageBuild is not Ready its image is waited for. Who
/// keeps setting another image is answered with growing pauses. Whatever goes wrong is said in an
/// Event of the workload. Lifetime: what it is given outlives it.
class RolloutReconciler final : public runtime::Reconciler {
 public:
  RolloutReconciler(kube::Client& kube, runtime::EventSink& events, const Clock& clock,
                    const WorkloadView& view, FindImage find_image, RolloutOptions options);

  Task<runtime::ReconcileResult> reconcile(kube::ObjectKey key,
                                           runtime::WorkQueue::Time asked) override;

 private:
  using Time = std::chrono::steady_clock::time_point;
  /// What is remembered of a workload; of no importance for the result.
  struct Memory {
    std::optional<Time> missing_since{};  ///< An ImageBuild is named that is not there.
    Images written{};
    Time written_at{};
    int undone = 0;  ///< How often `written` had to be written again.
  };
  /// What one pass finds out about a workload.
  struct Plan {
    Images images{};   ///< What is to stand there.
    std::string news;  ///< What of it does not stand there yet, in words; "" = nothing.
    std::optional<std::chrono::milliseconds> look_again{};
  };

  Task<Result<runtime::ReconcileResult>> pass(std::shared_ptr<const Workload> workload);
  Result<Plan> make_plan(const Workload& workload, const kube::Object& object,
                         const PodImages& pod);
  std::optional<std::string> image_for(const Workload& workload, const std::string& build,
                                       Plan& plan);
  std::optional<std::chrono::milliseconds> missing(const Workload& workload,
                                                   const std::string& build);
  std::chrono::milliseconds pause_before(const Workload& workload, const Images& images);
  void written(const Workload& workload, const Plan& plan);
  runtime::ReconcileResult refused(const Workload& workload, const Error& error);
  runtime::ReconcileResult failed(const Workload& workload, const Error& error);
  void tell(const Workload& workload, runtime::EventType type, std::string_view reason,
            std::string_view note);
  void count(std::string_view result);

  kube::Client& kube_;
  runtime::EventSink& events_;
  const Clock& clock_;
  const WorkloadView& view_;
  FindImage find_image_;
  RolloutOptions options_;
  std::map<kube::ObjectKey, Memory> memory_;
};

}  // namespace kiln::rollout
