#pragma once
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/api/image_build.h"
#include "controller/imagebuild/cluster_content.h"
#include "controller/imagebuild/cluster_view.h"
#include "controller/imagebuild/credentials.h"
#include "controller/imagebuild/outcome.h"
#include "controller/imagebuild/registry_notes.h"
#include "controller/kube/client.h"
#include "controller/plan/plan.h"
#include "controller/runtime/event_recorder.h"
#include "controller/runtime/work_queue.h"
#include "core/base/clock.h"
#include "core/build/builder.h"
#include "core/build/pusher.h"
#include "core/registry/client.h"
#include "core/registry/gate.h"

namespace kiln::imagebuild {

/// What a reconcile works with. References; main owns all of it, and what `git` refers to.
struct Ports {
  kube::Client& kube;
  Credentials& credentials;
  registry::Client& registry;
  build::Builder& builder;
  runtime::EventSink& events;
  const Clock& clock;
  ClusterView& view;
  plan::GitSources git;

  Ports(kube::Client& k, Credentials& i, registry::Client& r, build::Builder& b,
        runtime::EventSink& e, const Clock& c, ClusterView& v, plan::GitSources g)
      : kube(k),
        credentials(i),
        registry(r),
        builder(b),
        events(e),
        clock(c),
        view(v),
        git(std::move(g)) {}
};

enum class Next { kContinue, kStop };

/// How a pass ended before its last step, other than by an error.
struct Halt {
  std::string reason;
  std::string message;
  bool dead_end = false;  ///< Nothing of ours will change it.
  bool ready = false;     ///< The object is as it should be.
  /// When to look again, if that is not the next poll's matter.
  std::optional<std::chrono::milliseconds> look_again{};

  Halt(std::string r, std::string m, bool dead, bool is_ready)
      : reason(std::move(r)), message(std::move(m)), dead_end(dead), ready(is_ready) {}
};

/// One reconcile's state: what was read, what was found, and the status that comes of it. Each step
/// is a member, so no coroutine takes a reference. Steps never sleep and never requeue; only
/// assemble() and push_and_record() write, and run() where it takes long; all through
/// write_status().
class BuildPass {
 public:
  struct NamedStep {
    Step step;
    Task<Result<Next>> (BuildPass::*run)();
  };

  /// How long nothing may be heard of a pass.
  static constexpr std::chrono::seconds kPatience{5};

  /// `asked`: see runtime::Reconciler. `metrics` may be null. Lifetime: it is there as long.
  BuildPass(Ports ports, std::shared_ptr<const Seen> seen, runtime::WorkQueue::Time asked,
            obs::Metrics* metrics = nullptr, std::chrono::milliseconds patience = kPatience);

  Task<Result<Next>> settle_finalizer();
  Task<Result<Next>> check_spec();
  Task<Result<Next>> hold_pin();
  Task<Result<Next>> read_credentials();
  Task<Result<Next>> read_content();
  Task<Result<Next>> fetch_content();
  Task<Result<Next>> resolve_base();
  Task<Result<Next>> stop_if_up_to_date();
  Task<Result<Next>> announce();
  Task<Result<Next>> assemble();
  Task<Result<Next>> push_and_record();
  Task<Result<Next>> publish();

  /// Runs every step in order. Afterwards step() is the one that ended it. What takes longer than
  /// `patience` is said in the status, with what is waited for.
  Task<Result<Next>> run();

  Step step() const { return step_; }
  const std::optional<Halt>& halt() const { return halt_; }
  bool secret_missing() const { return content_.asked_for_secret(); }
  bool built() const { return built_; }
  /// Nothing to do: the tags hold what is asked for.
  bool up_to_date() const { return up_to_date_; }
  bool pinned() const { return pinned_; }  ///< spec.pin decides what the tags hold.
  bool moved_to_pin() const { return moved_to_pin_; }
  /// Tags that nothing has a use for any more were to be deleted.
  bool tidied() const { return tidied_; }
  /// Why something has to be built; empty where it does not, or is not known yet.
  const std::vector<api::Reason>& reasons() const { return reasons_; }
  /// Of content, so far.
  std::size_t files_read() const;
  const std::string& requested_at() const { return requested_at_; }
  const api::ImageBuild& build() const { return *build_; }
  api::Status& status() { return status_; }
  const api::Status& status() const { return status_; }
  /// Of the build, and of registries.
  std::vector<std::string> warnings() const;
  /// Those that the same inputs would always give. Precondition: built().
  const std::vector<std::string>& lasting_warnings() const { return assembled_->warnings; }

  /// Writes `status_` if it differs from what the API server has. Errors: kConflict and others of
  /// the client.
  Task<Result<void>> write_status();

 private:
  using Timer = boost::asio::steady_timer;

  /// What a tag held when it was looked at before all inputs were known.
  struct EarlyLook {
    Result<std::string> held;
    std::chrono::steady_clock::time_point at;
  };

  /// A registry, and the part of the spec that names it. Lifetime: of the pass.
  struct Party {
    std::string field;
    const api::RegistryRef& ref;
    const std::string& image;
    const registry::Access& access;
    Party(std::string f, const api::RegistryRef& r, const std::string& i, const registry::Access& a)
        : field(std::move(f)), ref(r), image(i), access(a) {}
  };

