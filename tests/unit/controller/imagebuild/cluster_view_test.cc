#include "controller/imagebuild/cluster_view.h"

#include <string>
#include <vector>

#include "core/base/json.h"
#include "tests/unit/controller/imagebuild/view_fixture.h"

namespace kiln::imagebuild {
namespace {

/// What the server answers when its status is written.
kube::Object metadata(const Shape& shape) {
  const auto whole = parse_json(build(shape).json());
  return *kube::Object::parse(
      dump_json({{"kind", "PartialObjectMetadata"}, {"metadata", json_at(*whole, "metadata")}}));
}

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

TEST_F(View, KnowsStatesThatAreNotNewerThanWhatItHas) {
  view_.applied(build({}), Origin::kChange);
  view_.wrote(build({.version = 5}));
  EXPECT_TRUE(view_.is_known(build({.version = 3}).state()));
  EXPECT_TRUE(view_.is_known(build({.version = 5}).state()));
  EXPECT_FALSE(view_.is_known(build({.version = 6}).state()));
  auto recreated = build({.version = 5}).state();
  recreated.uid = "another";
  EXPECT_FALSE(view_.is_known(recreated));
  EXPECT_FALSE(view_.is_known(build({.name = "other", .version = 5}).state()));
}

TEST_F(View, KnowsOfAStatusItWroteWhatItSaysAndWhoUsesWhatAsBefore) {
  view_.applied(build({}), Origin::kChange);
  const auto seen = view_.find({"web", "site"});
  api::Status status;
  status.conditions.emplace_back(std::string(api::condition_type::kReady), true, 1, "Succeeded",
                                 "");
  keys_.take();

  view_.wrote(metadata({.version = 5}), *seen->build, status, api::status_json(status));

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

  view_.wrote(metadata({.version = 5, .generation = 2}), *seen->build, api::Status(), "{}");
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
              *seen->build, api::Status(), "{}");

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

}  // namespace
}  // namespace kiln::imagebuild
