#include "controller/imagebuild/pushed_tags.h"

#include <algorithm>

#include "core/build/builder.h"

namespace kiln::imagebuild {
namespace {

void add(std::vector<oci::Reference>& tags, const oci::Reference& place, const std::string& tag) {
  if (!oci::Reference::parse_tag(tag)) return;
  auto reference = place.with_tag(tag);
  if (std::find(tags.begin(), tags.end(), reference) == tags.end())
    tags.push_back(std::move(reference));
}

bool is_of_a_build(const api::Status& status, const std::string& tag) {
  return std::any_of(status.history.begin(), status.history.end(), [&](const auto& entry) {
    return std::find(entry.tags.begin(), entry.tags.end(), tag) != entry.tags.end();
  });
}

}  // namespace

PushedTags pushed_by(const api::ImageBuild& build) {
  const auto& status = build.status;
  PushedTags pushed;
  if (const auto place = oci::Reference::parse(status.image)) {
    for (const auto& tag : status.tags) add(pushed.tags, *place, tag);
    for (const auto& entry : status.history) {
      for (const auto& tag : entry.tags) add(pushed.tags, *place, tag);
      add(pushed.tags, *place, build::history_tag(entry.input_key));
    }
  }
  const auto output = oci::Reference::parse(build.spec.output.image);
  if (status.pending && output) {
    for (const auto& tag : status.pending->tags) add(pushed.tags, *output, tag);
    add(pushed.tags, *output, build::history_tag(status.pending->input_key));
    pushed.digests.insert(status.pending->digest);
  }
  pushed.digests.insert(status.digest);
  for (const auto& entry : status.history) pushed.digests.insert(entry.digest);
  pushed.digests.erase("");
  return pushed;
}

std::vector<oci::Reference> obsolete_tags(const api::ImageBuild& before,
                                          const api::ImageBuild& after) {
  const auto kept = pushed_by(after).tags;
  const auto place = oci::Reference::parse(after.status.image);
  std::vector<oci::Reference> obsolete;
  for (const auto& tag : pushed_by(before).tags) {
    if (std::find(kept.begin(), kept.end(), tag) != kept.end()) continue;
    const bool left = !place || tag.repository() != place->repository();
    if (left || !is_of_a_build(before.status, tag.tag())) obsolete.push_back(tag);
  }
  return obsolete;
}

}  // namespace kiln::imagebuild
