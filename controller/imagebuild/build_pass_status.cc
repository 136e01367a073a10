// What a BuildPass writes down about an image that it has pushed.
#include <algorithm>

#include "controller/imagebuild/build_pass.h"
#include "controller/imagebuild/history.h"

namespace kiln::imagebuild {

namespace {

std::string duration_since(std::chrono::steady_clock::time_point since, const Clock& clock) {
  const auto passed =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock.steady_now() - since);
  return format_duration(std::max(passed, std::chrono::milliseconds(1)));
}

}  // namespace

void BuildPass::note_stage(std::string name, std::chrono::steady_clock::time_point since) {
  api::Stage stage;
  stage.name = std::move(name);
  stage.duration = duration_since(since, ports_.clock);
  stages_.push_back(std::move(stage));
}

void BuildPass::describe_base_and_content() {
  api::BaseStatus base;
  base.reference = build_->spec.base.image;
  base.digest = base_->digest ? base_->digest->str() : "";
  for (const auto& platform : base_->platforms) {
    api::BasePlatform one;
    one.platform = platform.platform.str();
    one.digest = base_->digest ? platform.descriptor.digest.str() : "";
    base.platforms.push_back(std::move(one));
  }
  status_.base = std::move(base);
  status_.content.clear();
  for (std::size_t i = 0; i < fetched_->size(); ++i) {
    const auto& fetched = (*fetched_)[i];
    api::ContentStatus one;
    one.path = build_->spec.content[i].path;
    one.source = fetched.description;
    one.revision = fetched.content.revision;
    one.digest = fetched.content.identity;
    const auto& tree = fetched.content.tree;
    const bool unread = fetched.content.unread;  // Then it is what it was.
    one.files = unread ? written_.content[i].files : static_cast<std::int64_t>(tree.size());
    one.size = unread ? written_.content[i].size : static_cast<std::int64_t>(tree.content_bytes());
    status_.content.push_back(std::move(one));
  }
}

void BuildPass::finish_status() {
  const auto digest = top_->digest.str();
  if (status_.digest.empty() && report_.uploaded_bytes == 0) reasons_ = {api::Reason("Adopted")};
  describe_base_and_content();
  status_.layers.clear();
  for (const auto& layer : assembled_->layers) {
    api::LayerStatus one;
    one.digest = layer.blob.descriptor().digest.str();
    one.diff_id = layer.diff_id.str();
    one.size = static_cast<std::int64_t>(layer.blob.descriptor().size_bytes);
    one.media_type = layer.blob.descriptor().media_type;
    one.created_by = assembled_->lines[status_.layers.size()];
    status_.layers.push_back(std::move(one));
  }
  note_build();
  api::HistoryEntry entry;
  entry.digest = digest;
  entry.input_key = key_;
  entry.completed_at = status_.last_build->completed_at;
  entry.reasons = reasons_;
  entry.tags = without_fixed(tags_);
  // What the other repository had is deleted with it.
  const bool moved_away = destination_is_new() && !status_.image.empty();
  if (moved_away && build_->spec.deletion_policy == "Delete") status_.history.clear();
  remember(status_.history, std::move(entry));
  status_.layers_key = assembled_->layers_key;
  status_.digest = digest;
  status_.image = plan_->repository.str() + "@" + digest;
  status_.tags = tags_;
  status_.input_key = key_;
  status_.encoder = layer::encoder_id(plan_->request->compression);
  status_.pending.reset();
}

void BuildPass::note_build() {
  api::LastBuild last;
  last.reasons = reasons_;
  last.started_at = format_rfc3339(started_);
  last.completed_at = format_rfc3339(ports_.clock.now());
  last.duration = duration_since(started_steady_, ports_.clock);
  last.stages = stages_;
  last.uploaded_bytes = static_cast<std::int64_t>(report_.uploaded_bytes);
  last.reused_bytes = static_cast<std::int64_t>(report_.reused_bytes);
  status_.last_build = std::move(last);
}

/// A push that was cut off after it moved a tag has pushed an image: what is pushed next must not
/// make Kiln forget that it is its own.
void BuildPass::keep_what_was_pending(const std::string& digest) {
  if (!status_.pending || status_.pending->digest == digest ||
      with_digest(status_.history, status_.pending->digest) != nullptr)
    return;
  if (std::find(held_.begin(), held_.end(), status_.pending->digest) == held_.end()) return;
  api::HistoryEntry entry;
  entry.digest = status_.pending->digest;
  entry.input_key = status_.pending->input_key;
  entry.completed_at = format_rfc3339(ports_.clock.now());
  entry.tags = without_fixed(status_.pending->tags);
  remember(status_.history, std::move(entry));
}

/// What the tags hold and what spec.pin names stays, however short the history is to be.
void BuildPass::shorten_history() {
  const auto limit = static_cast<std::size_t>(std::max(build_->spec.history_limit, 0));
  const std::vector<std::string> needed{status_.digest, build_->spec.pin};
  status_.history = shortened(status_.history, limit, needed);
}

}  // namespace kiln::imagebuild
