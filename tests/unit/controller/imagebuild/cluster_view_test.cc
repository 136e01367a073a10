#include "controller/imagebuild/cluster_view.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/json.h"

namespace kiln::imagebuild {
namespace {

using runtime::Origin;
using runtime::Priority;

class Keys final : public runtime::KeySink {
 public:
  void add(const kube::ObjectKey& key, Priority priority) override {
    added.push_back(key.name + (priority == Priority::kLow ? " low" : ""));
  }
  void add_after(const kube::ObjectKey& key, std::chrono::milliseconds,
                 Priority priority) override {
    add(key, priority);
  }
  std::vector<std::string> take() { return std::exchange(added, {}); }
  std::vector<std::string> added;
};
using Names = std::vector<std::string>;

struct Shape {
  std::string name = "site";
  int version = 1;
  int generation = 1;
  std::string created = "2026-01-01T00:00:00Z";
  std::string extra{};  ///< More metadata, beginning with a comma.
  std::string output = "r.io/team/site:1";
  std::string tags{};  ///< More of them, in quotation marks and with commas.
};

kube::Object build(const Shape& shape) {
  return *kube::Object::parse(
      R"({"metadata":{"namespace":"web","name":")" + shape.name + R"(","uid":"u-)" + shape.name +
      R"(","resourceVersion":")" + std::to_string(shape.version) + R"(","generation":)" +
      std::to_string(shape.generation) + R"(,"creationTimestamp":")" + shape.created + "\"" +
      shape.extra +
      R"(},"spec":{"base":{"image":"scratch"},"content":[{"configMap":{"name":"pages"},"path":"/srv"}],)"
      R"("output":{"image":")" +
      shape.output + R"(","tags":[)" + shape.tags + "]}}}");
}

/// What the server answers when its status is written.
kube::Object metadata(const Shape& shape) {
  const auto whole = parse_json(build(shape).json());
  return *kube::Object::parse(
      dump_json({{"kind", "PartialObjectMetadata"}, {"metadata", json_at(*whole, "metadata")}}));
}

kube::Object config_map(const std::string& name, int version) {
  return *kube::Object::parse(R"({"metadata":{"namespace":"web","name":")" + name +
                              R"(","resourceVersion":")" + std::to_string(version) + "\"}}");
}

class View : public ::testing::Test {
 protected:
  /// Who has a tag that this one would move.
  std::string holder_for(const std::string& name) const {
    const auto holder = view_.tag_holder(*view_.find({"web", name})->build);
    return holder ? holder->name : "none";
  }

  Keys keys_;
  ClusterView view_{keys_};
  ContentWatch pages_{"ConfigMap", view_};
};

TEST_F(View, PutsANewImageBuildInTheQueue) {
  view_.applied(build({}), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{"site"});
}

TEST_F(View, LetsThoseOfTheFirstListWaitForPeople) {
  view_.applied(build({}), Origin::kInitial);
  EXPECT_EQ(keys_.take(), Names{"site low"});
}

TEST_F(View, TellsOfEachChangeWhateverItStarts) {
  Names told;
  view_.on_change([&told](const kube::ObjectKey& key) { told.push_back(key.str()); });
  Shape later;
  later.version = 2;
  view_.applied(build({}), Origin::kInitial);
  view_.applied(build({}), Origin::kChange);  // The same state once more.
  view_.applied(build(later), Origin::kChange);
  view_.deleted({"web", "site"});
  view_.deleted({"web", "site"});
  EXPECT_EQ(told, (Names{"web/site", "web/site", "web/site"}));
}

TEST_F(View, StartsNothingForAChangeOfStatusAlone) {
  view_.applied(build({}), Origin::kChange);
  keys_.take();
  view_.applied(build({.version = 2}), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{});
}

TEST_F(View, StartsForANewGenerationAndForARequest) {
  view_.applied(build({}), Origin::kChange);
  keys_.take();
  view_.applied(build({.version = 2, .generation = 2}), Origin::kChange);
  view_.applied(build({.version = 3,
                       .generation = 2,
                       .extra = R"(,"annotations":{"reconcile.fluxcd.io/requestedAt":"now"})"}),
                Origin::kChange);
  EXPECT_EQ(keys_.take(), (Names{"site", "site"}));
}

