#include "controller/imagebuild/deletion.h"

#include <algorithm>

#include "controller/imagebuild/cluster_content.h"
#include "core/base/choices.h"
#include "core/base/deadline.h"
#include "core/base/json.h"
#include "core/base/log.h"

namespace kiln::imagebuild {
namespace {

using runtime::ReconcileResult;
using std::chrono::milliseconds;

constexpr int kTries = 20;
constexpr milliseconds kShortestPause{1'000};
constexpr milliseconds kLongestPause{30'000};
/// Credentials that are gone seldom come back: often the whole namespace is on its way out.
constexpr milliseconds kPatienceWithoutLogin{30'000};

std::string listed(const std::vector<std::string>& tags) {
  constexpr std::size_t kShown = 10;
  return some_of(tags, kShown);
}

}  // namespace

std::string finalizer_patch(const kube::ObjectMeta& meta, bool wanted) {
  auto finalizers = meta.finalizers;
  std::erase(finalizers, kFinalizer);
  if (wanted) finalizers.emplace_back(kFinalizer);
  return dump_json({{"metadata", {{"finalizers", finalizers}}}});
}

Deletion::Deletion(Ports ports, std::shared_ptr<const Seen> seen, runtime::WorkQueue::Time asked)
    : ports_(std::move(ports)), seen_(std::move(seen)), asked_(asked) {}

Task<ReconcileResult> Deletion::run() {
  if (!seen_->meta.has_finalizer(kFinalizer)) co_return ReconcileResult::done();
  if (seen_->build && seen_->build->spec.deletion_policy == "Delete") {
    const auto removal = co_await remove_pushed();
    if (removal.failure) {
      if (removal.failure->code == Errc::kCancelled) co_return ReconcileResult::done();
      const auto left = patience(removal);
      if (left.count() > 0) co_return co_await wait(*removal.failure, left);
    }
    tell(removal);
  }
  co_return co_await let_go();
}

Task<Removal> Deletion::remove_pushed() {
  Removal removal;
  auto pushed = pushed_by(*seen_->build);
  if (pushed.tags.empty()) co_return removal;
  ClusterContent content(ports_.kube, seen_->meta.namespace_);
  auto access = co_await ports_.credentials.read_output_access(seen_->build, content, asked_);
  if (!access) {
    secret_missing_ = access.error().code == Errc::kNotFound;
    removal.failure = std::move(access).error();
    co_return removal;
  }
  const kube::ObjectKey owner(seen_->meta.namespace_, seen_->meta.name);
  co_return co_await remove_tags(ports_.registry, std::move(*access), ports_.view, owner,
                                 std::move(pushed));
}

/// For how much longer failures are borne with.
milliseconds Deletion::patience(const Removal& removal) const {
  if (!removal.failure || !seen_->meta.deletion_timestamp) return milliseconds(0);
  auto limit = seen_->build->spec.timeout;
  if (secret_missing_ || removal.failure->code == Errc::kUnauthorized)
    limit = std::min(limit, kPatienceWithoutLogin);
  const auto until = *seen_->meta.deletion_timestamp + limit;
  return std::max(std::chrono::duration_cast<milliseconds>(until - ports_.clock.now()),
                  milliseconds(0));
}

Task<ReconcileResult> Deletion::wait(Error failure, milliseconds left) {
  const auto until = ports_.clock.now() + std::chrono::ceil<std::chrono::seconds>(left);
  const auto message = "deleting the tags: " + failure.message + "; it is tried until " +
                       format_rfc3339(until) + ", then the tags are left";
  auto status = seen_->build->status;
  api::Condition ready(std::string(api::condition_type::kReady), false, seen_->meta.generation,
                       "Deleting", message);
  const auto* before = api::find_condition(status.conditions, api::condition_type::kReady);
  const bool is_news = before == nullptr || before->reason != "Deleting";
  if (is_news) {
    api::set_condition(status.conditions, std::move(ready), ports_.clock.now());
    const runtime::ObjectReference object(kImageBuilds, seen_->meta);
    ports_.events.record(object, runtime::EventType::kWarning, "Deleting", "Deleting", message);
    const kube::ObjectKey key(seen_->meta.namespace_, seen_->meta.name);
    auto unchanged = kube::Precondition::unchanged(seen_->meta);
    const auto text = api::status_json(status);
    const auto written =
        co_await ports_.kube.update_status(kImageBuilds, key, text, std::move(unchanged));
    if (written) ports_.view.wrote(*written, *seen_->build, status, text);
  }
  log::warning("cannot delete the tags yet",
               {{"imageBuild", seen_->build->metadata.key()}, {"error", failure.message}});
  auto pause =
      std::clamp<milliseconds>(seen_->build->spec.timeout / kTries, kShortestPause, kLongestPause);
  if (failure.retry_after) pause = std::max<milliseconds>(pause, *failure.retry_after);
  co_return ReconcileResult::again_after(std::min(pause, left));
}

void Deletion::tell(const Removal& removal) {
  const runtime::ObjectReference object(kImageBuilds, seen_->meta);
  const auto name = seen_->build->metadata.key();
  if (!removal.deleted.empty()) {
    ports_.events.record(object, runtime::EventType::kNormal, "Deleted", "Deleting",
                         "deleted " + listed(removal.deleted));
    log::info("tags deleted", {{"imageBuild", name}, {"tags", listed(removal.deleted)}});
  }
  const auto warn = [&](const std::string& note) {
    ports_.events.record(object, runtime::EventType::kWarning, "TagsLeft", "Deleting", note);
    log::warning("tags left", {{"imageBuild", name}, {"why", note}});
  };
  if (!removal.foreign.empty()) warn("left what others pushed: " + listed(removal.foreign));
  if (!removal.refused.empty())
    warn("the registry deletes no tags, so these are left: " + listed(removal.refused));
  if (removal.failure)
    warn("the tags that are left could not be deleted: " + removal.failure->message);
}

Task<ReconcileResult> Deletion::let_go() {
  const kube::ObjectKey key(seen_->meta.namespace_, seen_->meta.name);
  auto patch = finalizer_patch(seen_->meta, false);
  auto unchanged = kube::Precondition::unchanged(seen_->meta);
  const auto freed =
      co_await ports_.kube.merge_patch(kImageBuilds, key, std::move(patch), std::move(unchanged));
  if (freed || freed.error().code == Errc::kNotFound) co_return ReconcileResult::done();
  log::warning("cannot take the finalizer away",
               {{"imageBuild", key.str()}, {"error", freed.error().message}});
  co_return ReconcileResult::retry(freed.error().retry_after.value_or(std::chrono::seconds(0)));
}

}  // namespace kiln::imagebuild
