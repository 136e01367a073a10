#include "controller/imagebuild/reconciler.h"

#include <gtest/gtest.h>

#include "core/base/file.h"
#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

TEST_F(Reconcile, PushesTheImageAndWritesItsDigest) {
  put_build();
  const auto result = reconcile();

  EXPECT_FALSE(result.is_retry());
  EXPECT_EQ(digest(), tag());
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(condition("Reconciling"), "none");
  EXPECT_EQ(reasons(), Names{"Created"});
  EXPECT_FALSE(status().contains("pending"));
}

TEST_F(Reconcile, LooksAgainAfterTheIntervalGiveOrTakeATwentieth) {
  put_build();
  const auto delay = *reconcile().delay();
  EXPECT_GE(delay, std::chrono::seconds(570));
  EXPECT_LE(delay, std::chrono::seconds(630));
}

TEST_F(Reconcile, WithoutAnIntervalWaitsForAChange) {
  put_build({{"interval", "0s"}});
  EXPECT_FALSE(reconcile().delay());
}

TEST_F(Reconcile, OfWhatIsUpToDateWritesNothingAnywhere) {
  put_build();
  reconcile();
  const auto version = kube_.resource_version();
  registry_.forget_calls();

  reconcile();

  EXPECT_EQ(kube_.resource_version(), version);
  EXPECT_EQ(registry_.count("put_manifest") + registry_.count("ensure_blob") +
                registry_.count("send_blob"),
            0u);
}

TEST_F(Reconcile, OfChangedContentMovesTheTagAndSaysWhy) {
  put_build();
  reconcile();
  const auto first = digest();

  put_pages("edited");
  reconcile();

  EXPECT_NE(digest(), first);
  EXPECT_EQ(digest(), tag());
  EXPECT_EQ(reasons(), Names{"ContentChanged"});
  EXPECT_EQ(status()["history"].size(), 2u);
}

TEST_F(Reconcile, OfAChangedBaseRebuilds) {
  put_build();
  reconcile();
  change_base();
  reconcile();
  EXPECT_EQ(reasons(), Names{"BaseChanged"});
}

TEST_F(Reconcile, OfAChangedSpecRebuilds) {
  put_build();
  reconcile();
  put_build({{"config", {{"user", "101"}}}});
  reconcile();
  EXPECT_EQ(reasons(), Names{"SpecChanged"});
  EXPECT_EQ(digest(), tag());
}

TEST_F(Reconcile, RestoresATagThatSomebodyDeleted) {
  put_build();
  reconcile();
  registry_.forget_tag("r.test/team/site", "latest");
  reconcile();
  EXPECT_EQ(tag(), digest());
  EXPECT_EQ(reasons(), Names{"Restored"});
}

TEST_F(Reconcile, LeavesATagAloneThatSomebodyMoved) {
  put_build();
  reconcile();
  const auto foreign = push_foreign();

  reconcile();

  EXPECT_EQ(tag(), foreign.str());
  EXPECT_EQ(condition("Ready"), "False TagMoved");
  EXPECT_EQ(condition("Stalled"), "True TagMoved");
}

TEST_F(Reconcile, OfNewInputTakesAMovedTagWithAWarning) {
  put_build();
  reconcile();
  push_foreign();
  put_pages("edited");
  reconcile();
  EXPECT_EQ(tag(), digest());
  EXPECT_NE(notes_.lines.at(notes_.lines.size() - 2).find("which Kiln did not push"),
            std::string::npos);
}

TEST_F(Reconcile, PassesOnWhatARegistryWarnsOfOnce) {
  put_build();
  registry_.warn("moves to q.test");
  reconcile();
  const auto told = std::count(notes_.lines.begin(), notes_.lines.end(),
                               "Warning BuildWarning: r.test says: moves to q.test");
  EXPECT_EQ(told, 1) << ::testing::PrintToString(notes_.lines);
}