TEST_F(View, KeepsItsOwnWriteWhenAnOlderEventComesLate) {
  view_.applied(build({}), Origin::kChange);
  view_.wrote(build({.version = 5}));
  view_.applied(build({.version = 3}), Origin::kChange);
  EXPECT_EQ(view_.find({"web", "site"})->meta.resource_version, "5");
}

TEST_F(View, KnowsOfAStatusItWroteWhatItSaysAndWhoUsesWhatAsBefore) {
  view_.applied(build({}), Origin::kChange);
  const auto seen = view_.find({"web", "site"});
  api::Status status;
  status.conditions.emplace_back(std::string(api::condition_type::kReady), true, 1, "Succeeded",
                                 "");
  keys_.take();

  view_.wrote(metadata({.version = 5}), *seen->build, status);

  EXPECT_EQ(view_.count_ready().ready, 1u);
  const auto now = view_.find({"web", "site"});
  EXPECT_EQ(now->meta.resource_version, "5");
  EXPECT_EQ(now->build->status, status);
  EXPECT_EQ(now->build->spec.output.image, seen->build->spec.output.image);
  pages_.applied(config_map("pages", 8), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{"site"});
}

TEST_F(View, LeavesToTheWatchWhatWasEditedBeforeItsStatusWasWritten) {
  view_.applied(build({}), Origin::kChange);
  const auto seen = view_.find({"web", "site"});
  keys_.take();

  view_.wrote(metadata({.version = 5, .generation = 2}), *seen->build, api::Status());
  EXPECT_EQ(view_.find({"web", "site"})->meta.generation, 1);
  view_.applied(build({.version = 5, .generation = 2, .output = "r.io/team/other:1"}),
                Origin::kChange);

  EXPECT_EQ(view_.find({"web", "site"})->build->spec.output.image, "r.io/team/other:1");
  EXPECT_EQ(keys_.take(), Names{"site"});
}

TEST_F(View, StartsWhatSomebodyAskedForBeforeItsStatusWasWritten) {
  view_.applied(build({}), Origin::kChange);
  const auto seen = view_.find({"web", "site"});
  keys_.take();

  view_.wrote(metadata({.version = 5,
                        .extra = R"(,"annotations":{"reconcile.kiln.build/requestedAt":"now"})"}),
              *seen->build, api::Status());

  EXPECT_EQ(view_.find({"web", "site"})->meta.annotation("reconcile.kiln.build/requestedAt"),
            "now");
  EXPECT_EQ(keys_.take(), Names{"site"});
}

TEST_F(View, KnowsTheVersionOfContentThatIsInUse) {
  view_.applied(build({}), Origin::kChange);
  pages_.applied(config_map("pages", 8), Origin::kChange);
  pages_.applied(config_map("other", 9), Origin::kChange);

  EXPECT_EQ(view_.version_of("ConfigMap", {"web", "pages"}), "8");
  EXPECT_EQ(view_.version_of("ConfigMap", {"web", "other"}), "");
  pages_.deleted({"web", "pages"});
  EXPECT_EQ(view_.version_of("ConfigMap", {"web", "pages"}), "");
}

TEST_F(View, StartsWhatUsesAChangedConfigMapAndNothingElse) {
  view_.applied(build({}), Origin::kChange);
  keys_.take();
  pages_.applied(config_map("other", 7), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{});
  pages_.applied(config_map("pages", 8), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{"site"});
}

TEST_F(View, StartsOncePerStateOfAConfigMap) {
  view_.applied(build({}), Origin::kChange);
  pages_.applied(config_map("pages", 8), Origin::kChange);
  keys_.take();
  pages_.applied(config_map("pages", 8), Origin::kInitial);
  EXPECT_EQ(keys_.take(), Names{});
}

TEST_F(View, StartsWhenAConfigMapGoes) {
  view_.applied(build({}), Origin::kChange);
  pages_.applied(config_map("pages", 8), Origin::kChange);
  keys_.take();
  pages_.deleted({"web", "pages"});
  EXPECT_EQ(keys_.take(), Names{"site"});
  EXPECT_TRUE(pages_.known().empty());
}

