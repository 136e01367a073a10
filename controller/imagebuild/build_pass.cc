#include "controller/imagebuild/build_pass.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

#include "controller/imagebuild/deletion.h"
#include "core/base/gather.h"
#include "core/base/log.h"

namespace kiln::imagebuild {
namespace {

constexpr int kWriteTries = 3;

// The order is the design; docs/architecture.md explains why each step is where it is.
// clang-format off
constexpr BuildPass::NamedStep kSteps[] = {
    {Step::kRecord, &BuildPass::settle_finalizer},
    {Step::kSpec, &BuildPass::check_spec},
    {Step::kPin, &BuildPass::hold_pin},
    {Step::kCredentials, &BuildPass::read_credentials},
    {Step::kContent, &BuildPass::read_content},
    {Step::kFetch, &BuildPass::fetch_content},
    {Step::kBase, &BuildPass::resolve_base},
    {Step::kCompare, &BuildPass::stop_if_up_to_date},
    {Step::kRecord, &BuildPass::announce},
    {Step::kAssemble, &BuildPass::assemble},
    {Step::kPush, &BuildPass::push_and_record},
    {Step::kPush, &BuildPass::publish},
};
// clang-format on

std::string requested_at(const kube::ObjectMeta& meta, const api::Status& status) {
  // One value of both, or they would be handled in turns for ever. They are times: the later one.
  const std::string value(std::max(meta.annotation("reconcile.kiln.build/requestedAt"),
                                   meta.annotation("reconcile.fluxcd.io/requestedAt")));
  return value == status.last_handled_reconcile_at ? "" : value;
}

void mark(api::Status& status, std::string_view type, bool holds, std::int64_t generation,
          std::string reason, std::string message, WallTime now) {
  api::Condition condition(std::string(type), holds, generation, std::move(reason),
                           std::move(message));
  api::set_condition(status.conditions, std::move(condition), now);
}

}  // namespace

BuildPass::BuildPass(Ports ports, std::shared_ptr<const Seen> seen, runtime::WorkQueue::Time asked,
                     obs::Metrics* metrics, std::chrono::milliseconds patience)
    : ports_(ports),
      seen_(std::move(seen)),
      build_(seen_->build),
      asked_(asked),
      written_(build_->status),
      status_(build_->status),
      resource_version_(seen_->meta.resource_version),
      patience_(patience),
      content_(ports.kube, seen_->meta.namespace_),
      requested_at_(imagebuild::requested_at(seen_->meta, build_->status)),
      notes_(std::make_shared<RegistryNotes>(metrics)) {}

std::vector<std::string> BuildPass::warnings() const {
  auto all = warnings_;
  all.insert(all.end(), notes_->warnings().begin(), notes_->warnings().end());
  return all;
}

Task<Result<Next>> BuildPass::run_steps() {
  for (const auto& named : kSteps) {
    step_ = named.step;
    auto next = co_await (this->*named.run)();
    if (!next) co_return with_advice(std::move(next).error().while_doing(doing(step_)));
    if (*next == Next::kStop) break;
  }
  if (!halt_ || up_to_date_) co_await tidy();
  co_return halt_ ? Next::kStop : Next::kContinue;
}

Result<Next> BuildPass::halt(std::string reason, std::string message, bool dead_end, bool ready) {
  halt_.emplace(std::move(reason), std::move(message), dead_end, ready);
  return Next::kStop;
}

/// Before anything else, and of suspended ones too: whoever deletes an ImageBuild may count on it.
Task<Result<Next>> BuildPass::settle_finalizer() {
  const bool wanted = build_->spec.deletion_policy == "Delete";
  if (wanted == seen_->meta.has_finalizer(kFinalizer)) co_return Next::kContinue;
  const kube::ObjectKey key(seen_->meta.namespace_, seen_->meta.name);
  auto patch = finalizer_patch(seen_->meta, wanted);
  auto unchanged = kube::Precondition::unchanged(seen_->meta);
  auto object =
      co_await ports_.kube.merge_patch(kImageBuilds, key, std::move(patch), std::move(unchanged));
  if (!object) co_return std::move(object).error();
  resource_version_ = object->meta().resource_version;
  ports_.view.wrote(*object);
  co_return Next::kContinue;
}

Task<Result<Next>> BuildPass::check_spec() {
  if (build_->spec.suspend)
    co_return halt("Suspended", "suspended: nothing is built until spec.suspend is false", false,
                   !status_.digest.empty());
  KILN_CO_TRY(plan::check_spec(*build_));
  co_return stop_if_contested();
}

/// The ConfigMaps are read at the same time: whether there are credentials says nothing of them.
/// Where nobody but an edit asks for this pass they may come out of the API server's memory, as new
/// as the edit: one that comes later starts a pass of its own.
Task<Result<Next>> BuildPass::read_credentials() {
  std::set<std::string> names;
  for (const auto& content : build_->spec.content)
    if (content.config_map) names.insert(content.config_map->name);
  std::vector<ClusterContent::Known> ahead;
  for (const auto& name : names) {
    const kube::ObjectKey key(seen_->meta.namespace_, name);
    ahead.emplace_back(name, is_poll() ? ports_.view.version_of("ConfigMap", key) : "");
  }
  std::vector<Task<Result<Next>>> all;
  if (!ahead.empty()) all.push_back(read_ahead(std::move(ahead)));
  all.push_back(read_accesses());
  if (looks_early()) all.push_back(look_early());
  auto read = co_await gather(std::move(all), 3);
  if (!read) co_return std::move(read).error();
  if (!is_anonymous()) early_.clear();  // Since just now: it was asked as somebody else.
  co_return Next::kContinue;
}

Task<Result<Next>> BuildPass::read_ahead(std::vector<ClusterContent::Known> config_maps) {
  auto read = co_await content_.read_ahead(std::move(config_maps));
  if (!read) co_return std::move(read).error();
  co_return Next::kContinue;
}

Task<Result<Next>> BuildPass::read_accesses() {
  const auto accounts = is_poll() ? Accounts::kAsRemembered : Accounts::kAsTheyAre;
  auto keychains = co_await ports_.credentials.read_keychains(build_, asked_, accounts);
  if (!keychains) co_return std::move(keychains).error();
  auto accesses = co_await plan::read_accesses(build_, content_, std::move(*keychains));
  if (!accesses) co_return std::move(accesses).error();
  accesses_ = std::move(*accesses);
  accesses_.base.listener = accesses_.output.listener = notes_;
  for (auto& [entry, access] : accesses_.content) access.listener = notes_;
  co_return Next::kContinue;
}

/// No image of this generation was pushed yet. observedGeneration does not tell: it is written when
/// an attempt starts, and the attempt may fail.
bool BuildPass::spec_is_new() const {
  const auto* pushed = api::find_condition(written_.conditions, api::condition_type::kPushed);
  return pushed == nullptr || pushed->status != "True" ||
         pushed->observed_generation != seen_->meta.generation;
}

std::vector<api::Reason> BuildPass::reasons_to_build() const {
  std::vector<api::Reason> reasons;
  if (status_.digest.empty()) return {api::Reason("Created")};
  if (!requested_at_.empty()) reasons.emplace_back("Requested", "", requested_at_);
  if (spec_is_new() || destination_is_new())
    reasons.emplace_back("SpecChanged",
                         "generation " + std::to_string(build_->status.observed_generation),
                         "generation " + std::to_string(seen_->meta.generation));
  for (std::size_t i = 0; i < fetched_->size() && i < status_.content.size(); ++i) {
    const auto& before = status_.content[i];
    const auto& now = (*fetched_)[i];
    if (before.path == build_->spec.content[i].path && before.digest != now.content.identity)
      reasons.emplace_back("ContentChanged", before.source + "@" + before.revision,
                           now.description + "@" + now.content.revision);
  }
  const auto base = base_->digest ? base_->digest->str() : "";
  if (status_.base && status_.base->digest != base)
    reasons.emplace_back("BaseChanged", status_.base->digest, base);
  if (reasons.empty()) reasons.emplace_back("SpecChanged");
  return reasons;
}

Task<Result<Next>> BuildPass::stop_if_up_to_date() {
  const auto warned = warnings_;
  auto next = co_await compare();
  if (!next || *next == Next::kStop) co_return next;
  auto reused = co_await reuse_layers();
  if (!reused) co_return std::move(reused).error();
  step_ = Step::kCompare;
  if (*reused || !has_unread_content()) co_return Next::kContinue;
  warnings_ = warned;
  step_ = Step::kFetch;
  auto read = co_await read_unread_content();
  if (!read) co_return std::move(read).error();
  step_ = Step::kCompare;
  co_return co_await compare();
}

Task<Result<Next>> BuildPass::compare() {
  key_ = build::input_key(*plan_->request, *base_, *fetched_);
  if (auto rendered = render_tags(); !rendered) co_return std::move(rendered).error();
  held_.clear();
  if (status_.input_key == key_ && !status_.digest.empty() && !destination_is_new()) {
    if (auto looked = co_await look_at_tags(); !looked) co_return std::move(looked).error();
    co_return judge_tags();
  }

  reasons_ = reasons_to_build();
  const auto& triggers = build_->spec.triggers;
  const auto ignored = [&](const api::Reason& reason) {
    return (reason.type == "ContentChanged" && !triggers.content) ||
           (reason.type == "BaseChanged" && !triggers.base);
  };
  if (std::all_of(reasons_.begin(), reasons_.end(), ignored))
    co_return halt("Succeeded",
                   "inputs changed, but spec.triggers says to wait for a change of the spec", false,
                   true);
  co_return Next::kContinue;
}

/// Did the last attempt fail at something that is not known to be cured? Then that is what Ready
/// tells until there is a result: saying that there is a build, only to take it back, would hide
/// the failure, and be two writes for every look. Reasons of steps before this one are cured: else
/// we would not be here.
bool BuildPass::failed_while_building() const {
  const auto* ready = api::find_condition(written_.conditions, api::condition_type::kReady);
  if (ready == nullptr || ready->status != "False" ||
      ready->observed_generation != seen_->meta.generation)
    return false;
  const auto& reason = ready->reason;
  for (const auto* cured : {"ConfigMapNotFound", "SecretNotFound", "GitRevisionNotFound",
                            "GitOperationFailed", "ImageNotFound", "TagContested"})
    if (reason == cured) return false;
  const auto* base = api::find_condition(written_.conditions, api::condition_type::kBaseResolved);
  return base == nullptr || base->status != "False" || base->reason != reason;
}

Task<Result<Next>> BuildPass::announce() {
  started_ = ports_.clock.now();
  started_steady_ = ports_.clock.steady_now();
  const auto generation = seen_->meta.generation;
  if (told_of_wait_)  // What was waited for has come.
    mark(status_, api::condition_type::kReconciling, true, generation, "Progressing",
         "building the image", started_);
  // An edit of content on top of a good image is announced with the pending digest: one write less.
  const auto* before = api::find_condition(status_.conditions, api::condition_type::kReady);
  const bool judged = before != nullptr && before->status != "Unknown";
  if (!status_.digest.empty() && status_.observed_generation == generation && judged)
    co_return Next::kContinue;
  if (failed_while_building()) co_return Next::kContinue;
  status_.observed_generation = generation;
  api::Condition ready(std::string(api::condition_type::kReady), false, generation, "Progressing",
                       "building the image");
  ready.status = "Unknown";
  api::set_condition(status_.conditions, std::move(ready), started_);
  mark(status_, api::condition_type::kReconciling, true, generation, "Progressing",
       "building the image", started_);
  api::remove_condition(status_.conditions, api::condition_type::kStalled);
  co_return Next::kContinue;
}

/// While the layers are made it is asked where the tags stand: that decides what is pushed. What
/// announce() has to say is written along with the pending digest, or of a first image with the
/// result, one write less, unless that takes so long that somebody would wonder.
Task<Result<Next>> BuildPass::assemble() {
  const bool looks = held_.empty();
  std::vector<Task<Result<Next>>> all;
  if (looks) all.push_back(look_meanwhile());
  if (!assembled_) all.push_back(announce_if_late(make_layers()));
  auto made = co_await gather(std::move(all), 2);
  if (!made) {
    // Nothing was announced: else each look at a registry that is down would be a new failure.
    if (step_ == Step::kCompare) status_.conditions = written_.conditions;
    co_return std::move(made).error();
  }
  if (looks) warn_of_foreign_tags("the new image takes the tag");
  co_return Next::kContinue;
}

Task<Result<Next>> BuildPass::look_meanwhile() {
  looks_at_tags_ = true;
  auto looked = co_await look_at_tags();
  looks_at_tags_ = false;
  if (!looked) step_ = Step::kCompare;
  co_return looked;
}

/// Does the work, and writes the status if that takes long.
Task<Result<Next>> BuildPass::announce_if_late(Task<Result<Next>> work) {
  constexpr std::chrono::seconds kUnannounced{1};
  const auto late =
      std::make_shared<Timer>(co_await boost::asio::this_coro::executor, kUnannounced);
  std::vector<Task<Result<Next>>> both;
  both.push_back(write_status_after(late));  // Waits before the work can end.
  both.push_back(do_before(std::move(work), late));
  auto done = co_await gather(std::move(both), 2);
  if (!done) co_return std::move(done).error();
  co_return Next::kContinue;
}

Task<Result<Next>> BuildPass::do_before(Task<Result<Next>> work, std::shared_ptr<Timer> late) {
  auto done = co_await std::move(work);
  late->cancel();
  co_return done;
}

/// Nothing, if the timer is cancelled.
Task<Result<Next>> BuildPass::write_status_after(std::shared_ptr<Timer> late) {
  boost::system::error_code cancelled;
  co_await late->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled));
  if (cancelled) co_return Next::kContinue;
  auto written = co_await write_status();
  if (!written) {
    step_ = Step::kRecord;
    co_return std::move(written).error();
  }
  co_return Next::kContinue;
}

