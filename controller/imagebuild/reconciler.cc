#include "controller/imagebuild/reconciler.h"

#include <algorithm>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>
#include <optional>

#include "controller/imagebuild/build_meter.h"
#include "controller/imagebuild/deletion.h"
#include "controller/runtime/backoff.h"
#include "core/base/deadline.h"
#include "core/base/log.h"
#include "core/base/memory.h"

namespace kiln::imagebuild {
namespace {

using runtime::ReconcileResult;
namespace type = api::condition_type;

constexpr std::chrono::seconds kContestedDelay{60};
constexpr std::chrono::seconds kLastWriteLimit{2};

/// Sets the conditions that follow from one outcome. Ready=False alone reads as "in progress" to
/// kstatus, so a dead end also sets Stalled, and a retry Reconciling.
class ConditionWriter {
 public:
  ConditionWriter(api::Status& status, std::int64_t generation, WallTime now)
      : status_(status), generation_(generation), now_(now) {}

  /// Of the image that the tags hold; `note` as note_of_build() has it.
  void ready(const std::string& image, const std::string& note) {
    set(type::kReady, true, "Succeeded", image + note);
    clear_abnormal();
  }
  void pinned(const std::string& image) {
    const auto message =
        "the tags are held at " + image + ": nothing is built until spec.pin is dropped";
    set(type::kReady, true, "Pinned", message);
    set(type::kPushed, true, "Pinned", message);
    clear_abnormal();
  }
  void steps_done(const std::string& note) {
    set(type::kBaseResolved, true, "Succeeded", "the base image is resolved");
    set(type::kContentReady, true, "Succeeded", "the content is read");
    set(type::kPushed, true, "Succeeded", "the image is pushed" + note);
  }
  void failed(const std::string& reason, const std::string& message, bool dead_end) {
    set(type::kReady, false, reason, message);
    if (dead_end)
      stalled(reason, message);
    else
      reconciling("ProgressingWithRetry", message);
  }
  void step_failed(Step step, const std::string& reason, const std::string& message) {
    if (step == Step::kBase) set(type::kBaseResolved, false, reason, message);
    if (step == Step::kContent || step == Step::kFetch || step == Step::kImage ||
        step == Step::kAssemble)
      set(type::kContentReady, false, reason, message);
    if (step == Step::kPush || step == Step::kPin) set(type::kPushed, false, reason, message);
  }
  void interrupted() {
    const std::string message =
        "the controller was stopped in the middle of the build; the next one begins it again";
    api::Condition ready(std::string(type::kReady), false, generation_, "Interrupted", message);
    ready.status = "Unknown";
    api::set_condition(status_.conditions, std::move(ready), now_);
    reconciling("Interrupted", message);
  }
  void suspended(const std::string& message, bool has_image) {
    set(type::kReady, has_image, "Suspended", message);
    if (has_image)
      clear_abnormal();
    else
      stalled("Suspended", message);
  }

 private:
  void set(std::string_view name, bool holds, const std::string& reason,
           const std::string& message) {
    api::Condition condition(std::string(name), holds, generation_, reason, message);
    api::set_condition(status_.conditions, std::move(condition), now_);
  }
  /// One that stays is not taken away first: it keeps the time of its transition.
  void stalled(const std::string& reason, const std::string& message) {
    api::remove_condition(status_.conditions, type::kReconciling);
    set(type::kStalled, true, reason, message);
  }
  void reconciling(const std::string& reason, const std::string& message) {
    api::remove_condition(status_.conditions, type::kStalled);
    set(type::kReconciling, true, reason, message);
  }
  void clear_abnormal() {
    api::remove_condition(status_.conditions, type::kReconciling);
    api::remove_condition(status_.conditions, type::kStalled);
  }