TEST_F(View, GivesATagToTheOlderOfTwo) {
  view_.applied(build({.name = "young", .created = "2026-02-01T00:00:00Z"}), Origin::kChange);
  view_.applied(build({.name = "old"}), Origin::kChange);
  EXPECT_EQ(holder_for("young"), "old");
  EXPECT_EQ(holder_for("old"), "none");
}

TEST_F(View, GivesMoreTagsToTheOlderOfTwoToo) {
  view_.applied(build({.name = "old", .tags = R"("stable","${date}")"}), Origin::kChange);
  view_.applied(build({.name = "young",
                       .created = "2026-02-01T00:00:00Z",
                       .output = "r.io/team/site:2",
                       .tags = R"("next","stable")"}),
                Origin::kChange);
  view_.applied(build({.name = "other",
                       .created = "2026-03-01T00:00:00Z",
                       .output = "r.io/team/site:3",
                       .tags = R"("${date}")"}),
                Origin::kChange);
  EXPECT_EQ(holder_for("young"), "old");
  EXPECT_EQ(holder_for("other"), "none");

  keys_.take();
  view_.deleted({"web", "old"});
  EXPECT_EQ(keys_.take(), Names{"young"});
}

TEST_F(View, SeesThroughSpellingsOfOneTag) {
  view_.applied(build({.name = "a", .output = "docker.io/team/site"}), Origin::kChange);
  view_.applied(build({.name = "b", .output = "index.docker.io/team/site:latest"}),
                Origin::kChange);
  EXPECT_EQ(holder_for("b"), "a");
}

TEST_F(View, WakesWhoWaitedForATagWhenItsHolderGoes) {
  view_.applied(build({.name = "old"}), Origin::kChange);
  view_.applied(build({.name = "young", .created = "2026-02-01T00:00:00Z"}), Origin::kChange);
  keys_.take();
  view_.deleted({"web", "old"});
  EXPECT_EQ(keys_.take(), Names{"young"});
}

TEST_F(View, KeepsAnImageBuildThatItCannotReadAndSaysWhy) {
  view_.applied(
      *kube::Object::parse(R"({"metadata":{"namespace":"web","name":"odd"},"spec":{"base":5}})"),
      Origin::kChange);
  ASSERT_NE(view_.find({"web", "odd"}), nullptr);
  EXPECT_EQ(view_.find({"web", "odd"})->build, nullptr);
  EXPECT_NE(view_.find({"web", "odd"})->unreadable.find("spec."), std::string::npos)
      << view_.find({"web", "odd"})->unreadable;
}

TEST_F(View, CountsByTheConditionReady) {
  const auto with_ready = [](const std::string& name, const std::string& status) {
    auto text = build({.name = name}).json();
    text.insert(text.size() - 1, R"(,"status":{"conditions":[{"type":"Ready","status":")" + status +
                                     R"(","reason":"R","message":"","lastTransitionTime":)"
                                     R"("2026-01-01T00:00:00Z"}]})");
    return *kube::Object::parse(text);
  };
  view_.applied(build({.name = "new"}), Origin::kChange);
  view_.applied(with_ready("good", "True"), Origin::kChange);
  view_.applied(with_ready("bad", "False"), Origin::kChange);
  view_.applied(with_ready("busy", "Unknown"), Origin::kChange);

  const auto counts = view_.count_ready();

  EXPECT_EQ(counts.ready, 1U);
  EXPECT_EQ(counts.not_ready, 1U);
  EXPECT_EQ(counts.unknown, 2U);
  view_.deleted({"web", "good"});
  EXPECT_EQ(view_.count_ready().ready, 0U);
}

TEST_F(View, CountsWhatItCannotRead) {
  view_.applied(*kube::Object::parse(R"({"metadata":{"namespace":"web","name":"odd","uid":"u",)"
                                     R"("resourceVersion":"1"},"spec":{"base":7}})"),
                Origin::kChange);
  EXPECT_EQ(view_.unreadable(), 1U);
  EXPECT_EQ(view_.count_ready().unknown, 1U);
}

