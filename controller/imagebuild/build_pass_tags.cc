// The steps of a BuildPass that are about tags: what they are called, what they hold, whose that
// is, and how they are moved.
#include <algorithm>

#include "controller/imagebuild/build_pass.h"
#include "controller/imagebuild/history.h"
#include "controller/imagebuild/tag_fight.h"
#include "controller/imagebuild/tag_remover.h"
#include "core/auth/docker_config.h"

namespace kiln::imagebuild {
namespace {

bool has(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// Would the registry let nobody move the tag? There is no code for it, and each says it in its own
/// way.
bool says_immutable(const Error& error) {
  if (error.code == Errc::kInvalid) return true;
  if (error.code != Errc::kDenied && error.code != Errc::kUnsupported) return false;
  for (const auto* word : {"immutab", "already exist", "overwrit"})
    if (error.message.find(word) != std::string::npos) return true;
  return false;
}

}  // namespace

bool BuildPass::is_ours(const std::string& digest) const {
  return digest == status_.digest || (status_.pending && status_.pending->digest == digest) ||
         with_digest(status_.history, digest) != nullptr;
}

oci::Reference BuildPass::output() const {
  return *oci::Reference::parse(build_->spec.output.image);
}

bool BuildPass::destination_is_new() const {
  return status_.image.substr(0, status_.image.find('@')) != output().repository().str();
}

Result<Next> BuildPass::stop_if_contested() {
  const auto holder = ports_.view.tag_holder(*build_);
  if (!holder) return Next::kContinue;
  // It puts images of its own there. Whoever gets the tag back need not wonder whose those are.
  std::erase(status_.tags, std::string(holder->tag.tag()));
  return halt("TagContested",
              "the ImageBuild " + holder->name + " pushes to " + holder->tag.str() +
                  " already; choose another tag, or delete that one",
              false, false);
}

/// Fills in the tags. While the inputs stay the same so do ${date} and all else: once per build.
Result<Next> BuildPass::render_tags() {
  plan::TagFacts facts{ports_.clock.now(), key_, seen_->meta.generation,
                       plan::first_commit(*fetched_)};
  const bool same_build = status_.input_key == key_ && status_.last_build && !destination_is_new();
  if (const auto* built = with_input_key(status_.history, key_); same_build && built != nullptr)
    if (const auto when = parse_rfc3339(built->completed_at)) facts.date = *when;
  auto tags = plan::render_tags(*build_, facts);
  if (!tags) return std::move(tags).error();
  tags_ = std::move(*tags);
  if (!same_build || spec_is_new()) return Next::kContinue;
  const auto first = tags_.front();
  tags_ = status_.tags;
  if (!has(tags_, first)) tags_.insert(tags_.begin(), first);  // Another one had it meanwhile.
  return Next::kContinue;
}

/// The digest that a tag of the output holds; "" = the tag is not there.
Task<Result<std::string>> BuildPass::look_at_tag(std::string tag, registry::Access access) {
  auto now = co_await ports_.registry.resolve(output().with_tag(std::move(tag)), std::move(access));
  if (now) co_return now->digest.str();
  // Some registries say "denied" of a repository that the first push will create.
  const bool absent = now.error().code == Errc::kNotFound ||
                      (now.error().code == Errc::kDenied && status_.digest.empty());
  if (!absent) co_return std::move(now).error();
  co_return std::string();
}

/// Is the output's registry asked without a login, as far as is known?
bool BuildPass::is_anonymous() const {
  const kube::ObjectKey account(seen_->meta.namespace_, build_->spec.service_account);
  return build_->spec.output.registry.secret.empty() &&
         ports_.view.secrets_of_account(account).empty();
}

/// Can the tags be looked at while the API server is asked? If that needs nothing it tells, and if
/// all content is in the cluster, and so there at once. Not where something has failed: then there
/// may be no use for the answer.
bool BuildPass::looks_early() const {
  const auto& content = build_->spec.content;
  const auto elsewhere = [](const api::Content& one) { return one.git || one.image; };
  return is_poll() && is_anonymous() && build_->spec.output.registry.cert_secret.empty() &&
         std::none_of(content.begin(), content.end(), elsewhere);
}

/// What goes wrong is told where the answer counts.
Task<Result<Next>> BuildPass::look_early() {
  const auto nobody =
      std::make_shared<auth::KeychainChain>(std::vector<std::shared_ptr<const auth::Keychain>>());
  auto access = co_await plan::read_output_access(build_, content_, nobody);
  if (!access) co_return Next::kContinue;
  access->listener = notes_;
  looks_at_tags_ = true;
  for (const auto& tag : plan::fixed_tags(*build_)) {
    auto held = co_await look_at_tag(tag, *access);
    early_.insert_or_assign(tag, EarlyLook{std::move(held), ports_.clock.steady_now()});
  }
  looks_at_tags_ = false;
  co_return Next::kContinue;
}

/// What was seen early, unless that is long ago by now.
Task<Result<std::string>> BuildPass::look_at_tag_once(std::string tag) {
  constexpr std::chrono::seconds kFresh{1};
  auto early = early_.extract(tag);
  if (!early.empty() && ports_.clock.steady_now() - early.mapped().at < kFresh)
    co_return std::move(early.mapped().held);
  co_return co_await look_at_tag(std::move(tag), accesses_.output);
}

Task<Result<Next>> BuildPass::look_at_tags() {
  held_.clear();
  for (const auto& tag : tags_) {
    auto held = co_await look_at_tag_once(tag);
    if (!held) co_return std::move(held).error();
    held_.push_back(std::move(*held));
  }
  co_return Next::kContinue;
}

/// Who put an image of their own there should hear that it is not there any more.
void BuildPass::warn_of_foreign_tags(const std::string& what_happens) {
  if (status_.digest.empty()) return;
  for (std::size_t i = 0; i < tags_.size(); ++i)
    if (!held_[i].empty() && !is_ours(held_[i]))
      warnings_.push_back("the tag " + tags_[i] + " held " + held_[i] +
                          ", which Kiln did not push (its own was " + status_.digest + "); " +
                          what_happens);
}

/// The inputs are as they were when the tags were last moved: do the tags still say so?
Result<Next> BuildPass::judge_tags() {
  std::vector<api::Reason> restored;
  std::string moved;
  for (std::size_t i = 0; i < tags_.size(); ++i) {
    if (held_[i] == status_.digest) continue;
    const bool known = has(status_.tags, tags_[i]);
    if (known && !held_[i].empty() && !is_ours(held_[i]) && !build_->spec.output.enforce_tag)
      return halt("TagMoved",
                  "the tag " + tags_[i] + " holds " + held_[i] +
                      ", which Kiln did not push; Kiln's image is " + status_.digest +
                      ". Delete the tag, or set spec.output.enforceTag, to have it restored",
                  true, false);
    if (known && !held_[i].empty() && moved.empty())
      moved = "the tag " + tags_[i] + " is moved again and again: it holds " + held_[i] +
              ", Kiln's image is " + status_.digest;
    restored.emplace_back(known || !spec_is_new() ? "Restored" : "SpecChanged", held_[i],
                          status_.digest);
  }
  if (!moved.empty()) return put_back(std::move(restored), moved);
  if (restored.empty() && !status_.pending) {
    status_.tags = tags_;
    note_revisions();
    up_to_date_ = true;
    return halt("Succeeded", "the image is up to date", false, true);
  }
  if (restored.empty()) restored.emplace_back("Restored", status_.pending->digest, status_.digest);
  warn_of_foreign_tags("the tag is new here, and Kiln takes it");
  reasons_ = {restored.front()};
  return Next::kContinue;
}

/// Two writers must not fight without end: who is quicker at it than Kiln keeps the tag for a
/// while.
Result<Next> BuildPass::put_back(std::vector<api::Reason> restored, const std::string& moved) {
  constexpr std::size_t kRemembered = 32;
  const auto now = ports_.clock.now();
  const auto times = times_put_back(status_.last_build, now);
  const auto wait = wait_before_putting_back(status_.last_build, now);
  if (wait.count() > 0 && requested_at_.empty() && !spec_is_new()) {
    auto next = halt("TagMoved",
                     moved + ". Kiln put it back " + std::to_string(times) +
                         " times in a row, and will again at " +
                         format_rfc3339(now + std::chrono::ceil<std::chrono::seconds>(wait)) +
                         "; find out who moves it",
                     false, false);
    halt_->look_again = wait;
    return next;
  }
  warn_of_foreign_tags("it is put back");
  if (times > 0) reasons_ = status_.last_build->reasons;
  reasons_.push_back(restored.front());
  if (reasons_.size() > kRemembered) reasons_.erase(reasons_.begin());
  return Next::kContinue;
}

/// All tags that the image is to have, but for those that hold it: the same digest is never pushed
/// twice.
Task<Result<std::vector<std::string>>> BuildPass::missing_tags(std::string digest) {
  std::vector<std::string> missing;
  const auto kept = build::history_tag(key_);
  for (std::size_t i = 0; i < tags_.size(); ++i)
    if (held_[i] != digest) missing.push_back(tags_[i]);
  std::string held;
  if (may_have_been_pushed(digest)) {
    auto looked = co_await look_at_tag(kept, accesses_.output);
    if (!looked) co_return std::move(looked).error();
    held = std::move(*looked);
  }
  if (held != digest) missing.insert(missing.begin(), kept);
  co_return missing;
}

/// Those with variables: no other build has them.
std::vector<std::string> BuildPass::without_fixed(std::vector<std::string> tags) const {
  for (const auto& fixed : plan::fixed_tags(*build_)) std::erase(tags, fixed);
  return tags;
}

/// After a pass that ended well, and before its status is written: what is cut off here is done
/// again by the next one, which still finds in the status what is to be deleted.
Task<void> BuildPass::tidy() {
  shorten_history();
  if (build_->spec.deletion_policy != "Delete") co_return;
  auto now = *build_;
  now.status = status_;
  auto pushed = pushed_by(*build_);
  pushed.tags = obsolete_tags(*build_, now);
  if (pushed.tags.empty()) co_return;
  tidied_ = true;
  const kube::ObjectKey owner(seen_->meta.namespace_, seen_->meta.name);
  const auto removal = co_await remove_tags(ports_.registry, accesses_.output, ports_.view, owner,
                                            std::move(pushed));
  for (const auto& tag : removal.foreign)
    warnings_.push_back("left the tag " + tag + ", which Kiln did not push");
  for (const auto& tag : removal.refused)
    warnings_.push_back("the registry deletes no tags, so " + tag + " is left");
  if (removal.failure)
    warnings_.push_back("tags that are not needed any more are left: " + removal.failure->message);
}

/// The commit. Errors: those of the registry; kConflict = it lacks what the manifest refers to.
Task<Result<Next>> BuildPass::put_tags(oci::RawManifest top) {
  const auto digest = top.digest.str();
  auto missing = co_await missing_tags(digest);
  if (!missing) co_return std::move(missing).error();
  if (missing->empty()) co_return Next::kContinue;
  auto stored = co_await destination().put_manifest_tags(std::move(top), *missing);
  if (stored) co_return Next::kContinue;
  if (!says_immutable(stored.error())) co_return std::move(stored).error();
  for (const auto& tag : *missing) {
    auto held = co_await look_at_tag(tag, accesses_.output);
    if (!held) co_return std::move(held).error();
    if (*held == digest) continue;
    if (held->empty()) co_return std::move(stored).error();
    co_return halt("TagImmutable",
                   "the tag " + tag + " holds " + *held +
                       " and the registry does not let it be moved to " + digest + ": " +
                       stored.error().message +
                       ". Write other tags, or have the registry allow this one to be overwritten",
                   true, false);
  }
  co_return Next::kContinue;
}

}  // namespace kiln::imagebuild
