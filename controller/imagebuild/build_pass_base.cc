// The steps of a BuildPass that are about the base.
#include <algorithm>

#include "controller/imagebuild/build_pass.h"

namespace kiln::imagebuild {

/// How old an answer may be that tells where the tag of a base, or of an image that content is
/// copied from, points. One poll is enough for all who use an image: whoever hears of something new
/// starts the others. Who waits for an answer gets none that is older than what they wait for.
std::chrono::milliseconds BuildPass::max_age_of_tags() const {
  constexpr std::chrono::milliseconds kOldest{600'000};
  if (!is_poll()) return age_since(asked_, ports_.clock);
  return std::min(build_->spec.interval * 9 / 10, kOldest);
}

Task<Result<Next>> BuildPass::resolve_base() {
  const auto since = ports_.clock.steady_now();
  auto request = std::make_shared<build::BuildRequest>(*plan_->request);
  request->base.max_age = max_age_of_tags();
  auto base = co_await ports_.builder.resolve_base(std::move(request));
  if (!base) co_return std::move(base).error();
  if (!base->missing_platforms.empty())
    co_return halt("PlatformNotFound",
                   "the base " + build_->spec.base.image + " has no image for " +
                       base->missing_platforms.front().str(),
                   false, false);
  for (const auto& warning : base->warnings) warnings_.push_back(warning);
  base_ = std::make_shared<const build::ResolvedImage>(std::move(*base));
  note_stage("base", since);
  co_return Next::kContinue;
}

/// The layers of the last build as the status tells of them. Null where it does not tell enough.
std::shared_ptr<const build::EarlierLayers> BuildPass::earlier_layers() const {
  if (written_.layers_key.empty() || destination_is_new()) return nullptr;
  // The key says so, too, but an edit of content is common and need not wait for the base's facts.
  const auto same = [](const build::FetchedContent& now, const api::ContentStatus& before) {
    return now.content.identity == before.digest;
  };
  if (!std::equal(fetched_->begin(), fetched_->end(), written_.content.begin(),
                  written_.content.end(), same))
    return nullptr;
  auto earlier = std::make_shared<build::EarlierLayers>();
  earlier->key = written_.layers_key;
  earlier->repository = plan_->repository;
  for (const auto& layer : written_.layers) {
    auto digest = oci::Digest::parse(layer.digest);
    auto diff_id = oci::Digest::parse(layer.diff_id);
    if (!digest || !diff_id || layer.size < 0) return nullptr;
    oci::Descriptor descriptor(layer.media_type, std::move(*digest),
                               static_cast<std::uint64_t>(layer.size));
    earlier->layers.emplace_back(std::move(descriptor), std::move(*diff_id), layer.created_by);
  }
  return earlier;
}

/// Decision 7: what only gets another base keeps its layers, and its content is not read for it.
/// False where that cannot be, for any reason; then all is done in the usual way.
Task<Result<bool>> BuildPass::reuse_layers() {
  const auto since = ports_.clock.steady_now();
  const auto earlier = earlier_layers();
  if (!earlier) co_return false;
  step_ = Step::kAssemble;
  auto assembled = co_await ports_.builder.reassemble(plan_->request, base_, fetched_, earlier);
  if (!assembled && assembled.error().code == Errc::kInvalid) co_return false;
  if (!assembled) co_return std::move(assembled).error();
  if (!*assembled) co_return false;
  step_ = Step::kPush;
  for (const auto& layer : earlier->layers) {
    auto there = co_await ports_.registry.has_blob(plan_->repository, layer.descriptor.digest,
                                                   plan_->output_access);
    if (!there) co_return std::move(there).error();
    if (!*there) co_return false;
  }
  for (const auto& warning : (*assembled)->warnings) warnings_.push_back(warning);
  take(std::move(**assembled));
  reuses_layers_ = true;
  note_stage("reuse", since);
  co_return true;
}

/// The registry had the layers a moment ago, or said so. What they were made of is needed after
/// all.
Task<Result<Next>> BuildPass::build_anew() {
  const auto promised = top_->digest;
  reuses_layers_ = false;
  if (has_unread_content()) {
    step_ = Step::kFetch;
    auto read = co_await read_unread_content();
    if (!read) co_return std::move(read).error();
  }
  step_ = Step::kAssemble;
  for (const auto& warning : assembled_->warnings) std::erase(warnings_, warning);
  std::erase_if(stages_, [](const auto& stage) { return stage.name == "reuse"; });
  auto made = co_await make_layers();
  if (!made) co_return std::move(made).error();
  if (top_->digest != promised)
    co_return Error(Errc::kUnavailable, "the content was changed during the build");
  step_ = Step::kPush;
  co_return Next::kContinue;
}

}  // namespace kiln::imagebuild
