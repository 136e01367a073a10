#pragma once
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "controller/imagebuild/base_starter.h"
#include "controller/imagebuild/reconciler.h"
#include "core/base/encoding.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "tests/support/base_images.h"
#include "tests/support/fake_git.h"
#include "tests/support/fake_kube.h"
#include "tests/support/manual_clock.h"
#include "tests/support/run_task.h"

namespace kiln::imagebuild {

using runtime::ReconcileResult;

/// A queue that only remembers what the poll of a base has started.
class NoKeys final : public runtime::KeySink {
 public:
  void add(const kube::ObjectKey& key, runtime::Priority priority) override {
    if (priority == runtime::Priority::kNormal) added.push_back(key);
  }
  void add_after(const kube::ObjectKey&, std::chrono::milliseconds, runtime::Priority) override {}
  std::vector<kube::ObjectKey> added;
};

class Notes final : public runtime::EventSink {
 public:
  void record(const runtime::ObjectReference&, runtime::EventType type, std::string_view reason,
              std::string_view, std::string_view note) override {
    lines.push_back((type == runtime::EventType::kWarning ? "Warning " : "Normal ") +
                    std::string(reason) + ": " + std::string(note));
  }
  std::vector<std::string> lines;
};

/// An ImageBuild web/site on a base in a registry, in an API server, both in memory.
class Reconcile : public ::testing::Test {
 protected:
  Reconcile() {
    log::set_level(log::Level::kOff);
    testing::add_base(registry_, "r.test/nginx", "1.27");
    put_pages("hello");
    builder_.follow_bases(base_starter_);
  }

  /// The base's tag gets another image, with one more file, and the time for polls comes.
  void change_base(const std::vector<layer::Entry>& entries = testing::nginx_like_entries()) {
    auto all = entries;
    all.push_back(testing::file("base-version", std::to_string(++base_version_)));
    testing::add_base(registry_, "r.test/nginx", "1.27", all);
    clock_.advance(std::chrono::minutes(10));
  }

  void put_pages(const std::string& text) {
    kube_.put(kube::kConfigMaps, dump_json({{"metadata", {{"namespace", "web"}, {"name", "pages"}}},
                                            {"data", {{"index.html", text}}}}));
  }
  /// A Secret with logins: `auths` by registry, as a docker config has them.
  void put_pull_secret(const std::string& space, const std::string& name, const Json& auths) {
    const Json files = {{".dockerconfigjson", base64_encode(dump_json({{"auths", auths}}))}};
    kube_.put(kube::kSecrets,
              dump_json({{"metadata", {{"namespace", space}, {"name", name}}}, {"data", files}}));
  }
  void put_build(const Json& change = Json::object()) {
    Json spec = {
        {"base", {{"image", "r.test/nginx:1.27"}}},
        {"remove", {"/usr/share/nginx/html"}},
        {"content", {{{"configMap", {{"name", "pages"}}}, {"path", "/usr/share/nginx/html"}}}},
        {"output", {{"image", "r.test/team/site:latest"}}}};
    spec.merge_patch(change);
    Json object = {{"metadata", {{"namespace", "web"}, {"name", "site"}}}, {"spec", spec}};
    if (const auto* before = kube_.find_json(kImageBuilds, key_)) {
      object["status"] = json_at(*before, "status");
      object["metadata"]["finalizers"] = json_at(json_at(*before, "metadata"), "finalizers");
    }
    kube_.put(kImageBuilds, dump_json(object));
    look();
  }
  /// What the watch does: the view sees the object as it is now.
  void look() {
    view_.applied(*kube::Object::parse(dump_json(*kube_.find_json(kImageBuilds, key_))),
                  runtime::Origin::kChange);
  }

  /// The same, and what content is put into has another owner.
  void change_base_below_content() {
    auto entries = testing::nginx_like_entries();
    for (auto& entry : entries)
      if (entry.path == "usr/share/nginx") entry.uid = 101;
    change_base(entries);
  }

  /// As soon as somebody asks for it.
  ReconcileResult reconcile() { return reconcile_by(reconciler_); }
  /// By a worker that has had other things to do since somebody asked for it.
  ReconcileResult reconcile_asked_at(runtime::WorkQueue::Time asked) {
    return reconcile_by(reconciler_, asked);
  }
  /// By one that says at once what it waits for.
  ReconcileResult reconcile_impatiently() {
    auto options = metered();
    options.patience = std::chrono::milliseconds(0);
    ImageBuildReconciler impatient(ports(), options);
    return reconcile_by(impatient);
  }
  ReconcileResult reconcile_by(ImageBuildReconciler& reconciler) {
    return reconcile_by(reconciler, clock_.steady_now());
  }
  ReconcileResult reconcile_by(ImageBuildReconciler& reconciler, runtime::WorkQueue::Time asked) {
    std::optional<ReconcileResult> result;
    const auto keep = [](Task<ReconcileResult> task,
                         std::optional<ReconcileResult>* out) -> Task<Result<int>> {
      out->emplace(co_await std::move(task));
      co_return 0;
    };
    EXPECT_TRUE(testing::run_task(io_, keep(reconciler.reconcile(key_, asked), &result)));
    return *result;
  }

  /// Somebody else's image takes the tag.
  oci::Digest push_foreign() {
    oci::RawManifest manifest(std::string(oci::media_type::kOciIndex),
                              R"({"schemaVersion":2,"manifests":[]})");
    return registry_.add_manifest("r.test/team/site", "latest", std::move(manifest));
  }

  Ports ports() {
    return {kube_, credentials_, registry_, builder_, notes_, clock_, view_, git_.sources()};
  }

  const Json& status() const { return json_at(*kube_.find_json(kImageBuilds, key_), "status"); }
  std::string condition(const std::string& type) const {
    for (const auto& one : json_at(status(), "conditions"))
      if (one["type"] == type)
        return one["status"].get<std::string>() + " " + one["reason"].get<std::string>();
    return "none";
  }
  /// What the condition says.
  std::string message(const std::string& type = "Ready") const {
    for (const auto& one : json_at(status(), "conditions"))
      if (one["type"] == type) return one["message"];
    return "";
  }
  std::string digest() const { return json_string(status(), "digest"); }
  std::string tag() const {
    const auto held = registry_.tag("r.test/team/site", "latest");
    return held ? held->str() : "";
  }
  std::vector<std::string> reasons() const {
    std::vector<std::string> types;
    for (const auto& reason : status()["lastBuild"]["reasons"]) types.push_back(reason["type"]);
    return types;
  }
  using Names = std::vector<std::string>;

  const kube::ObjectKey key_{"web", "site"};
  boost::asio::io_context io_;
  fakes::FakeKube kube_;
  fakes::FakeRegistry registry_;
  fakes::FakeGit git_;
  fakes::ManualClock clock_;
  WorkPool pool_{1};
  build::Builder builder_{registry_, pool_, with_clock()};
  Notes notes_;
  NoKeys keys_;
  ClusterView view_{keys_};
  Credentials credentials_{kube_, view_, clock_};
  obs::Metrics metrics_;
  BaseStarter base_starter_{view_, metrics_};
  ImageBuildReconciler reconciler_{ports(), metered()};

 private:
  build::Builder::Options with_clock() {
    build::Builder::Options options;
    options.clock = &clock_;
    return options;
  }
  ReconcilerOptions metered() {
    ReconcilerOptions options;
    options.metrics = &metrics_;
    return options;
  }

  int base_version_ = 0;
};

}  // namespace kiln::imagebuild
