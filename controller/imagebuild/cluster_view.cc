#include "controller/imagebuild/cluster_view.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "controller/imagebuild/pushed_tags.h"
#include "controller/imagebuild/typical_text.h"
#include "controller/plan/git_content.h"
#include "controller/plan/plan.h"
#include "core/base/json_scan.h"
#include "core/base/log.h"
#include "core/source/git_url.h"

namespace kiln::imagebuild {
namespace {

using runtime::Origin;
using runtime::Priority;

constexpr std::string_view kSecret = "Secret";

std::string content_term(std::string_view kind, const std::string& space, const std::string& name) {
  return std::string(kind) + " " + space + "/" + name;
}

std::string credential_term(const std::string& space, const std::string& name) {
  return "credential " + space + "/" + name;
}

std::string git_term(const std::string& repository) {
  return "git " + repository;
}

/// The tags that every build of it moves. Two spellings of one tag are one.
std::vector<oci::Reference> outputs_of(const api::ImageBuild& build) {
  std::vector<oci::Reference> outputs;
  const auto image = oci::Reference::parse(build.spec.output.image);
  if (!image) return outputs;
  for (const auto& tag : plan::fixed_tags(build)) outputs.push_back(image->with_tag(tag));
  return outputs;
}

std::string output_term(const std::string& space, const oci::Reference& output) {
  return "output " + space + " " + output.str();
}

std::string repository_term(const oci::Repository& repository) {
  return "repository " + repository.str();
}

std::string base_term(const oci::Repository& repository, std::string_view tag) {
  return "base " + repository.str() + ":" + std::string(tag);
}

std::string image_term(const oci::Repository& repository, std::string_view tag) {
  return "image " + repository.str() + ":" + std::string(tag);
}

/// The Secrets that it names as such; those that its ServiceAccount does are learnt when it is
/// read.
std::vector<std::string> credentials_of(const api::ImageBuild& build) {
  std::vector<std::string> names;
  const auto add = [&names](const std::string& name) {
    if (!name.empty()) names.push_back(name);
  };
  const auto add_both = [&add](const api::RegistryRef& registry) {
    add(registry.secret);
    add(registry.cert_secret);
  };
  add_both(build.spec.base.registry);
  add_both(build.spec.output.registry);
  for (const auto& content : build.spec.content) {
    if (content.git) add(content.git->secret);
    if (content.image) add_both(content.image->registry);
  }
  return names;
}

std::vector<std::string> terms_of(const api::ImageBuild& build) {
  std::vector<std::string> terms;
  for (const auto& output : outputs_of(build))
    terms.push_back(output_term(build.metadata.namespace_, output));
  if (const auto place = oci::Reference::parse(build.spec.output.image))
    terms.push_back(repository_term(place->repository()));
  // A digest is followed by nobody.
  if (const auto base = oci::Reference::parse(build.spec.base.image); base && !base->digest())
    terms.push_back(base_term(base->repository(), base->tag()));
  for (const auto& content : build.spec.content) {
    if (content.config_map)
      terms.push_back(
          content_term("ConfigMap", build.metadata.namespace_, content.config_map->name));
    if (content.secret)
      terms.push_back(content_term("Secret", build.metadata.namespace_, content.secret->name));
    if (content.image)
      if (const auto image = oci::Reference::parse(content.image->reference);
          image && !image->digest())
        terms.push_back(image_term(image->repository(), image->tag()));
    if (!content.git) continue;
    if (const auto name = source::repository_name_of(content.git->url); !name.empty())
      terms.push_back(git_term(name));
  }
  for (const auto& name : credentials_of(build))
    terms.push_back(credential_term(build.metadata.namespace_, name));
  return terms;
}

bool uses_a_secret(const api::ImageBuild& build) {
  const auto& content = build.spec.content;
  return !credentials_of(build).empty() ||
         std::any_of(content.begin(), content.end(),
                     [](const auto& one) { return one.secret.has_value(); });
}

/// Of the steps that need a login, does one take it from an account of these?
bool uses_account(const api::ImageBuild& build, const std::vector<std::string>& accounts) {
  const auto& spec = build.spec;
  return (spec.base.registry.secret.empty() || spec.output.registry.secret.empty()) &&
         std::find(accounts.begin(), accounts.end(), spec.service_account) != accounts.end();
}

/// What a person changes; not status, not other people's annotations.
bool wants_reconcile(const kube::ObjectMeta& before, const kube::ObjectMeta& now) {
  constexpr std::string_view kOurs = "reconcile.kiln.build/requestedAt";
  constexpr std::string_view kFlux = "reconcile.fluxcd.io/requestedAt";
  return before.uid != now.uid || before.generation != now.generation ||
         before.is_deleting() != now.is_deleting() ||
         before.annotation(kOurs) != now.annotation(kOurs) ||
         before.annotation(kFlux) != now.annotation(kFlux);
}

bool is_older(const kube::ObjectMeta& a, const kube::ObjectMeta& b) {
  return std::tie(a.creation_timestamp, a.name) < std::tie(b.creation_timestamp, b.name);
}

KeptImageBuild::Ready readiness_of(const api::Status& status) {
  using Ready = KeptImageBuild::Ready;
  const auto* ready = api::find_condition(status.conditions, api::condition_type::kReady);
  if (ready != nullptr && ready->status == "True") return Ready::kYes;
  return ready != nullptr && ready->status == "False" ? Ready::kNo : Ready::kUnknown;
}

void describe(KeptImageBuild& kept, const api::ImageBuild& build, const api::Status& status) {
  kept.ready = readiness_of(status);
  // What is missing and comes at last is no trigger of a rebuild but the end of a failure.
  const bool never_built = status.digest.empty();
  const bool pinned = !build.spec.pin.empty();
  kept.follows_content = !pinned && (build.spec.triggers.content || never_built);
  kept.follows_base = !pinned && (build.spec.triggers.base || never_built);
}

}  // namespace

ClusterView::ClusterView(runtime::KeySink& queue) : queue_(queue), packer_(typical_image_build()) {}

/// Errors: why it cannot be read.
Result<api::ImageBuild> ClusterView::read(const KeptImageBuild& kept) const {
  return api::parse_image_build(packer_.unpack(kept.packed), api::UnknownFields::kIgnore);
}

std::shared_ptr<const Seen> ClusterView::find(const kube::ObjectKey& key) const {
  const auto kept = store_.find(key);
  if (!kept) return nullptr;
  auto seen = std::make_shared<Seen>();
  seen->meta = kept->meta;
  auto build = read(*kept);
  if (build)
    seen->build = std::make_shared<const api::ImageBuild>(std::move(*build));
  else
    seen->unreadable = build.error().message;
  return seen;
}

KeptImageBuild ClusterView::packed(const kube::Object& object) const {
  const auto reduced = object.for_keeping();
  return KeptImageBuild(packer_.pack(reduced.json()), reduced.meta());
}

/// Answers the outputs of what is there now.
std::vector<oci::Reference> ClusterView::put(const kube::Object& object) {
  auto kept = packed(object);
  std::vector<std::string> terms;
  const auto build = api::parse_image_build(object.json(), api::UnknownFields::kIgnore);
  if (build) {
    describe(kept, *build, build->status);
    terms = terms_of(*build);
  } else {
    ++unreadable_;
  }
  if (build && on_secret_use_ && uses_a_secret(*build)) secret_is_used();
  store_.put(object.key(), std::move(kept), std::move(terms));
  if (on_change_) on_change_(object.key());
  return build ? outputs_of(*build) : std::vector<oci::Reference>();
}

void ClusterView::secret_is_used() {
  if (const auto tell = std::exchange(on_secret_use_, nullptr)) tell();
}

bool ClusterView::is_known(const kube::ObjectState& state) const {
  const auto before = store_.find(state.key);
  if (!before || before->meta.uid != state.uid) return false;
  const auto newer = kube::is_newer_version(state.resource_version, before->meta.resource_version);
  return newer && !*newer;
}

void ClusterView::applied(const kube::Object& object, Origin origin) {
  if (is_known(object.state())) return;
  const auto before = store_.find(object.key());
  const auto outputs = put(object);
  if (before && !wants_reconcile(before->meta, object.meta())) return;
  if (before) wake_others_of(*before);
  // An older one that comes to a tag takes it from a younger one, which has to hear of it.
  if (origin == Origin::kChange) wake_others(object.key(), outputs);
  queue_.add(object.key(), origin == Origin::kInitial ? Priority::kLow : Priority::kHigh);
}

void ClusterView::deleted(const kube::ObjectKey& key) {
  const auto before = store_.find(key);
  store_.erase(key);
  if (before) wake_others_of(*before);
  if (before && on_change_) on_change_(key);
}

bool ClusterView::is_still(const kube::ObjectMeta& seen) const {
  const auto now = store_.find({seen.namespace_, seen.name});
  return now && now->meta.uid == seen.uid && now->meta.generation == seen.generation &&
         !now->meta.is_deleting();
}

/// False if it was deleted, or is another one, or newer here already.
bool ClusterView::is_news(const kube::Object& written) const {
  const auto before = store_.find(written.key());
  if (!before || before->meta.uid != written.meta().uid) return false;
  const auto older =
      kube::is_newer_version(before->meta.resource_version, written.meta().resource_version);
  return !older || !*older;
}

void ClusterView::wrote(const kube::Object& object) {
  if (!is_news(object)) return;
  const bool edited = wants_reconcile(store_.find(object.key())->meta, object.meta());
  put(object);
  if (edited) queue_.add(object.key(), Priority::kHigh);
}

void ClusterView::wrote(const kube::Object& written, const api::ImageBuild& build,
                        const api::Status& status, std::string_view text) {
  if (!is_news(written)) return;
  const auto before = store_.find(written.key());
  if (before->meta.generation != build.metadata.generation ||
      before->meta.generation != written.meta().generation)
    return;
  const auto metadata = json_member(written.json(), "metadata");
  const auto object = with_json_member(packer_.unpack(before->packed), "metadata", metadata);
  KeptImageBuild kept(packer_.pack(with_json_member(object, "status", text)), written.meta());
  describe(kept, build, status);
  const bool edited = wants_reconcile(before->meta, written.meta());
  store_.replace(written.key(), std::move(kept));
  if (on_change_) on_change_(written.key());
  if (edited) queue_.add(written.key(), Priority::kHigh);
}

std::string ClusterView::version_of(const std::string& kind, const kube::ObjectKey& key) const {
  const auto of_kind = versions_.find(kind);
  if (of_kind == versions_.end()) return "";
  const auto found = of_kind->second.find(key);
  return found == of_kind->second.end() ? "" : found->second;
}

void ClusterView::wake_others_of(const KeptImageBuild& gone) {
  if (const auto build = read(gone))
    wake_others(kube::ObjectKey(gone.meta.namespace_, gone.meta.name), outputs_of(*build));
}

void ClusterView::wake_others(const kube::ObjectKey& one,
                              const std::vector<oci::Reference>& outputs) {
  for (const auto& output : outputs)
    for (const auto& key : store_.with_term(output_term(one.namespace_, output)))
      if (key.name != one.name) queue_.add(key, Priority::kNormal);
}

ReadyCounts ClusterView::count_ready() const {
  using Ready = KeptImageBuild::Ready;
  ReadyCounts counts;
  store_.for_each([&counts](const KeptImageBuild& kept) {
    ++(kept.ready == Ready::kYes  ? counts.ready
       : kept.ready == Ready::kNo ? counts.not_ready
                                  : counts.unknown);
  });
  return counts;
}

std::optional<TagHolder> ClusterView::tag_holder(const api::ImageBuild& build) const {
  const kube::ObjectKey own(build.metadata.namespace_, build.metadata.name);
  const auto self = store_.find(own);
  if (!self) return std::nullopt;
  for (const auto& output : outputs_of(build))
    for (const auto& key : store_.with_term(output_term(own.namespace_, output))) {
      const auto other = store_.find(key);
      if (key != own && other && !other->meta.is_deleting() && is_older(other->meta, self->meta))
        return TagHolder{key.name, output};
    }
  return std::nullopt;
}

bool ClusterView::is_claimed(const oci::Reference& tag, const kube::ObjectKey& owner) const {
  for (const auto& key : store_.with_term(repository_term(tag.repository()))) {
    const auto other = store_.find(key);
    if (key == owner || !other || other->meta.is_deleting()) continue;
    const auto build = read(*other);
    if (!build) continue;
    const auto wanted = plan::fixed_tags(*build);
    const auto pushed = pushed_by(*build).tags;
    if (std::find(wanted.begin(), wanted.end(), tag.tag()) != wanted.end() ||
        std::find(pushed.begin(), pushed.end(), tag) != pushed.end())
      return true;
  }
  return false;
}

bool ClusterView::uses(std::string_view kind, const kube::ObjectKey& key) const {
  return store_.has_term(content_term(kind, key.namespace_, key.name)) ||
         (kind == kSecret && (store_.has_term(credential_term(key.namespace_, key.name)) ||
                              !accounts_with(key).empty()));
}

void ClusterView::object_changed(std::string_view kind, const kube::ObjectKey& key,
                                 Priority priority) {
  for (const auto& user : store_.with_term(content_term(kind, key.namespace_, key.name)))
    if (store_.find(user)->follows_content) queue_.add(user, priority);
  if (kind != kSecret) return;
  for (const auto& user : store_.with_term(credential_term(key.namespace_, key.name)))
    if (store_.find(user)->ready != KeptImageBuild::Ready::kYes) queue_.add(user, priority);
  for (const auto& user : users_of_accounts(key.namespace_, accounts_with(key)))
    queue_.add(user, priority);
}

void ClusterView::account_names(const kube::ObjectKey& account, std::vector<std::string> secrets) {
  if (secrets.empty()) {
    accounts_.erase(account);
    return;
  }
  accounts_[account] = std::move(secrets);
  secret_is_used();
}

std::vector<std::string> ClusterView::secrets_of_account(const kube::ObjectKey& account) const {
  const auto found = accounts_.find(account);
  return found == accounts_.end() ? std::vector<std::string>() : found->second;
}

/// The accounts that name it.
std::vector<std::string> ClusterView::accounts_with(const kube::ObjectKey& secret) const {
  std::vector<std::string> accounts;
  for (auto at = accounts_.lower_bound(kube::ObjectKey(secret.namespace_, ""));
       at != accounts_.end() && at->first.namespace_ == secret.namespace_; ++at)
    if (std::find(at->second.begin(), at->second.end(), secret.name) != at->second.end())
      accounts.push_back(at->first.name);
  return accounts;
}

/// Those that are not Ready.
std::vector<kube::ObjectKey> ClusterView::users_of_accounts(
    const std::string& space, const std::vector<std::string>& accounts) const {
  std::vector<kube::ObjectKey> users;
  if (accounts.empty()) return users;
  store_.for_each([&](const KeptImageBuild& kept) {
    if (kept.ready == KeptImageBuild::Ready::kYes || kept.meta.namespace_ != space) return;
    const auto build = read(kept);
    if (build && uses_account(*build, accounts)) users.emplace_back(space, kept.meta.name);
  });
  return users;
}

std::vector<kube::ObjectKey> ClusterView::users_of_git(const std::string& repository,
                                                       std::string_view name) const {
  std::vector<kube::ObjectKey> users;
  for (const auto& key : store_.with_term(git_term(repository))) {
    const auto build = read(*store_.find(key));
    if (!build) continue;
    const auto& content = build->spec.content;
    const auto follows = [&](const api::Content& entry) {
      return entry.git && source::repository_name_of(entry.git->url) == repository &&
             source::may_follow(plan::git_ref_of(*entry.git), name);
    };
    if (std::any_of(content.begin(), content.end(), follows)) users.push_back(key);
  }
  return users;
}

std::size_t ClusterView::git_changed(const std::string& repository,
                                     const std::vector<std::string>& names, Priority priority) {
  std::set<kube::ObjectKey> users;
  const auto add = [&](std::string_view name) {
    for (auto& key : users_of_git(repository, name)) users.insert(std::move(key));
  };
  for (const auto& name : names) add(name);
  if (names.empty()) add("");
  if (on_git_news_) on_git_news_(repository);
  std::size_t started = 0;
  for (const auto& key : users) {
    if (!store_.find(key)->follows_content) continue;
    queue_.add(key, priority);
    ++started;
  }
  return started;
}

std::size_t ClusterView::image_changed(const oci::Repository& repository, std::string_view tag,
                                       std::chrono::milliseconds delay, Priority priority) {
  if (on_image_news_) on_image_news_(repository, tag, delay);
  return start_users_of_image(repository, tag, delay, priority);
}

std::size_t ClusterView::start_users_of_image(const oci::Repository& repository,
                                              std::string_view tag, std::chrono::milliseconds delay,
                                              Priority priority) {
  std::set<kube::ObjectKey> users;
  for (const auto& key : store_.with_term(base_term(repository, tag)))
    if (store_.find(key)->follows_base) users.insert(key);
  for (const auto& key : store_.with_term(image_term(repository, tag)))
    if (store_.find(key)->follows_content) users.insert(key);
  for (const auto& user : users) {
    if (delay.count() > 0)
      queue_.add_after(user, delay, priority);
    else
      queue_.add(user, priority);
  }
  return users.size();
}

void ContentWatch::applied(const kube::Object& object, Origin origin) {
  const auto key = object.key();
  if (!view_.uses(kind_, key)) {
    versions_.erase(key);
    return;
  }
  const auto [place, first] = versions_.emplace(key, object.meta().resource_version);
  const bool changed = !first && place->second != object.meta().resource_version;
  place->second = object.meta().resource_version;
  const auto priority = origin == Origin::kInitial ? Priority::kLow : Priority::kHigh;
  if (first || changed) view_.object_changed(kind_, key, priority);
}

void ContentWatch::deleted(const kube::ObjectKey& key) {
  if (versions_.erase(key) > 0 || view_.uses(kind_, key))
    view_.object_changed(kind_, key, Priority::kHigh);
}

std::vector<kube::ObjectKey> ContentWatch::known() const {
  std::vector<kube::ObjectKey> keys;
  for (const auto& [key, version] : versions_) keys.push_back(key);
  return keys;
}

}  // namespace kiln::imagebuild
