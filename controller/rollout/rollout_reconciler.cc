#include "controller/rollout/rollout_reconciler.h"

#include <algorithm>
#include <utility>

#include "controller/api/conditions.h"
#include "core/base/log.h"

namespace kiln::rollout {
namespace {

using runtime::EventType;
using runtime::ReconcileResult;
using std::chrono::milliseconds;

/// Somebody else's writes (a status, mostly) may come between reading and applying.
constexpr int kTries = 4;
/// Who applies a workload together with its ImageBuild may apply the workload first.
constexpr std::chrono::seconds kPatience{5};
constexpr std::chrono::seconds kFirstPause{10};
constexpr std::chrono::seconds kLongestPause{300};
/// What was not undone for so long is settled.
constexpr std::chrono::hours kSettled{1};

/// Of the Event. "" = it passes by itself, and nobody can do anything about it.
std::string_view reason_of(const Error& error) {
  if (error.code == Errc::kDenied) return "RolloutDenied";
  if (error.code == Errc::kInvalid) return "RolloutRefused";
  return "";
}

}  // namespace

BuildImage::BuildImage(const api::ImageBuild& build) : image(build.status.image) {
  const auto* condition = api::find_condition(build.status.conditions, api::condition_type::kReady);
  ready = condition != nullptr && condition->status == "True" &&
          build.status.observed_generation == build.metadata.generation;
}

RolloutReconciler::RolloutReconciler(kube::Client& kube, runtime::EventSink& events,
                                     const Clock& clock, const WorkloadView& view,
                                     FindImage find_image, RolloutOptions options)
    : kube_(kube),
      events_(events),
      clock_(clock),
      view_(view),
      find_image_(std::move(find_image)),
      options_(options) {}

Task<ReconcileResult> RolloutReconciler::reconcile(kube::ObjectKey key,
                                                   runtime::WorkQueue::Time /*asked*/) {
  const auto workload = view_.find(key);
  if (!workload) {
    memory_.erase(key);
    co_return ReconcileResult::done();
  }
  if (workload->deleting) co_return ReconcileResult::done();
  for (int attempt = 1;; ++attempt) {
    const auto passed = co_await pass(workload);
    if (passed) co_return *passed;
    const auto& error = passed.error();
    // Gone meanwhile: the watch will tell. The end of the program: the next one looks again.
    if (error.code == Errc::kNotFound || error.code == Errc::kCancelled)
      co_return ReconcileResult::done();
    if (error.code != Errc::kConflict || attempt == kTries) co_return failed(*workload, error);
  }
}

Task<Result<ReconcileResult>> RolloutReconciler::pass(std::shared_ptr<const Workload> workload) {
  const auto object = co_await kube_.get(workload->type, workload->key());
  if (!object) co_return object.error();
  if (object->meta().is_deleting()) co_return ReconcileResult::done();
  const auto pod = PodImages::read(*object, workload->type);
  if (!pod) co_return refused(*workload, pod.error());
  const auto plan = make_plan(*workload, *object, *pod);
  if (!plan) co_return refused(*workload, plan.error());
  const auto otherwise =
      plan->look_again ? ReconcileResult::again_after(*plan->look_again) : ReconcileResult::done();
  if (plan->news.empty()) co_return otherwise;
  if (const auto pause = pause_before(*workload, plan->images); pause.count() > 0)
    co_return ReconcileResult::again_after(pause);

  // Exactly the state that was read: there the places are, and else they would be added.
  auto unchanged = kube::Precondition::unchanged(object->meta());
  auto fields = pod->to_apply(plan->images);
  const auto applied = co_await kube_.apply(workload->type, workload->key(), std::move(fields),
                                            std::string(kube::kFieldManager), std::move(unchanged));
  if (!applied) co_return applied.error();
  written(*workload, *plan);
  co_return otherwise;
}

/// Errors: what must not be written at all. An image that is not there yet is none: the others go
/// their way.
Result<RolloutReconciler::Plan> RolloutReconciler::make_plan(const Workload& workload,
                                                             const kube::Object& object,
                                                             const PodImages& pod) {
  Plan plan;
  if (!object.meta().annotations.contains(std::string(kImageFrom))) return plan;
  const auto entries = parse_image_from(object.meta().annotation(kImageFrom));
  if (!entries) return entries.error();
  for (const auto& entry : *entries) KILN_TRY(pod.at(entry.place));
  for (const auto& entry : *entries) {
    const auto image = image_for(workload, entry.image_build, plan);
    if (!image) continue;
    plan.images.emplace(entry.place, *image);
    if (*pod.at(entry.place) == *image) continue;
    plan.news += (plan.news.empty() ? "" : "; ") + entry.place.str() + ": " + *image +
                 " (ImageBuild " + entry.image_build + ")";
  }
  if (!plan.look_again) memory_[workload.work_key()].missing_since.reset();
  return plan;
}

/// nullopt = there is none for now.
std::optional<std::string> RolloutReconciler::image_for(const Workload& workload,
                                                        const std::string& build, Plan& plan) {
  const auto found = find_image_(kube::ObjectKey(workload.reference.namespace_, build));
  if (!found) {
    if (const auto patience = missing(workload, build)) plan.look_again = patience;
    return std::nullopt;
  }
  if (found->ready && !found->image.empty()) return found->image;
  if (found->image.empty())
    tell(workload, EventType::kNormal, "WaitingForImage",
         "ImageBuild " + build + " has made no image so far");
  return std::nullopt;
}

/// How long it may still take until it is a mistake; nullopt = it is one.
std::optional<milliseconds> RolloutReconciler::missing(const Workload& workload,
                                                       const std::string& build) {
  if (!options_.knows_all_builds) return std::nullopt;
  auto& since = memory_[workload.work_key()].missing_since;
  const auto now = clock_.steady_now();
  if (!since) since = now;
  if (now - *since < kPatience) return std::chrono::ceil<milliseconds>(*since + kPatience - now);
  tell(workload, EventType::kWarning, "ImageBuildNotFound",
       "there is no ImageBuild " + build + " in the namespace " + workload.reference.namespace_);
  return std::nullopt;
}

/// Two that undo one another's writes at once would never end, and each time all pods are replaced.
milliseconds RolloutReconciler::pause_before(const Workload& workload, const Images& images) {
  auto& memory = memory_[workload.work_key()];
  const auto since = clock_.steady_now() - memory.written_at;
  if (memory.written != images || since > kSettled) memory.undone = 0;
  if (memory.undone == 0) return milliseconds(0);
  tell(workload, EventType::kWarning, "ImageContested",
       "somebody else keeps setting another image; leave the image out of what they apply, by "
       "server-side apply");
  const auto growth = std::min(memory.undone - 1, 10);
  const auto pause = std::min<std::chrono::seconds>(kFirstPause * (1 << growth), kLongestPause);
  if (since >= pause) return milliseconds(0);
  return std::chrono::ceil<milliseconds>(pause - since);
}

void RolloutReconciler::written(const Workload& workload, const Plan& plan) {
  auto& memory = memory_[workload.work_key()];
  memory.undone = memory.written == plan.images ? memory.undone + 1 : 0;
  memory.written = plan.images;
  memory.written_at = clock_.steady_now();
  tell(workload, EventType::kNormal, "RolledOut", plan.news);
  count("applied");
  log::info("rolled out", {{"workload", workload.work_key().str()}, {"images", plan.news}});
}

ReconcileResult RolloutReconciler::refused(const Workload& workload, const Error& error) {
  tell(workload, EventType::kWarning, "AnnotationInvalid", error.message);
  count("refused");
  log::warning("rollout refused",
               {{"workload", workload.work_key().str()}, {"error", error.message}});
  return ReconcileResult::done();
}

ReconcileResult RolloutReconciler::failed(const Workload& workload, const Error& error) {
  if (const auto reason = reason_of(error); !reason.empty())
    tell(workload, EventType::kWarning, reason, error.message);
  count("failed");
  log::warning("rollout failed",
               {{"workload", workload.work_key().str()}, {"error", error.message}});
  return ReconcileResult::retry(error.retry_after.value_or(std::chrono::seconds(0)));
}

void RolloutReconciler::tell(const Workload& workload, EventType type, std::string_view reason,
                             std::string_view note) {
  events_.record(workload.reference, type, reason, "RollingOut", note);
}

void RolloutReconciler::count(std::string_view result) {
  if (options_.metrics != nullptr) options_.metrics->rollouts.add({result});
}

}  // namespace kiln::rollout
