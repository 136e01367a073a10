#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/image_build.h"
#include "controller/imagebuild/text_packer.h"
#include "controller/kube/object.h"
#include "controller/kube/resource_type.h"
#include "controller/runtime/key_queue.h"
#include "controller/runtime/store.h"
#include "controller/runtime/watch_handler.h"
#include "core/oci/reference.h"

namespace kiln::imagebuild {

inline constexpr kube::ResourceType kImageBuilds("kiln.build", "v1alpha1", "imagebuilds",
                                                 "ImageBuild", true);

/// An ImageBuild as it was last seen: read, and the metadata of the object it was read from.
struct Seen {
  kube::ObjectMeta meta;
  std::shared_ptr<const api::ImageBuild> build;  ///< Null when it could not be read.
  std::string unreadable;                        ///< Why not.
};

/// What is kept of an ImageBuild: its text, packed, which takes a twentieth of the memory of what
/// is read from it, and what is asked so often that nothing should be read for it.
struct KeptImageBuild {
  enum class Ready : std::uint8_t { kUnknown, kYes, kNo };

  std::string packed;  ///< Its JSON, by the view's TextPacker.
  kube::ObjectMeta meta;
  Ready ready = Ready::kUnknown;
  bool follows_content = false;  ///< A change of its content starts it.
  bool follows_base = false;     ///< A change of its base starts it.

  KeptImageBuild(std::string text, kube::ObjectMeta m)
      : packed(std::move(text)), meta(std::move(m)) {}
};

/// Who moves a tag, by name in its namespace.
struct TagHolder {
  std::string name;
  oci::Reference tag;
};

/// How many ImageBuilds have which status of the condition Ready; none yet is unknown.
struct ReadyCounts {
  std::size_t ready = 0;
  std::size_t not_ready = 0;
  std::size_t unknown = 0;
};

/// The ImageBuilds of the cluster, and who uses which ConfigMap, Secret, git repository and output
/// tag. Turns what changed into keys of the work queue: a user's edit, the end of one that held a
/// tag, other content. Changes of status alone start nothing. Threads: one. Lifetime: `queue`
/// outlives it.
class ClusterView final : public runtime::WatchHandler {
 public:
  explicit ClusterView(runtime::KeySink& queue);

  void applied(const kube::Object& object, runtime::Origin origin) override;
  /// Our own write may already be here while it and older events are still on their way.
  bool is_known(const kube::ObjectState& state) const override;
  void deleted(const kube::ObjectKey& key) override;
  std::vector<kube::ObjectKey> known() const override { return store_.keys(); }

  /// Read anew each time. Null when there is none.
  std::shared_ptr<const Seen> find(const kube::ObjectKey& key) const;
  /// Is it there as it was `seen`: the same one, with the same spec, and not being deleted?
  bool is_still(const kube::ObjectMeta& seen) const;
  /// Of content that is in use, the resourceVersion that the watch of `kind` told last; "" = none.
  std::string version_of(const std::string& kind, const kube::ObjectKey& key) const;
  /// What the reconciler has just written: kept at once, so that it never works on an older state.
  void wrote(const kube::Object& object);
  /// The same of a status, `text` as JSON, of which the server has answered `written`, the
  /// metadata. Nothing where the spec is no longer that of `build`: the watch brings that, and this
  /// with it.
  void wrote(const kube::Object& written, const api::ImageBuild& build, const api::Status& status,
             std::string_view text);
  ReadyCounts count_ready() const;
  std::size_t unreadable() const { return unreadable_; }  ///< How often one could not be read.
  /// An older one of the namespace's other ImageBuilds that moves one of the tags that every build
  /// of this one moves.
  std::optional<TagHolder> tag_holder(const api::ImageBuild& build) const;

  /// Does an ImageBuild but `owner`, of whatever namespace, have or want this tag?
  bool is_claimed(const oci::Reference& tag, const kube::ObjectKey& owner) const;

  /// `kind` is "ConfigMap" or "Secret". As content or as credentials.
  bool uses(std::string_view kind, const kube::ObjectKey& key) const;
  /// Starts those that have content from it and follow that; and of those that have credentials
  /// from it the ones that are not Ready. The others read it at their next poll: what they have is
  /// good, and a pull secret that is replaced in a namespace is no reason to ask a registry a
  /// thousand times at once.
  void object_changed(std::string_view kind, const kube::ObjectKey& key,
                      runtime::Priority priority);