TEST_F(Reconcile, SaysOfWhatIsNotThereToBeRemovedAsLongAsTheImageStands) {
  const auto note = "; warning: remove: /etc/ngnix.conf is not in the base";
  put_build({{"remove", {"/usr/share/nginx/html", "/etc/ngnix.conf"}}});

  reconcile();

  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(message(), json_string(status(), "image") + note);
  EXPECT_EQ(notes_.lines[0], "Warning BuildWarning: remove: /etc/ngnix.conf is not in the base");
  look();
  registry_.fail_next("resolve", Error(Errc::kUnavailable, "away"));
  reconcile();
  ASSERT_EQ(condition("Ready"), "False RegistryUnavailable");
  look();
  reconcile();
  EXPECT_EQ(message(), json_string(status(), "image") + note);
  look();
  kube_.forget_calls();
  reconcile();
  EXPECT_TRUE(kube_.calls_of("update_status").empty());

  put_build({{"remove", {"/usr/share/nginx/html"}}});
  reconcile();
  EXPECT_EQ(message(), json_string(status(), "image"));
}

TEST_F(Reconcile, WithoutAStatusAdoptsTheImageThatIsThere) {
  put_build();
  reconcile();
  const auto first = digest();
  kube_.erase(kImageBuilds, key_);
  view_.deleted(key_);
  put_build();
  reconcile();
  EXPECT_EQ(digest(), first);
  EXPECT_EQ(reasons(), Names{"Adopted"});
}

TEST_F(Reconcile, SendsBlobsAgainThatTheRegistryLostMeanwhile) {
  put_build();
  registry_.fail_next("put_manifest", Error(Errc::kConflict, "blob unknown"));
  auto result = reconcile();
  if (result.is_retry()) reconcile();
  EXPECT_EQ(digest(), tag());
}

