// The steps of a BuildPass that push the image that was built.
#include <algorithm>

#include "controller/imagebuild/build_pass.h"
#include "controller/imagebuild/history.h"
#include "core/base/gather.h"

namespace kiln::imagebuild {
namespace {

bool has(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

store::Destination& BuildPass::destination() {
  if (making_) return *making_;
  build::BlobRecords records = [this](const oci::Digest& blob) {
    const auto found = records_.find(blob);
    return found == records_.end() ? build::Presence::kUnknown : found->second;
  };
  destination_ = build::registry_destination(ports_.registry, output().repository(),
                                             accesses_.output, std::move(records));
  making_ = ports_.builder.making(*destination_);
  return *making_;
}

/// Was an image of these inputs pushed at some time, or may it have been?
bool BuildPass::may_have_been_pushed(const std::string& digest) const {
  const auto& pending = build_->status.pending;
  return with_input_key(status_.history, key_) != nullptr || has(held_, digest) ||
         (pending && pending->input_key == key_);
}

/// Were the base's layers of this image part of the last one?
bool BuildPass::has_last_base(const image::Image& image) const {
  if (!status_.base || !base_->digest || status_.base->digest != base_->digest->str()) return false;
  const auto& before = status_.base->platforms;
  return std::any_of(before.begin(), before.end(),
                     [&](const auto& one) { return one.platform == image.platform().str(); });
}

/// What the status and the tags tell of the image's blobs, so that the registry is not asked: a tag
/// that is still at the last image keeps all that belongs to it; what was made just now is nowhere.
std::map<oci::Digest, build::Presence> BuildPass::records_of_blobs() const {
  using build::Presence;
  constexpr std::uint64_t kNotWorthAsking = 256 * 1024;  // To send it in vain costs as much.
  std::map<oci::Digest, Presence> records;
  const bool has_last = !destination_is_new() && !status_.digest.empty();
  const bool stands = has_last && has(held_, status_.digest);
  if (has_last)
    for (const auto& layer : status_.layers)
      if (auto digest = oci::Digest::parse(layer.digest))
        records.emplace(*std::move(digest), stands ? Presence::kThere : Presence::kUnknown);
  const bool fresh = !may_have_been_pushed(top_->digest.str()) &&
                     (has_last || std::all_of(held_.begin(), held_.end(),
                                              [](const auto& held) { return held.empty(); }));
  const auto expect_new = [&](const oci::Descriptor& blob) {
    if (fresh && blob.size_bytes <= kNotWorthAsking)
      records.emplace(blob.digest, Presence::kAbsent);
  };
  for (const auto& image : images_->images) {
    const auto of_base = stands && has_last_base(image) ? Presence::kThere : Presence::kUnknown;
    for (const auto& layer : image.layers()) {
      if (layer.blob)
        expect_new(layer.descriptor);
      else
        records.emplace(layer.descriptor.digest, of_base);
    }
    expect_new(image.config_blob().descriptor());
  }
  return records;
}

/// The records have proved wrong.
void BuildPass::ask_for_all_blobs() {
  trusts_records_ = false;
  records_.clear();
}

Task<Result<build::PushReport>> BuildPass::send_content() {
  build::PushListener silent;
  auto origins = build::always(plan_->request->base.access);
  co_return co_await build::push_content(images_, destination(), ports_.registry,
                                         std::move(origins), std::move(silent));
}

Task<Result<Next>> BuildPass::push_content() {
  const auto since = ports_.clock.steady_now();
  if (trusts_records_) records_ = records_of_blobs();
  auto report = co_await send_content();
  const bool may_be_mistaken = trusts_records_ || reuses_layers_;
  if (!report && report.error().code == Errc::kConflict && may_be_mistaken) {
    ask_for_all_blobs();
    if (reuses_layers_) {
      auto anew = co_await build_anew();
      if (!anew) co_return std::move(anew).error();
    }
    report = co_await send_content();
  }
  if (!report) co_return std::move(report).error();
  report_ = *report;
  note_stage("push", since);
  co_return Next::kContinue;
}

/// Does the status say nothing yet? Then whoever comes after a crash has no image that a tag could
/// be compared with: the tags are taken as they are. Where tags are deleted with the ImageBuild it
/// has to be known which ones; should that only be asked for later, a crash may have left some.
bool BuildPass::has_nothing_to_record() const {
  return written_.conditions.empty() && written_.digest.empty() && written_.history.empty() &&
         !written_.pending && build_->spec.deletion_policy != "Delete";
}

/// Registry and API server work at the same time: the digest is known, and no tag moves before both
/// are done. The API server is asked first, since it is what a small image waits for. Where it has
/// nothing to write down it is not asked, and the watch has to tell whether the image is wanted.
Task<Result<Next>> BuildPass::push_and_record() {
  // What the registry has refused it is likely to refuse again, and then nothing was pending.
  const bool careful = failed_while_building();
  const bool records = !has_nothing_to_record();
  std::vector<Task<Result<Next>>> both;
  if (records && !careful) both.push_back(record_pending());
  both.push_back(records ? push_content() : announce_if_late(push_content()));
  auto pushed = co_await gather(std::move(both), 2);
  // The other may have come to the tag since this pass began.
  Result<Next> next = Next::kContinue;
  if (pushed) next = stop_if_contested();
  if (!pushed || !next || *next == Next::kStop) {
    status_.pending = build_->status.pending;
    if (!pushed) co_return std::move(pushed).error();
    co_return next;
  }
  if (!records && !ports_.view.is_still(seen_->meta)) {
    step_ = Step::kRecord;
    co_return Error(Errc::kConflict, "the ImageBuild was changed meanwhile");
  }
  if (careful) next = co_await record_pending();
  if (!recorded_.has_error()) co_return next;
  step_ = Step::kRecord;
  co_return std::move(recorded_).error();
}

/// How it ends is told by `recorded_`: it stops no push.
Task<Result<Next>> BuildPass::record_pending() {
  recorded_ = co_await write_pending(top_->digest.str());
  co_return Next::kContinue;
}

Task<Result<void>> BuildPass::write_pending(std::string digest) {
  keep_what_was_pending(digest);
  api::Pending pending;
  pending.input_key = key_;
  pending.digest = std::move(digest);
  pending.tags = tags_;
  status_.pending = std::move(pending);
  co_return co_await write_status();
}

Task<Result<Next>> BuildPass::publish() {
  const auto since = ports_.clock.steady_now();
  auto published = co_await put_tags(*top_);
  if (!published && published.error().code == Errc::kConflict) {
    // The registry lost blobs it said it had (garbage collection): send them again, once.
    ask_for_all_blobs();
    if (reuses_layers_) {
      auto anew = co_await build_anew();
      if (!anew) co_return std::move(anew).error();
    }
    auto again = co_await push_content();
    if (!again) co_return std::move(again).error();
    published = co_await put_tags(*top_);
  }
  if (!published || *published == Next::kStop) co_return published;
  note_stage("publish", since);
  built_ = true;
  finish_status();
  co_return Next::kContinue;
}

}  // namespace kiln::imagebuild