  Task<Result<Next>> run_steps();
  Task<Result<Next>> run_steps_before(std::shared_ptr<Timer> late);
  Task<Result<Next>> tell_of_wait_after(std::shared_ptr<Timer> late);
  bool mark_wait();
  std::string what_is_waited_for() const;
  std::string doing(Step step) const;
  std::optional<Party> party(Step step) const;
  std::string advice_on_credentials(Step step) const;
  Error with_advice(Error error) const;
  Task<Result<void>> write_status_alone();
  Task<Result<Next>> read_accesses();
  Task<Result<Next>> read_ahead(std::vector<ClusterContent::Known> config_maps);
  Task<Result<Next>> look_meanwhile();
  Task<Result<Next>> announce_if_late(Task<Result<Next>> work);
  Task<Result<Next>> do_before(Task<Result<Next>> work, std::shared_ptr<Timer> late);
  Task<Result<Next>> write_status_after(std::shared_ptr<Timer> late);
  Task<Result<Next>> push_content();
  bool has_nothing_to_record() const;
  Task<Result<Next>> record_pending();
  Result<Next> stop_if_contested();
  Result<Next> halt(std::string reason, std::string message, bool dead_end, bool ready);
  bool is_poll() const;
  std::chrono::milliseconds max_age_of_tags() const;
  plan::GitSources git_sources();
  plan::ImageSources image_sources();
  std::optional<source::KnownContent> known_content(const source::GitRequest& request,
                                                    std::size_t entry) const;
  std::optional<source::KnownContent> known_image(const std::string& source,
                                                  std::size_t entry) const;
  bool has_unread_content() const;
  bool failed_while_building() const;
  Task<Result<Next>> read_unread_content();
  Task<Result<Next>> compare();
  std::shared_ptr<const build::EarlierLayers> earlier_layers() const;
  Task<Result<bool>> reuse_layers();
  void take(build::Assembled assembled);
  Task<Result<Next>> make_layers();
  Task<Result<Next>> build_anew();
  Task<Result<build::PushReport>> send_content();
  void warn_of_moved_tags();
  void warn_of_foreign_tags(const std::string& what_happens);
  void note_revisions();
  std::vector<api::Reason> reasons_to_build() const;
  Result<Next> judge_tags();
  Result<Next> put_back(std::vector<api::Reason> restored, const std::string& moved);
  Task<Result<Next>> move_to_pin();
  void finish_pin();
  oci::Reference output() const;
  store::Destination& destination();
  bool has_last_base(const image::Image& image) const;
  bool may_have_been_pushed(const std::string& digest) const;
  std::map<oci::Digest, build::Presence> records_of_blobs() const;
  void ask_for_all_blobs();
  bool destination_is_new() const;
  bool spec_is_new() const;
  Result<Next> render_tags();
  Task<Result<std::string>> look_at_tag(std::string tag, registry::Access access);
  Task<Result<std::string>> look_at_tag_once(std::string tag);
  bool is_anonymous() const;
  bool looks_early() const;
  Task<Result<Next>> look_early();
  Task<Result<Next>> look_at_tags();
  Task<Result<std::vector<std::string>>> missing_tags(std::string digest);
  Task<Result<Next>> put_tags(oci::RawManifest top);
  Task<Result<void>> write_pending(std::string digest);
  bool is_ours(const std::string& digest) const;
  void note_stage(std::string name, std::chrono::steady_clock::time_point since);
  void describe_base_and_content();
  void finish_status();
  void note_build();
  void keep_what_was_pending(const std::string& digest);
  void shorten_history();
  std::vector<std::string> without_fixed(std::vector<std::string> tags) const;
  Task<void> tidy();

  Ports ports_;
  std::shared_ptr<const Seen> seen_;
  std::shared_ptr<const api::ImageBuild> build_;
  runtime::WorkQueue::Time asked_;
  api::Status written_;       ///< As the API server has it.
  std::string written_text_;  ///< `written_` as JSON, once it was asked for.
  api::Status status_;        ///< As it is to be.
  std::string resource_version_;
  std::chrono::milliseconds patience_;
  registry::Gate writes_{1};  ///< Of the status: one at a time.
  bool steps_ended_ = false;
  bool told_of_wait_ = false;
  bool looks_at_tags_ = false;  ///< Now.
  ClusterContent content_;
  Step step_ = Step::kSpec;
  std::optional<Halt> halt_;
  bool built_ = false;
  bool up_to_date_ = false;
  bool pinned_ = false;
  bool moved_to_pin_ = false;
  bool tidied_ = false;
  std::string requested_at_;

  std::shared_ptr<RegistryNotes> notes_;  // Shared with the accesses.
  plan::Accesses accesses_;
  std::size_t failed_image_ = 0;  ///< The entry of the content, if the step is kImage.
  std::optional<plan::Plan> plan_;
  /// For those entries that may be known already: what reads them nevertheless.
  std::map<std::size_t, std::shared_ptr<source::Source>> readers_;
  std::shared_ptr<const std::vector<build::FetchedContent>> fetched_;
  std::shared_ptr<const build::ResolvedImage> base_;
  std::string key_;
  std::vector<std::string> tags_;
  std::map<std::string, EarlyLook> early_;  ///< By tag. Each answers once.
  std::vector<std::string> held_;  ///< What each of `tags_` points at; "" = the tag is not there.
  std::vector<api::Reason> reasons_;
  std::shared_ptr<const build::Assembled> assembled_;
  bool reuses_layers_ = false;
  std::shared_ptr<const image::ImageSet> images_;
  std::optional<oci::RawManifest> top_;  ///< What the tags are to point at: that of `images_`.
  Result<void> recorded_;                ///< How record_pending() ended.
  bool trusts_records_ = true;
  std::map<oci::Digest, build::Presence> records_;
  std::unique_ptr<store::Destination> destination_;  ///< Refers to `records_`.
  std::unique_ptr<store::Destination> making_;       ///< The same, see Builder::making().
  build::PushReport report_;
  std::vector<api::Stage> stages_;
  std::vector<std::string> warnings_;
  WallTime started_{};
  std::chrono::steady_clock::time_point started_steady_{};
};

}  // namespace kiln::imagebuild