kube::Object git_build(const std::string& name, const std::string& git,
                       const std::string& more = "") {
  return *kube::Object::parse(R"({"metadata":{"namespace":"web","name":")" + name +
                              R"(","uid":"u-)" + name +
                              R"(","resourceVersion":"1"},"spec":{"base":{"image":"scratch"},)" +
                              more + R"("content":[{"path":"/srv","git":)" + git +
                              R"(}],"output":{"image":"r.io/team/)" + name + R"("}}})");
}

TEST_F(View, KnowsWhoFollowsABranchOfARepository) {
  view_.applied(git_build("a", R"({"url":"https://h.example/t/a.git","ref":{"branch":"main"}})"),
                Origin::kChange);
  view_.applied(git_build("b", R"({"url":"ssh://git@h.example/T/a","ref":{"branch":"next"}})"),
                Origin::kChange);
  view_.applied(git_build("c", R"({"url":"https://h.example/t/c"})"), Origin::kChange);

  EXPECT_EQ(view_.users_of_git("h.example/t/a", "refs/heads/main"),
            (std::vector<kube::ObjectKey>{{"web", "a"}}));
  EXPECT_EQ(view_.users_of_git("h.example/t/a", "").size(), 2U);
  EXPECT_EQ(view_.users_of_git("h.example/t/other", "").size(), 0U);
  EXPECT_EQ(view_.users_of_git("", "").size(), 0U);
}

TEST_F(View, StartsWhoFollowsAPushedBranchUnlessTriggersSayNo) {
  view_.applied(git_build("a", R"({"url":"https://h.example/t/a"})"), Origin::kChange);
  auto waits =
      git_build("b", R"({"url":"https://h.example/t/a"})", R"("triggers":{"content":false},)")
          .json();
  waits.insert(waits.size() - 1, R"(,"status":{"digest":"sha256:)" + std::string(64, 'a') + "\"}");
  view_.applied(*kube::Object::parse(waits), Origin::kChange);
  keys_.take();

  EXPECT_EQ(view_.git_changed("h.example/t/a", {"refs/heads/main"}, Priority::kHigh), 1U);
  EXPECT_EQ(keys_.take(), Names{"a"});
  EXPECT_EQ(view_.git_changed("h.example/t/a", {"refs/heads/x", "refs/heads/y"}, Priority::kHigh),
            1U);
  EXPECT_EQ(view_.git_changed("h.example/t/a", {}, Priority::kHigh), 1U);
}

kube::Object build_on(const std::string& name, const std::string& base,
                      const std::string& more = "") {
  return *kube::Object::parse(R"({"metadata":{"namespace":"web","name":")" + name +
                              R"(","uid":"u-)" + name +
                              R"(","resourceVersion":"1"},"spec":{"base":{"image":")" + base +
                              R"("},"output":{"image":"r.io/team/)" + name + R"("}})" + more + "}");
}

TEST_F(View, StartsThoseWhoseBaseTagWasSetAndNoOthers) {
  view_.applied(build_on("short", "nginx:1.27"), Origin::kChange);
  view_.applied(build_on("long", "docker.io/library/nginx:1.27"), Origin::kChange);
  view_.applied(build_on("older", "nginx:1.26"), Origin::kChange);
  view_.applied(build_on("elsewhere", "r.io/library/nginx:1.27"), Origin::kChange);
  view_.applied(build_on("pinned", "nginx:1.27@sha256:" + std::string(64, 'a')), Origin::kChange);
  keys_.take();
  const oci::Repository nginx{"index.docker.io", "library/nginx"};

  EXPECT_EQ(view_.image_changed(nginx, "1.27", {}, Priority::kHigh), 2U);
  EXPECT_EQ(keys_.take(), (Names{"long", "short"}));
  EXPECT_EQ(view_.image_changed(nginx, "1.28", {}, Priority::kHigh), 0U);
  EXPECT_EQ(view_.image_changed({"index.docker.io", "library/httpd"}, "1.27", {}, Priority::kHigh),
            0U);
}

TEST_F(View, StartsNothingForABaseWhereTriggersSayNoUnlessThereIsNoImageYet) {
  const auto status = R"(,"status":{"digest":"sha256:)" + std::string(64, 'a') + R"("})";
  const auto with_trigger_off = [](const std::string& name, const std::string& more) {
    auto text = build_on(name, "nginx:1.27").json();
    const auto at = text.find(R"("output")");
    text.insert(at, R"("triggers":{"base":false},)");
    text.insert(text.size() - 1, more);
    return *kube::Object::parse(text);
  };
  view_.applied(with_trigger_off("built", status), Origin::kChange);
  view_.applied(with_trigger_off("new", ""), Origin::kChange);
  keys_.take();

  view_.image_changed({"index.docker.io", "library/nginx"}, "1.27", {}, Priority::kHigh);

  EXPECT_EQ(keys_.take(), Names{"new"});
}

/// One that copies files out of r.io/assets:1.
kube::Object copying(const std::string& name, const std::string& more) {
  return *kube::Object::parse(
      R"({"metadata":{"namespace":"web","name":")" + name + R"(","uid":"u-)" + name +
      R"(","resourceVersion":"1"},"spec":{"base":{"image":"scratch"},"output":{"image":"r.io/team/)" +
      name + R"("},"content":[{"path":"/srv","image":{"reference":"r.io/assets:1"}}])" + more);
}

TEST_F(View, StartsThoseThatCopyFromAnImageWhoseTagWasSetAndThatFollowContent) {
  const auto built = R"(},"status":{"digest":"sha256:)" + std::string(64, 'a') + R"("}})";
  view_.applied(copying("copies", built), Origin::kChange);
  view_.applied(copying("waits", R"(,"triggers":{"content":false})" + built), Origin::kChange);
  view_.applied(build_on("stands", "r.io/assets:1"), Origin::kChange);
  keys_.take();

  EXPECT_EQ(view_.image_changed({"r.io", "assets"}, "1", {}, Priority::kHigh), 2U);
  EXPECT_EQ(keys_.take(), (Names{"copies", "stands"}));
  EXPECT_EQ(view_.image_changed({"r.io", "assets"}, "2", {}, Priority::kHigh), 0U);
}

/// One that has its credentials from the Secret "login", at the place that `spec` says, with this
/// status of Ready ("" = none yet).
kube::Object build_with_login(const std::string& name, const std::string& spec,
                              const std::string& ready) {
  auto text = R"({"metadata":{"namespace":"web","name":")" + name + R"(","uid":"u-)" + name +
              R"(","resourceVersion":"1"},"spec":)" + spec;
  if (!ready.empty())
    text += R"(,"status":{"conditions":[{"type":"Ready","status":")" + ready +
            R"(","reason":"R","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]})";
  return *kube::Object::parse(text + "}");
}