Task<Result<Next>> BuildPass::make_layers() {
  const auto since = ports_.clock.steady_now();
  auto assembled = co_await ports_.builder.assemble(plan_->request, base_, fetched_);
  if (!assembled) co_return std::move(assembled).error();
  for (const auto& warning : assembled->warnings) warnings_.push_back(warning);
  take(std::move(*assembled));
  note_stage("layers", since);
  co_return Next::kContinue;
}

void BuildPass::take(build::Assembled assembled) {
  assembled_ = std::make_shared<const build::Assembled>(std::move(assembled));
  images_ = std::shared_ptr<const image::ImageSet>(assembled_, &assembled_->images);
  top_ = images_->top();
}

Task<Result<void>> BuildPass::write_status() {
  auto permit = co_await writes_.enter();
  if (!permit) co_return permit.error();
  co_return co_await write_status_alone();
}

Task<Result<void>> BuildPass::write_status_alone() {
  for (int tries = 1;; ++tries) {
    auto sent = status_;  // Other steps may be under way and change it.
    auto text = api::status_json(sent);
    if (written_text_.empty()) written_text_ = api::status_json(written_);
    if (text == written_text_) co_return Result<void>();
    const kube::ObjectKey key(seen_->meta.namespace_, seen_->meta.name);
    kube::Precondition unchanged;
    unchanged.resource_version = resource_version_;
    unchanged.uid = seen_->meta.uid;
    auto object = co_await ports_.kube.update_status(kImageBuilds, key, text, unchanged);
    if (object) {
      written_ = std::move(sent);
      written_text_ = std::move(text);
      resource_version_ = object->meta().resource_version;
      ports_.view.wrote(*object, *build_, written_, written_text_);
      co_return Result<void>();
    }
    if (object.error().code != Errc::kConflict || tries == kWriteTries)
      co_return std::move(object).error();
    // Somebody changed the object. If it is still the one this pass is about, the status still
    // holds.
    auto fresh = co_await ports_.kube.get_metadata(kImageBuilds, key);
    if (!fresh) co_return std::move(fresh).error();
    if (fresh->meta().uid != seen_->meta.uid || fresh->meta().generation != seen_->meta.generation)
      co_return Error(Errc::kConflict, "the ImageBuild was changed meanwhile");
    resource_version_ = fresh->meta().resource_version;
  }
}

}  // namespace kiln::imagebuild