TEST_F(Reconcile, OnARaceForTheStatusReadsAgainAndWrites) {
  put_build();
  kube_.fail_next("update_status", Error(Errc::kConflict, "changed"));
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(Reconcile, HandlesARequestOnce) {
  put_build();
  reconcile();
  auto object = *kube_.find_json(kImageBuilds, key_);
  object["metadata"]["annotations"]["reconcile.kiln.build/requestedAt"] = "now";
  kube_.put(kImageBuilds, dump_json(object));
  look();
  reconcile();
  EXPECT_EQ(json_string(status(), "lastHandledReconcileAt"), "now");
}

TEST_F(Reconcile, OfContentThatIsNotToTriggerWaits) {
  put_build({{"triggers", {{"content", false}}}});
  reconcile();
  const auto first = digest();
  put_pages("edited");
  reconcile();
  EXPECT_EQ(digest(), first);
}

TEST_F(Reconcile, OfASuspendedOneTouchesNothing) {
  put_build({{"suspend", true}});
  reconcile();
  EXPECT_EQ(condition("Ready"), "False Suspended");
  EXPECT_TRUE(registry_.calls().empty());
}

TEST_F(Reconcile, RetriesAndSaysSoWhenTheRegistryIsAway) {
  put_build();
  registry_.fail_next(
      "resolve", Error(Errc::kUnavailable, "cannot connect to r.test", std::chrono::seconds(30)));
  const auto result = reconcile();
  EXPECT_TRUE(result.is_retry());
  EXPECT_EQ(*result.delay(), std::chrono::seconds(30));
  EXPECT_EQ(condition("Ready"), "False RegistryUnavailable");
  EXPECT_EQ(condition("Reconciling"), "True ProgressingWithRetry");
  EXPECT_EQ(condition("BaseResolved"), "False RegistryUnavailable");
  ASSERT_EQ(notes_.lines.size(), 1u);
  EXPECT_EQ(notes_.lines[0],
            "Warning RegistryUnavailable: resolving the base image: cannot connect to r.test");
}

TEST_F(Reconcile, TellsTheSameFailureOnce) {
  put_build();
  registry_.fail_next("resolve", Error(Errc::kUnavailable, "away"), 3);
  for (int i = 0; i < 3; ++i) reconcile();
  EXPECT_EQ(notes_.lines.size(), 1u);
}

TEST_F(Reconcile, LooksAfterEveryTagNotOnlyTheFirst) {
  put_build({{"output", {{"tags", {"v1"}}}}});
  reconcile();
  registry_.forget_tag("r.test/team/site", "v1");
  reconcile();
  EXPECT_EQ(registry_.tag("r.test/team/site", "v1")->str(), digest());
  EXPECT_EQ(reasons(), Names{"Restored"});

  registry_.set_tag("r.test/team/site", "v1", push_foreign());
  registry_.set_tag("r.test/team/site", "latest", *oci::Digest::parse(digest()));
  reconcile();
  EXPECT_EQ(condition("Stalled"), "True TagMoved");
}

TEST_F(Reconcile, PutsANewTagOnTheSameImage) {
  put_build();
  reconcile();
  const auto first = digest();
  put_build({{"output", {{"tags", {"v1"}}}}});
  reconcile();
  EXPECT_EQ(digest(), first);
  EXPECT_EQ(registry_.tag("r.test/team/site", "v1")->str(), first);
  EXPECT_EQ(reasons(), Names{"SpecChanged"});
}

TEST_F(Reconcile, FillsInTheDateOncePerBuild) {
  put_build({{"output", {{"tags", {"${date}"}}}}});
  reconcile();
  const auto tags = status()["tags"];
  EXPECT_EQ(tags, Json({"latest", "2026-01-01"}));
  const auto version = kube_.resource_version();

  clock_.advance(std::chrono::hours(48));
  reconcile();
  EXPECT_EQ(kube_.resource_version(), version);

  put_build({{"output", {{"tags", {"${date}", "v1"}}}}});
  reconcile();
  EXPECT_EQ(status()["tags"], Json({"latest", "2026-01-01", "v1"}));

  put_pages("edited");
  reconcile();
  EXPECT_EQ(status()["tags"], Json({"latest", "2026-01-03", "v1"}));
}

TEST_F(Reconcile, GoesOnWithASpecWhoseFirstAttemptFailedEvenIfContentIsNoTrigger) {
  put_build({{"triggers", {{"content", false}}}});
  reconcile();
  put_pages("edited");
  put_build({{"triggers", {{"content", false}}}, {"config", {{"user", "101"}}}});
  registry_.fail_next("put_manifest", Error(Errc::kUnavailable, "away"));
  EXPECT_TRUE(reconcile().is_retry());
  const auto before = digest();

  reconcile();

  EXPECT_NE(digest(), before);
  EXPECT_EQ(digest(), tag());
}

TEST_F(Reconcile, HandlesTwoKindsOfRequestsOnceNotInTurns) {
  put_build();
  auto object = *kube_.find_json(kImageBuilds, key_);
  object["metadata"]["annotations"] = {{"reconcile.kiln.build/requestedAt", "2026-01-01T00:00:00Z"},
                                       {"reconcile.fluxcd.io/requestedAt", "2026-01-02T00:00:00Z"}};
  kube_.put(kImageBuilds, dump_json(object));
  look();
  reconcile();
  EXPECT_EQ(json_string(status(), "lastHandledReconcileAt"), "2026-01-02T00:00:00Z");
  const auto version = kube_.resource_version();
  reconcile();
  EXPECT_EQ(kube_.resource_version(), version);
}

TEST_F(Reconcile, PushesWhereTheRegistryDeniesARepositoryThatDoesNotExistYet) {
  put_build();
  registry_.on_call([](const fakes::FakeRegistry::Call& call) -> std::optional<Error> {
    if (call.method == "resolve" && call.target == "r.test/team/site:latest")
      return Error(Errc::kDenied, "denied");
    return std::nullopt;
  });
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(Reconcile, StoppedInTheMiddleOfTheFirstBuildItWasInterruptedAndHasNotFailed) {
  put_build();
  registry_.on_call([](const fakes::FakeRegistry::Call& call) -> std::optional<Error> {
    if (call.method == "put_manifest") return Error(Errc::kCancelled, "stopped");
    return std::nullopt;
  });

  EXPECT_FALSE(reconcile().is_retry());

  EXPECT_EQ(condition("Ready"), "Unknown Interrupted");
  EXPECT_EQ(condition("Reconciling"), "True Interrupted");
  registry_.on_call(nullptr);
  look();
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(condition("Reconciling"), "none");
}

TEST_F(Reconcile, OfWhatIsWrongAsBeforeWritesNothing) {
  const Json file_over_folder = {
      {"remove", nullptr},
      {"content", {{{"inline", {{"files", {{"nginx", "x"}}}}}, {"path", "/usr/share"}}}}};
  for (const Json& change : {Json{{"suspend", true}}, Json{{"remove", {"usr"}}},
                             Json{{"base", {{"image", "r.test/nowhere:1"}}}}, file_over_folder}) {
    put_build(change);
    reconcile();
    look();
    const auto before = status();
    clock_.advance(std::chrono::minutes(10));
    kube_.forget_calls();

    reconcile();

    EXPECT_TRUE(kube_.calls_of("update_status").empty()) << dump_json(change);
    EXPECT_EQ(status(), before) << dump_json(change);
  }
}

TEST_F(Reconcile, OfAFirstPushThatIsRefusedAgainWritesNothing) {
  put_build();
  registry_.on_call([](const auto& call) -> std::optional<Error> {
    if (call.method == "send_blob") return Error(Errc::kDenied, "no");
    return std::nullopt;
  });
  reconcile();
  ASSERT_EQ(condition("Ready"), "False PushDenied");
  look();
  kube_.forget_calls();

  reconcile();

  EXPECT_TRUE(kube_.calls_of("update_status").empty());
}

TEST_F(Reconcile, AnnouncesABuildThatWaitedForItsContent) {
  kube_.erase(kube::kConfigMaps, {"web", "pages"});
  put_build();
  reconcile();
  ASSERT_EQ(condition("Ready"), "False ConfigMapNotFound");
  put_pages("late");
  look();
  std::string announced;
  registry_.on_call([&](const auto& call) -> std::optional<Error> {
    if (call.method == "send_blob") announced = condition("Ready");
    return std::nullopt;
  });

  reconcile();

  EXPECT_EQ(announced, "Unknown Progressing");
}

struct Refused {
  std::string name;
  Json change;
  std::string reason;
};
void PrintTo(const Refused& row, std::ostream* out) {
  *out << row.name;
}
class ReconcileStalls : public Reconcile, public ::testing::WithParamInterface<Refused> {};
TEST_P(ReconcileStalls, OnWhatOnlyAPersonCanMend) {
  put_build(GetParam().change);
  EXPECT_FALSE(reconcile().is_retry());
  EXPECT_EQ(condition("Ready"), "False " + GetParam().reason);
  EXPECT_EQ(condition("Stalled"), "True " + GetParam().reason);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ReconcileStalls,
    ::testing::Values(Refused{"Pin", {{"pin", "sha256:" + std::string(64, '1')}}, "PinNotFound"},
                      Refused{"PlatformThatIsNeverLookedForAgain",
                              {{"interval", "0s"}, {"base", {{"platforms", {"linux/s390x"}}}}},
                              "PlatformNotFound"},
                      Refused{"RelativePath", {{"remove", {"usr"}}}, "InvalidSpec"},
                      Refused{
                          "FileOverFolder",
                          {{"remove", nullptr},
                           {"content",
                            {{{"inline", {{"files", {{"nginx", "x"}}}}}, {"path", "/usr/share"}}}}},
                          "ContentInvalid"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::imagebuild
