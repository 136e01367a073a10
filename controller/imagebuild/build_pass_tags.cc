// The steps of a BuildPass that are about tags: what they are called, what they hold, whose that
// is.
#include <algorithm>

#include "controller/imagebuild/build_pass.h"

namespace kiln::imagebuild {

bool BuildPass::is_ours(const std::string& digest) const {
  const auto same = [&](const api::HistoryEntry& entry) { return entry.digest == digest; };
  return digest == status_.digest || (status_.pending && status_.pending->digest == digest) ||
         std::any_of(status_.history.begin(), status_.history.end(), same);
}

/// Fills in the tags. While the inputs stay the same so do ${date} and all else: once per build.
Result<Next> BuildPass::render_tags() {
  plan::TagFacts facts{ports_.clock.now(), key_, seen_->meta.generation,
                       plan::first_commit(*fetched_)};
  const bool same_build = status_.input_key == key_ && status_.last_build && !destination_is_new();
  if (same_build)
    if (const auto built = parse_rfc3339(status_.last_build->completed_at)) facts.date = *built;
  auto tags = plan::render_tags(*build_, facts);
  if (!tags) return std::move(tags).error();
  tags_ = std::move(*tags);
  if (same_build && !spec_is_new()) tags_ = status_.tags;
  return Next::kContinue;
}

Task<Result<Next>> BuildPass::look_at_tags() {
  const auto output = *oci::Reference::parse(build_->spec.output.image);
  held_.clear();
  for (const auto& tag : tags_) {
    auto now = co_await ports_.registry.resolve(output.with_tag(tag), plan_->output_access);
    // Some registries say "denied" of a repository that the first push will create.
    const bool absent = !now && (now.error().code == Errc::kNotFound ||
                                 (now.error().code == Errc::kDenied && status_.digest.empty()));
    if (!now && !absent) co_return std::move(now).error();
    held_.push_back(now ? now->digest.str() : std::string());
  }
  co_return Next::kContinue;
}

/// The inputs are as they were when the tags were last moved: do the tags still say so?
Result<Next> BuildPass::judge_tags() {
  std::vector<api::Reason> restored;
  for (std::size_t i = 0; i < tags_.size(); ++i) {
    if (held_[i] == status_.digest) continue;
    const bool known =
        std::find(status_.tags.begin(), status_.tags.end(), tags_[i]) != status_.tags.end();
    if (known && !held_[i].empty() && !is_ours(held_[i]))
      return halt("TagMoved",
                  "the tag " + tags_[i] + " holds " + held_[i] +
                      ", which Kiln did not push; "
                      "Kiln's image is " +
                      status_.digest + ". Delete the tag to have it restored",
                  true, false);
    restored.emplace_back(known ? "Restored" : "SpecChanged", held_[i], status_.digest);
  }
  if (restored.empty() && !status_.pending) {
    status_.tags = tags_;
    note_revisions();
    up_to_date_ = true;
    return halt("Succeeded", "the image is up to date", false, true);
  }
  if (restored.empty()) restored.emplace_back("Restored", status_.pending->digest, status_.digest);
  reasons_ = {restored.front()};
  return Next::kContinue;
}

}  // namespace kiln::imagebuild
