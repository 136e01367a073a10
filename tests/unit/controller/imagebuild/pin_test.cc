// spec.pin: the tags are moved back to an image of the history, and forward again.
#include <gtest/gtest.h>

#include "core/build/builder.h"
#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

class Pin : public Reconcile {
 protected:
  /// Two images; the tag holds the second.
  Pin() {
    put_build();
    reconcile();
    first_ = digest();
    put_pages("edited");
    reconcile();
    second_ = digest();
    registry_.forget_calls();
    notes_.lines.clear();
  }
  void pin(const std::string& wanted, Json change = Json::object()) {
    change["pin"] = wanted;
    put_build(change);
    reconcile();
  }
  Names history() const {
    Names digests;
    for (const auto& entry : status()["history"]) digests.push_back(entry["digest"]);
    return digests;
  }
  std::size_t built() const {
    return registry_.count("ensure_blob") + registry_.count("send_blob");
  }

  std::string first_;
  std::string second_;
};

TEST_F(Pin, MovesTheTagBackWithoutBuilding) {
  pin(first_);

  EXPECT_EQ(tag(), first_);
  EXPECT_EQ(digest(), first_);
  EXPECT_EQ(json_string(status(), "image"), "r.test/team/site@" + first_);
  EXPECT_EQ(condition("Ready"), "True Pinned");
  EXPECT_FALSE(status().contains("pending"));
  EXPECT_EQ(built() + registry_.count("has_blob"), 0u);
  EXPECT_EQ(notes_.lines,
            Names{"Normal Pinned: moved the tags to r.test/team/site@" + first_ + " (spec.pin)"});
}

TEST_F(Pin, LeavesTheHistoryInItsOrder) {
  pin(first_);
  EXPECT_EQ(history(), (Names{second_, first_}));
}

TEST_F(Pin, OfWhatIsHeldAlreadyWritesNothingAnywhere) {
  pin(first_);
  const auto version = kube_.resource_version();
  reconcile();
  EXPECT_EQ(kube_.resource_version(), version);
  EXPECT_EQ(registry_.count("put_manifest"), 1u);
}

TEST_F(Pin, BuildsNothingOfNewContent) {
  pin(first_);
  put_pages("edited again");
  reconcile();
  EXPECT_EQ(tag(), first_);
  EXPECT_EQ(condition("Ready"), "True Pinned");
}

TEST_F(Pin, OfTheImageThatTheTagHoldsMovesNothing) {
  pin(second_);
  EXPECT_EQ(condition("Ready"), "True Pinned");
  EXPECT_EQ(registry_.count("put_manifest"), 0u);
  put_pages("edited again");
  reconcile();
  EXPECT_EQ(tag(), second_);
}

TEST_F(Pin, GoneGoesForwardToWhatTheInputsSayAndSendsNothing) {
  pin(first_);
  const auto uploads = registry_.uploads();
  put_build();
  reconcile();

  EXPECT_EQ(tag(), second_);
  EXPECT_EQ(digest(), second_);
  EXPECT_EQ(registry_.uploads(), uploads);
  EXPECT_EQ(reasons(), Names{"SpecChanged"});
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(history(), (Names{second_, first_}));
}

TEST_F(Pin, GoneGoesForwardToContentThatChangedMeanwhile) {
  pin(first_);
  put_pages("edited again");
  put_build();
  reconcile();
  EXPECT_NE(tag(), second_);
  EXPECT_EQ(history(), (Names{tag(), second_, first_}));
}

TEST_F(Pin, GoneWhereTheInputsSayTheSameMovesNothing) {
  pin(first_);
  put_pages("hello");
  const auto puts = registry_.count("put_manifest");
  put_build();
  reconcile();
  EXPECT_EQ(tag(), first_);
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(registry_.count("put_manifest"), puts);
}

TEST_F(Pin, OfADigestThatIsNotOfTheHistorySaysWhichThereAre) {
  const auto unknown = "sha256:" + std::string(64, '1');
  pin(unknown);
  EXPECT_EQ(condition("Ready"), "False PinNotFound");
  EXPECT_EQ(condition("Stalled"), "True PinNotFound");
  EXPECT_EQ(message(), "spec.pin: " + unknown +
                           " is no image of this ImageBuild. status.history has " + second_ + ", " +
                           first_);
  EXPECT_EQ(tag(), second_);

  pin(first_);
  EXPECT_EQ(condition("Ready"), "True Pinned");
  EXPECT_EQ(condition("Stalled"), "none");
}

