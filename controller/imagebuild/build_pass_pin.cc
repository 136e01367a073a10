// The step of a BuildPass that holds the tags at an earlier image, for as long as spec.pin asks for
// it.
#include <algorithm>

#include "controller/imagebuild/build_pass.h"
#include "controller/imagebuild/history.h"

namespace kiln::imagebuild {
namespace {

std::string digests_of(const History& history) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(history.size(), kShown); ++i)
    text += (i == 0 ? "" : ", ") + history[i].digest;
  if (history.size() > kShown)
    text += " and " + std::to_string(history.size() - kShown) + " older ones";
  return text;
}

}  // namespace

Task<Result<Next>> BuildPass::hold_pin() {
  const auto& pin = build_->spec.pin;
  if (pin.empty()) co_return Next::kContinue;
  const auto* wanted = with_digest(status_.history, pin);
  if (wanted == nullptr)
    co_return halt("PinNotFound",
                   "spec.pin: " + pin + " is no image of this ImageBuild. status.history has " +
                       (status_.history.empty() ? "none yet: drop the pin to have one built"
                                                : digests_of(status_.history)),
                   true, false);
  pinned_ = true;
  key_ = wanted->input_key;
  tags_ = plan::fixed_tags(*build_);
  step_ = Step::kCredentials;
  auto access = co_await ports_.credentials.read_output_access(build_, content_, asked_);
  if (!access) co_return std::move(access).error();
  accesses_.output = std::move(*access);
  accesses_.output.listener = notes_;

  step_ = Step::kPin;
  if (auto looked = co_await look_at_tags(); !looked) co_return std::move(looked).error();
  if (status_.digest == pin && !destination_is_new()) {
    auto next = judge_tags();
    if (!next || *next == Next::kStop) co_return next;
  } else {
    warn_of_foreign_tags("the image that spec.pin names takes the tag");
  }
  co_return co_await move_to_pin();
}

/// The image is in the registry, under its digest: nothing is built for it.
Task<Result<Next>> BuildPass::move_to_pin() {
  started_ = ports_.clock.now();
  started_steady_ = ports_.clock.steady_now();
  const auto image = output().with_digest(*oci::Digest::parse(build_->spec.pin));
  const auto gone = image.str() +
                    " is not in the registry any more, so spec.pin cannot be held: push it there "
                    "again, or drop the pin to have the image of today's inputs built";
  auto manifest = co_await ports_.registry.fetch_manifest(image, accesses_.output);
  if (!manifest && manifest.error().code == Errc::kNotFound)
    co_return halt("PinNotFound", gone, false, false);
  if (!manifest) co_return std::move(manifest).error();

  step_ = Step::kRecord;
  KILN_CO_TRY(co_await write_pending(build_->spec.pin));
  step_ = Step::kPin;
  auto put = co_await put_tags(std::move(*manifest));
  if (!put && put.error().code == Errc::kConflict)
    co_return halt("PinNotFound", gone + " (" + put.error().message + ")", false, false);
  if (!put || *put == Next::kStop) co_return put;
  finish_pin();
  co_return Next::kStop;
}

void BuildPass::finish_pin() {
  if (!reasons_.empty()) note_build();
  moved_to_pin_ = true;
  status_.digest = build_->spec.pin;
  status_.image = output().repository().str() + "@" + status_.digest;
  status_.tags = tags_;
  status_.input_key = key_;
  status_.pending.reset();
}

}  // namespace kiln::imagebuild
