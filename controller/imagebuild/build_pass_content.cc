// The steps of a BuildPass that are about content: what the cluster has of it, and what other
// servers have.
#include <algorithm>

#include "controller/imagebuild/build_pass.h"

namespace kiln::imagebuild {
namespace {

/// What goes wrong while it is fetched belongs to the step kImage, and is noted in `failed`.
class ImageStep final : public source::Source {
 public:
  /// Lifetime: `step` and `failed` outlive it.
  ImageStep(std::shared_ptr<source::Source> inner, std::size_t entry, Step& step,
            std::size_t& failed)
      : inner_(std::move(inner)), entry_(entry), step_(step), failed_(failed) {}

  std::string description() const override { return inner_->description(); }
  Task<Result<source::Content>> fetch() override {
    const auto around = step_;
    step_ = Step::kImage;
    auto content = co_await inner_->fetch();
    if (content)
      step_ = around;
    else
      failed_ = entry_;
    co_return content;
  }

 private:
  std::shared_ptr<source::Source> inner_;
  std::size_t entry_;
  Step& step_;
  std::size_t& failed_;
};

}  // namespace

/// Nobody waits for this pass: what was built is good, and it is looked whether it still is.
bool BuildPass::is_poll() const {
  const auto* ready = api::find_condition(written_.conditions, api::condition_type::kReady);
  return requested_at_.empty() && !spec_is_new() && ready != nullptr && ready->status == "True";
}

/// News of git that are a little old will do for a poll: ImageBuilds on one repository that are
/// polled at about the same time ask once. Where a person waits for an answer they will not do if
/// they are older than what is waited for.
plan::GitSources BuildPass::git_sources() {
  constexpr std::chrono::milliseconds kOldest{60'000};
  const bool poll = is_poll();
  const auto max_age =
      poll ? std::min(build_->spec.interval / 10, kOldest) : age_since(asked_, ports_.clock);
  return [this, poll, max_age](source::GitRequest request, std::size_t entry) {
    request.max_age = max_age;
    if (poll) request.known = known_content(request, entry);
    if (request.known) {
      auto reading = request;
      reading.known.reset();
      readers_.emplace(entry, ports_.git(std::move(reading), entry));
    }
    return ports_.git(std::move(request), entry);
  };
}

/// Only what a tag points at is asked while that is what was read before; the layers are not.
plan::ImageSources BuildPass::image_sources() {
  return [this](build::ImageContentRequest request, std::size_t entry) {
    request.max_age = max_age_of_tags();
    const auto source_of = [this, entry](build::ImageContentRequest wanted) {
      return std::make_shared<ImageStep>(ports_.builder.image_content(std::move(wanted)), entry,
                                         step_, failed_image_);
    };
    const auto reader = source_of(request);
    request.known = known_image(reader->description(), entry);
    if (!request.known) return reader;
    readers_.emplace(entry, reader);
    return source_of(std::move(request));
  };
}

/// What was read of an image by the same spec, whatever has become of the build since.
std::optional<source::KnownContent> BuildPass::known_image(const std::string& source,
                                                           std::size_t entry) const {
  if (spec_is_new() || entry >= written_.content.size()) return std::nullopt;
  const auto& before = written_.content[entry];
  if (before.path != build_->spec.content[entry].path || before.source != source ||
      before.digest.empty())
    return std::nullopt;
  source::KnownContent known;
  known.revision = before.revision;
  known.identity = before.digest;
  return known;
}

/// What the last build has read by the same spec, so that a poll without news only asks.
std::optional<source::KnownContent> BuildPass::known_content(const source::GitRequest& request,
                                                             std::size_t entry) const {
  // Times of commits are part of the identity, and have to be read.
  if (build_->spec.output.timestamps == "SourceRevision" || entry >= written_.content.size())
    return std::nullopt;
  const auto& before = written_.content[entry];
  if (before.path != build_->spec.content[entry].path ||
      before.source != "git " + request.url.str() || before.digest.empty())
    return std::nullopt;
  source::KnownContent known;
  known.revision = before.revision;
  known.identity = before.digest;
  return known;
}

Task<Result<Next>> BuildPass::read_content() {
  auto git = git_sources();
  auto images = image_sources();
  auto plan =
      co_await plan::make_plan(build_, content_, accesses_, std::move(git), std::move(images));
  if (!plan) co_return std::move(plan).error();
  plan_.emplace(std::move(*plan));
  co_return Next::kContinue;
}

Task<Result<Next>> BuildPass::fetch_content() {
  const auto since = ports_.clock.steady_now();
  auto fetched = co_await ports_.builder.fetch_content(plan_->request);
  if (!fetched) co_return std::move(fetched).error();
  if (build_->spec.output.timestamps == "SourceRevision") {
    auto request = std::make_shared<build::BuildRequest>(*plan_->request);
    KILN_CO_TRY(plan::apply_commit_times(*request, *fetched));
    plan_->request = std::move(request);
  }
  fetched_ = std::make_shared<const std::vector<build::FetchedContent>>(std::move(*fetched));
  warn_of_moved_tags();
  note_stage("content", since);
  co_return Next::kContinue;
}

/// A tag is said to stay where it is: who moves one, or sees it moved, should hear of it.
void BuildPass::warn_of_moved_tags() {
  for (std::size_t i = 0; i < fetched_->size() && i < status_.content.size(); ++i) {
    const auto& before = status_.content[i];
    const auto& [content, description] = (*fetched_)[i];
    if (!content.commit || content.commit->tag.empty() || before.source != description) continue;
    const auto label = content.commit->tag + "@";
    if (before.revision.starts_with(label) && before.revision != content.revision)
      warnings_.push_back("the tag " + content.commit->tag + " of " + description +
                          " was moved: from " + before.revision.substr(label.size()) + " to " +
                          content.revision.substr(label.size()));
  }
}

std::size_t BuildPass::files_read() const {
  std::size_t files = 0;
  if (!fetched_) return files;
  for (const auto& one : *fetched_) files += one.content.tree.size();
  return files;
}

bool BuildPass::has_unread_content() const {
  return std::any_of(fetched_->begin(), fetched_->end(),
                     [](const auto& one) { return one.content.unread; });
}

/// Something else has changed, so what seemed not to be needed is.
Task<Result<Next>> BuildPass::read_unread_content() {
  const auto since = ports_.clock.steady_now();
  auto all = *fetched_;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].content.unread) continue;
    auto content = co_await readers_.at(i)->fetch();
    if (!content) co_return std::move(content).error().while_doing(plan::content_field(i));
    all[i].content = std::move(*content);
  }
  fetched_ = std::make_shared<const std::vector<build::FetchedContent>>(std::move(all));
  std::erase_if(stages_, [](const auto& stage) { return stage.name == "content"; });
  note_stage("content", since);
  co_return Next::kContinue;
}

/// A commit that changes nothing of what is taken needs no build, but who waits for it should see
/// that it has been looked at.
void BuildPass::note_revisions() {
  if (!fetched_) return;
  for (std::size_t i = 0; i < fetched_->size() && i < status_.content.size(); ++i) {
    const auto& content = (*fetched_)[i].content;
    const bool followed = content.commit || build_->spec.content[i].image;
    if (followed && status_.content[i].digest == content.identity)
      status_.content[i].revision = content.revision;
  }
}

}  // namespace kiln::imagebuild