constexpr const char* kPull =
    R"({"base":{"image":"r.io/a:1","secretRef":{"name":"login"}},"output":{"image":"r.io/team/a"}})";
constexpr const char* kPush =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/team/b","secretRef":{"name":"login"}}})";
constexpr const char* kAuthority =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/team/c","certSecretRef":{"name":"login"}}})";
constexpr const char* kGit =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/team/d"},"content":[{"path":"/srv",)"
    R"("git":{"url":"https://h.example/a","secretRef":{"name":"login"}}}]})";

constexpr const char* kCopy =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/team/e"},"content":[{"path":"/srv",)"
    R"("image":{"reference":"r.io/b","secretRef":{"name":"login"}}}]})";

kube::Object secret(const std::string& name, int version) {
  return config_map(name, version);
}

TEST_F(View, StartsThoseThatAreNotReadyWhenTheirCredentialsChange) {
  ContentWatch secrets("Secret", view_);
  view_.applied(build_with_login("pull", kPull, "False"), Origin::kChange);
  view_.applied(build_with_login("push", kPush, "False"), Origin::kChange);
  view_.applied(build_with_login("authority", kAuthority, "Unknown"), Origin::kChange);
  view_.applied(build_with_login("git", kGit, ""), Origin::kChange);
  view_.applied(build_with_login("copy", kCopy, "False"), Origin::kChange);
  secrets.applied(secret("login", 7), Origin::kInitial);
  keys_.take();

  secrets.applied(secret("login", 7), Origin::kChange);
  secrets.applied(secret("other", 8), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{});

  secrets.applied(secret("login", 9), Origin::kChange);
  EXPECT_EQ(keys_.take(), (Names{"authority", "copy", "git", "pull", "push"}));
  EXPECT_EQ(secrets.known(), (std::vector<kube::ObjectKey>{{"web", "login"}}));
}