  /// This ServiceAccount names these Secrets for registries. They count as credentials of those
  /// ImageBuilds that have some from the account, until it is said to name others.
  void account_names(const kube::ObjectKey& account, std::vector<std::string> secrets);
  /// What was last told of it; empty where that is nothing.
  std::vector<std::string> secrets_of_account(const kube::ObjectKey& account) const;

  /// Those that have content from a repository (by source::GitUrl::repository_name()) and may get
  /// other content because its ref `name` ("refs/heads/main"; "" = any) was changed.
  std::vector<kube::ObjectKey> users_of_git(const std::string& repository,
                                            std::string_view name) const;
  /// Somebody says that refs were changed (empty = it is not said which): tells on_git_news(),
  /// starts those users whose spec.triggers allow it, and answers how many.
  std::size_t git_changed(const std::string& repository, const std::vector<std::string>& names,
                          runtime::Priority priority);
  /// Somebody says that a tag was set: tells on_image_news(), and start_users_of_image().
  std::size_t image_changed(const oci::Repository& repository, std::string_view tag,
                            std::chrono::milliseconds delay, runtime::Priority priority);
  /// Starts those whose base it is, or that copy content from it, and whose spec.triggers allow it,
  /// after `delay`, and answers how many.
  std::size_t start_users_of_image(const oci::Repository& repository, std::string_view tag,
                                   std::chrono::milliseconds delay, runtime::Priority priority);

  /// Called with a repository's name before those who use it start: what is known of its refs is
  /// out of date.
  void on_git_news(std::function<void(const std::string&)> callback) {
    on_git_news_ = std::move(callback);
  }

  /// Called with an image before those who use it start: what is known of its tag is out of date,
  /// and what is asked before `delay` is over, too.
  using ImageNews = std::function<void(const oci::Repository&, std::string_view tag,
                                       std::chrono::milliseconds delay)>;
  void on_image_news(ImageNews callback) { on_image_news_ = std::move(callback); }

  /// Called with the key of each ImageBuild that is seen in another state, or is gone.
  void on_change(std::function<void(const kube::ObjectKey&)> callback) {
    on_change_ = std::move(callback);
  }

  /// Called when the first ImageBuild with content or credentials from a Secret is seen, or the
  /// first account that names one.
  void on_secret_use(std::function<void()> callback) { on_secret_use_ = std::move(callback); }

 private:
  friend class ContentWatch;
  std::vector<oci::Reference> put(const kube::Object& object);
  KeptImageBuild packed(const kube::Object& object) const;
  bool is_news(const kube::Object& written) const;
  Result<api::ImageBuild> read(const KeptImageBuild& kept) const;
  void wake_others_of(const KeptImageBuild& gone);
  void wake_others(const kube::ObjectKey& one, const std::vector<oci::Reference>& outputs);
  std::vector<std::string> accounts_with(const kube::ObjectKey& secret) const;
  std::vector<kube::ObjectKey> users_of_accounts(const std::string& space,
                                                 const std::vector<std::string>& accounts) const;
  void secret_is_used();

  runtime::KeySink& queue_;
  TextPacker packer_;
  runtime::Store<KeptImageBuild> store_;
  std::map<kube::ObjectKey, std::vector<std::string>> accounts_;  ///< The Secrets of each.
  std::map<std::string, std::map<kube::ObjectKey, std::string>> versions_;  ///< By kind.
  std::function<void()> on_secret_use_;
  std::function<void(const std::string&)> on_git_news_;
  ImageNews on_image_news_;
  std::function<void(const kube::ObjectKey&)> on_change_;
  std::size_t unreadable_ = 0;
};

/// Watches ConfigMaps or Secrets as metadata and tells the view the resourceVersion of those in
/// use. Lifetime: `view` outlives it.
class ContentWatch final : public runtime::WatchHandler {
 public:
  ContentWatch(std::string kind, ClusterView& view)
      : kind_(std::move(kind)), view_(view), versions_(view.versions_[kind_]) {}

  void applied(const kube::Object& object, runtime::Origin origin) override;
  void deleted(const kube::ObjectKey& key) override;
  std::vector<kube::ObjectKey> known() const override;

 private:
  std::string kind_;
  ClusterView& view_;
  std::map<kube::ObjectKey, std::string>& versions_;  ///< The view's.
};

}  // namespace kiln::imagebuild
