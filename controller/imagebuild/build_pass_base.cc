// The steps of a BuildPass that are about the base.
#include <algorithm>

#include "controller/imagebuild/build_pass.h"

namespace kiln::imagebuild {

/// How old an answer may be that tells where the base's tag points. One poll is enough for all who
/// are built on a base: whoever hears of something new starts the others. Nobody who waits for an
/// answer gets an old one.
std::chrono::milliseconds BuildPass::max_age_of_base() const {
  constexpr std::chrono::milliseconds kOldest{600'000};
  if (!is_poll()) return std::chrono::milliseconds(0);
  return std::min(build_->spec.interval * 9 / 10, kOldest);
}

Task<Result<Next>> BuildPass::resolve_base() {
  const auto since = ports_.clock.steady_now();
  auto request = std::make_shared<build::BuildRequest>(*plan_->request);
  request->base.max_age = max_age_of_base();
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

}  // namespace kiln::imagebuild