TEST_F(View, DoesNotAskARegistryForEveryReadyOneWhenAPullSecretIsReplaced) {
  ContentWatch secrets("Secret", view_);
  for (const auto* name : {"a", "b", "c"})
    view_.applied(build_with_login(name, kPull, "True"), Origin::kChange);
  secrets.applied(secret("login", 7), Origin::kInitial);
  keys_.take();

  secrets.applied(secret("login", 8), Origin::kChange);

  EXPECT_EQ(keys_.take(), Names{});
}

TEST_F(View, StartsWhoWaitedForASecretThatComes) {
  ContentWatch secrets("Secret", view_);
  view_.applied(build_with_login("git", kGit, "False"), Origin::kChange);
  keys_.take();

  secrets.applied(secret("login", 1), Origin::kChange);

  EXPECT_EQ(keys_.take(), Names{"git"});
}

constexpr const char* kByAccount = R"({"base":{"image":"scratch"},"output":{"image":"r.io/e"}})";
constexpr const char* kByAnother =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/f"},"serviceAccountName":"builder"})";
const kube::ObjectKey kDefaultAccount("web", "default");

TEST_F(View, StartsThoseThatAreNotReadyWhenASecretOfTheirAccountChanges) {
  ContentWatch secrets("Secret", view_);
  view_.applied(build_with_login("waits", kByAccount, "False"), Origin::kChange);
  view_.applied(build_with_login("is-well", kByAccount, "True"), Origin::kChange);
  view_.applied(build_with_login("has-another", kByAnother, "False"), Origin::kChange);
  view_.applied(build_with_login("names-its-own",
                                 R"({"base":{"image":"r.io/a:1","secretRef":)"
                                 R"({"name":"own"}},"output":{"image":"r.io/g",)"
                                 R"("secretRef":{"name":"own"}}})",
                                 "False"),
                Origin::kChange);
  view_.account_names(kDefaultAccount, {"login", "late"});
  keys_.take();

  for (const auto* name : {"login", "late"}) {
    secrets.applied(secret(name, 7), Origin::kChange);
    EXPECT_EQ(keys_.take(), Names{"waits"}) << name;
  }
  secrets.applied(secret("other", 8), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{});
}

TEST_F(View, ForgetsTheSecretsThatAnAccountNoLongerNames) {
  ContentWatch secrets("Secret", view_);
  view_.applied(build_with_login("waits", kByAccount, "False"), Origin::kChange);
  view_.account_names(kDefaultAccount, {"login"});
  view_.account_names({"other", "default"}, {"theirs"});
  view_.account_names(kDefaultAccount, {"new"});
  keys_.take();

  for (const auto* name : {"login", "theirs"}) secrets.applied(secret(name, 7), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{});
  EXPECT_EQ(secrets.known(), std::vector<kube::ObjectKey>{});

  secrets.applied(secret("new", 7), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{"waits"});
}

TEST_F(View, WantsSecretsWatchedFromTheFirstAccountThatNamesOneOn) {
  int wanted = 0;
  view_.on_secret_use([&] { ++wanted; });
  view_.applied(build_with_login("a", kByAccount, "False"), Origin::kChange);
  view_.account_names(kDefaultAccount, {});
  EXPECT_EQ(wanted, 0);

  view_.account_names(kDefaultAccount, {"login"});
  view_.account_names({"web", "builder"}, {"login"});

  EXPECT_EQ(wanted, 1);
}

TEST_F(View, WantsSecretsWatchedFromTheFirstThatUsesOneOn) {
  int wanted = 0;
  view_.on_secret_use([&] { ++wanted; });
  view_.applied(build({}), Origin::kChange);
  EXPECT_EQ(wanted, 0);

  view_.applied(build_with_login("git", kGit, ""), Origin::kChange);
  view_.applied(build_with_login("pull", kPull, ""), Origin::kChange);

  EXPECT_EQ(wanted, 1);
}

}  // namespace
}  // namespace kiln::imagebuild