TEST_F(Pin, OfAnImageThatTheRegistryLostSaysSoAndHeals) {
  const auto lost = *registry_.manifest("r.test/team/site", *oci::Digest::parse(first_));
  ASSERT_TRUE(testing::run_task(
      io_, registry_.remove(*oci::Reference::parse("r.test/team/site@" + first_), {})));
  pin(first_);
  EXPECT_EQ(condition("Ready"), "False PinNotFound");
  EXPECT_EQ(condition("Reconciling"), "True ProgressingWithRetry");
  EXPECT_NE(message().find("is not in the registry any more"), std::string::npos) << message();
  EXPECT_EQ(tag(), second_);

  registry_.add_manifest("r.test/team/site", "", lost);
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Pinned");
  EXPECT_EQ(tag(), first_);
}

TEST_F(Pin, IsHeldWithoutTheBaseAndItsCredentials) {
  pin(first_, {{"base", {{"image", "gone.test/nginx:1.27"}, {"secretRef", {{"name", "none"}}}}}});
  EXPECT_EQ(condition("Ready"), "True Pinned");
}

TEST_F(Pin, RestoresATagThatSomebodyDeleted) {
  pin(first_);
  registry_.forget_tag("r.test/team/site", "latest");
  reconcile();
  EXPECT_EQ(tag(), first_);
  EXPECT_EQ(reasons(), Names{"Restored"});
}

TEST_F(Pin, ReportsATagThatSomebodyMoved) {
  pin(first_);
  const auto foreign = push_foreign();
  reconcile();
  EXPECT_EQ(tag(), foreign.str());
  EXPECT_EQ(condition("Stalled"), "True TagMoved");
}

TEST_F(Pin, MovesTagsWithoutVariablesAndLeavesTheOthersWithTheirBuilds) {
  const Json tags = {{"output", {{"tags", {"stable", "g${generation}"}}}}};
  put_build(tags);
  reconcile();
  const auto named = json_at(status(), "tags").at(2).get<std::string>();
  const auto third = digest();

  pin(first_, tags);

  EXPECT_EQ(registry_.tag("r.test/team/site", "stable")->str(), first_);
  EXPECT_EQ(registry_.tag("r.test/team/site", named)->str(), third);
  EXPECT_EQ(status()["tags"], Json({"latest", "stable"}));
}

TEST_F(Pin, KeepsItsImageBeyondTheLimitOfTheHistory) {
  pin(first_, {{"historyLimit", 0}});
  EXPECT_EQ(history(), (Names{second_, first_}));
  put_build({{"historyLimit", 0}});
  reconcile();
  EXPECT_EQ(history(), Names{second_});
}

TEST_F(Pin, HealsWhereverItIsCutOff) {
  const auto before = *kube_.find_json(kImageBuilds, key_);
  for (std::size_t cut = 1; cut <= 8; ++cut) {
    put_build({{"pin", first_}});
    std::size_t calls = 0;
    const auto stop = [&]() -> std::optional<Error> {
      return ++calls >= cut ? std::optional<Error>(Error(Errc::kCancelled, "killed"))
                            : std::nullopt;
    };
    registry_.on_call([&](const auto&) { return stop(); });
    kube_.fail_when([&](const auto&) { return stop(); });
    reconcile();
    registry_.on_call(nullptr);
    kube_.fail_when(nullptr);
    look();

    // Somebody thinks better of it before the next attempt.
    if (cut % 2 == 0) put_build();
    reconcile();
    EXPECT_EQ(tag(), cut % 2 == 0 ? second_ : first_) << "cut off at call " << cut;
    EXPECT_EQ(digest(), tag()) << cut;
    EXPECT_EQ(history(), (Names{second_, first_})) << cut;
    EXPECT_FALSE(status().contains("pending")) << cut;
    put_build();
    reconcile();
    ASSERT_EQ(tag(), second_) << cut;
  }
}

}  // namespace
}  // namespace kiln::imagebuild