  api::Status& status_;
  std::int64_t generation_;
  WallTime now_;
};

constexpr std::string_view kNote = "; warning: ";

/// What is true of the image as long as it is the one: Ready and Pushed say it behind their own
/// words.
std::string note_of_build(const std::vector<std::string>& warnings) {
  constexpr std::size_t kMost = 5;
  std::string note;
  for (std::size_t i = 0; i < std::min(warnings.size(), kMost); ++i)
    note += std::string(kNote) + warnings[i];
  if (warnings.size() > kMost) note += "; and " + std::to_string(warnings.size() - kMost) + " more";
  return note;
}

/// The note of the last build. Only another build changes it, and failures leave Pushed alone but
/// for those of a push.
std::string note_in(const api::Status& status) {
  const auto* pushed = api::find_condition(status.conditions, type::kPushed);
  if (pushed == nullptr || pushed->status != "True") return "";
  const auto at = pushed->message.find(kNote);
  return at == std::string::npos ? "" : pushed->message.substr(at);
}

std::string described(const std::vector<api::Reason>& reasons) {
  std::string text;
  std::string_view last;
  for (const auto& reason : reasons) {
    if (reason.type != last) text += (text.empty() ? "" : ", ") + reason.type;
    last = reason.type;
  }
  return text;
}

}  // namespace

std::optional<std::chrono::milliseconds> ImageBuildReconciler::poll_delay(
    const api::ImageBuild& build) const {
  const auto interval = build.spec.interval;
  if (interval.count() == 0 || build.spec.suspend) return std::nullopt;
  const auto varied = std::chrono::duration<double, std::milli>(interval) *
                      (1.0 + options_.interval_jitter * (2.0 * runtime::random_share() - 1.0));
  return std::chrono::duration_cast<std::chrono::milliseconds>(varied);
}

ReconcileResult ImageBuildReconciler::until_next_poll(const api::ImageBuild& build) const {
  const auto delay = poll_delay(build);
  return delay ? ReconcileResult::again_after(*delay) : ReconcileResult::done();
}

Task<ReconcileResult> ImageBuildReconciler::reconcile(kube::ObjectKey key,
                                                      runtime::WorkQueue::Time asked) {
  const auto seen = ports_.view.find(key);
  if (!seen) co_return ReconcileResult::done();
  if (seen->meta.is_deleting()) {
    const auto deletion = std::make_shared<Deletion>(ports_, seen, asked);
    co_return co_await deletion->run();
  }
  if (!seen->build) {
    log::warning("cannot read an ImageBuild",
                 {{"imageBuild", key.str()}, {"error", seen->unreadable}});
    co_return ReconcileResult::done();
  }
  auto pass = std::make_shared<BuildPass>(ports_, seen, asked, options_.metrics, options_.patience);
  auto limited = with_deadline(pass->run(), seen->build->spec.timeout,
                               std::string("the build (spec.timeout)"));
  auto last = co_await std::move(limited);
  // A cancelled task cannot wait for anything any more; there is one write left to do.
  if (last.has_error() && last.error().code == Errc::kCancelled)
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
  const auto files = pass->files_read();
  auto result = co_await conclude(std::move(pass), seen, std::move(last));
  give_memory_back_after(files);
  co_return result;
}

/// The one place that turns how a pass ended into status, Event and what comes next.
Task<ReconcileResult> ImageBuildReconciler::conclude(std::shared_ptr<BuildPass> pass,
                                                     std::shared_ptr<const Seen> seen,
                                                     Result<Next> last) {
  const auto before = seen->build->status;
  auto& status = pass->status();
  ConditionWriter conditions(status, seen->meta.generation, ports_.clock.now());
  auto result = until_next_poll(pass->build());

  if (last.has_error()) {
    const auto error = last.error();
    if (error.code == Errc::kCancelled) co_return co_await interrupted(pass);
    if (error.code == Errc::kConflict && pass->step() == Step::kRecord)
      co_return ReconcileResult::retry();
    if (error.code == Errc::kNotFound && pass->step() == Step::kRecord)
      co_return ReconcileResult::done();
    auto verdict = judge(pass->step(), error);
    if (pass->step() == Step::kContent && error.code == Errc::kNotFound && pass->secret_missing())
      verdict.reason = "SecretNotFound";
    const std::string reason(verdict.reason);
    conditions.step_failed(pass->step(), reason, error.message);
    conditions.failed(reason, error.message, verdict.dead_end);
    if (!verdict.dead_end)
      result = ReconcileResult::retry(error.retry_after.value_or(std::chrono::seconds(0)));
    log::warning("reconcile failed", {{"imageBuild", seen->build->metadata.key()},
                                      {"step", std::string(imagebuild::name_of(pass->step()))},
                                      {"reason", reason},
                                      {"error", error.message}});
  } else if (pass->halt()) {
    const auto& halt = *pass->halt();
    if (halt.reason == "Suspended") {
      conditions.suspended(halt.message, halt.ready);
    } else if (halt.ready && pass->pinned()) {
      conditions.pinned(status.image);
    } else if (halt.ready) {
      const auto note = note_in(before);
      if (pass->up_to_date()) conditions.steps_done(note);
      conditions.ready(status.image, note);
    } else {
      if (halt.reason == "TagContested") result = ReconcileResult::again_after(kContestedDelay);
      if (halt.look_again) result = ReconcileResult::again_after(*halt.look_again);
      // Without a next look only a person can end it, and kstatus must not read it as in progress.
      conditions.failed(halt.reason, halt.message, halt.dead_end || !result.delay());
      if (halt.reason == "PlatformNotFound")
        conditions.step_failed(Step::kBase, halt.reason, halt.message);
    }
  } else if (pass->pinned()) {
    conditions.pinned(status.image);
  } else {
    const auto note = note_of_build(pass->lasting_warnings());
    conditions.steps_done(note);
    conditions.ready(status.image, note);
  }
  status.observed_generation = seen->meta.generation;
  if (!pass->requested_at().empty() && !last.has_error())
    status.last_handled_reconcile_at = pass->requested_at();
  // A time that changes with every reconcile is written only along with something else.
  auto compared = status;
  compared.next_poll_at = before.next_poll_at;
  if (!(compared == before) && result.delay() && !result.is_retry())
    status.next_poll_at = format_rfc3339(ports_.clock.now() +
                                         std::chrono::ceil<std::chrono::seconds>(*result.delay()));
  if (!result.delay()) status.next_poll_at.clear();
  if (options_.metrics != nullptr) meter_pass(*options_.metrics, *pass, last);
  auto ended = co_await write(pass, result);
  tell(*seen, *pass, before);  // Events go out behind the status: for that somebody waits.
  co_return ended;
}

/// The controller ends in the middle of a build, which is no failure: the next one begins it again.
Task<ReconcileResult> ImageBuildReconciler::interrupted(std::shared_ptr<BuildPass> pass) {
  auto& status = pass->status();
  const auto* ready = api::find_condition(status.conditions, type::kReady);
  // Else nothing was said of a build, and what stands there is still true.
  if (ready == nullptr || ready->reason != "Progressing") co_return ReconcileResult::done();
  ConditionWriter(status, ready->observed_generation, ports_.clock.now()).interrupted();
  auto limited = with_deadline(pass->write_status(), kLastWriteLimit,
                               std::string("saying that the build was interrupted"));
  const auto written = co_await std::move(limited);
  log::info("build interrupted", {{"imageBuild", pass->build().metadata.key()},
                                  {"error", written ? "" : written.error().message}});
  co_return ReconcileResult::done();
}

Task<ReconcileResult> ImageBuildReconciler::write(std::shared_ptr<BuildPass> pass,
                                                  ReconcileResult result) {
  auto written = co_await pass->write_status();
  if (written || written.error().code == Errc::kNotFound) co_return result;
  log::warning("cannot write the status",
               {{"imageBuild", pass->build().metadata.key()}, {"error", written.error().message}});
  co_return ReconcileResult::retry(written.error().retry_after.value_or(std::chrono::seconds(0)));
}

void ImageBuildReconciler::tell(const Seen& seen, BuildPass& pass, const api::Status& before) {
  const runtime::ObjectReference object(kImageBuilds, seen.meta);
  if (pass.built() || pass.moved_to_pin() || pass.tidied())
    for (const auto& warning : pass.warnings())
      ports_.events.record(object, runtime::EventType::kWarning, "BuildWarning", "Building",
                           warning);
  if (pass.moved_to_pin()) {
    ports_.events.record(object, runtime::EventType::kNormal, "Pinned", "Building",
                         "moved the tags to " + pass.status().image + " (spec.pin)");
    return;
  }
  if (pass.built()) {
    const auto& status = pass.status();
    ports_.events.record(
        object, runtime::EventType::kNormal, "Succeeded", "Building",
        "pushed " + status.image + " (" + described(status.last_build->reasons) + ")");
    log::info("image pushed", {{"imageBuild", seen.build->metadata.key()},
                               {"digest", status.digest},
                               {"reasons", described(status.last_build->reasons)},
                               {"duration", status.last_build->duration}});
    return;
  }
  const auto* now = api::find_condition(pass.status().conditions, type::kReady);
  const auto* then = api::find_condition(before.conditions, type::kReady);
  if (now == nullptr || now->status == "True") return;
  if (then != nullptr && then->reason == now->reason && then->message == now->message) return;
  ports_.events.record(object, runtime::EventType::kWarning, now->reason, "Building", now->message);
}

}  // namespace kiln::imagebuild
