// What the reconciler makes of a base that changes, and whom it asks: reconciler_test.cc has all
// else.
#include <gtest/gtest.h>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

class BaseReconcile : public Reconcile {
 protected:
  std::size_t polls() const { return static_cast<std::size_t>(metrics_.base_polls.value()); }
  Names stages() const {
    Names names;
    for (const auto& stage : status()["lastBuild"]["stages"]) names.push_back(stage["name"]);
    return names;
  }
  /// Of the same by somebody who knows nothing of what was built before.
  std::string digest_of_a_first_build() {
    auto object = *kube_.find_json(kImageBuilds, key_);
    object.erase("status");
    kube_.put(kImageBuilds, dump_json(object));
    look();
    reconcile();
    return digest();
  }
  void request_at(const std::string& when) {
    auto object = *kube_.find_json(kImageBuilds, key_);
    object["metadata"]["annotations"]["reconcile.kiln.build/requestedAt"] = when;
    kube_.put(kImageBuilds, dump_json(object));
    look();
    clock_.advance(std::chrono::milliseconds(1));
  }
};

TEST_F(BaseReconcile, TakesAnAnswerThatSomebodyElseHasGotSinceTheLastPoll) {
  put_build();
  reconcile();
  clock_.advance(std::chrono::minutes(9));
  reconcile();
  EXPECT_EQ(polls(), 1U);

  clock_.advance(std::chrono::milliseconds(1));
  reconcile();
  EXPECT_EQ(polls(), 2U);
}

TEST_F(BaseReconcile, OfAPersonWhoWaitsAsksTheRegistry) {
  put_build();
  reconcile();
  request_at("now");
  reconcile();
  EXPECT_EQ(polls(), 2U);

  put_build({{"config", {{"user", "101"}}}});
  clock_.advance(std::chrono::milliseconds(1));
  reconcile();
  EXPECT_EQ(polls(), 3U);
}

TEST_F(BaseReconcile, AsksTheRegistryOnceAnAnswerIsSaidToBeOutOfDate) {
  put_build();
  reconcile();
  builder_.forget_base(*oci::Reference::parse("r.test/nginx:1.27"), {});
  clock_.advance(std::chrono::milliseconds(1));
  reconcile();
  reconcile();
  EXPECT_EQ(polls(), 2U);
}

TEST_F(BaseReconcile, KeepsTheLayersOfContentThatFitsTheNewBaseAndSendsNone) {
  put_build();
  reconcile();
  const auto layers = status()["layers"];
  change_base();
  registry_.forget_calls();
  const auto uploads = registry_.uploads();

  reconcile();

  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(status()["layers"], layers);
  EXPECT_EQ(registry_.uploads() - uploads, 2U) << "the configurations";
  EXPECT_EQ(stages(), (Names{"content", "base", "reuse", "push", "publish"}));
  EXPECT_EQ(digest(), digest_of_a_first_build());
}

TEST_F(BaseReconcile, MakesTheLayersAnewWhereTheBaseIsAnotherBelowThem) {
  put_build();
  reconcile();
  const auto layers = status()["layers"];
  change_base_below_content();
  reconcile();
  EXPECT_NE(status()["layers"], layers);
  EXPECT_EQ(stages(), (Names{"content", "base", "layers", "push", "publish"}));
  EXPECT_EQ(digest(), digest_of_a_first_build());
}

TEST_F(BaseReconcile, MakesALayerAnewThatTheRegistryNoLongerHas) {
  put_build();
  reconcile();
  const auto layer = *oci::Digest::parse(status()["layers"][1]["digest"].get<std::string>());
  registry_.forget_blob("r.test/team/site", layer);
  change_base();
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_TRUE(registry_.has("r.test/team/site", layer));
  EXPECT_EQ(digest(), digest_of_a_first_build());
}

TEST_F(BaseReconcile, ComesBackToTheDigestOfABaseThatIsRestored) {
  const auto base = *registry_.tag("r.test/nginx", "1.27");
  put_build();
  reconcile();
  const auto first = digest();
  change_base();
  reconcile();
  EXPECT_NE(digest(), first);
  registry_.set_tag("r.test/nginx", "1.27", base);
  clock_.advance(std::chrono::minutes(10));
  reconcile();
  EXPECT_EQ(digest(), first);
}

TEST_F(BaseReconcile, StartsAllThatAreBuiltOnABaseThatOnePollFindsChanged) {
  put_build();
  reconcile();
  EXPECT_TRUE(keys_.added.empty());
  change_base();
  reconcile();
  EXPECT_EQ(reasons(), Names{"BaseChanged"});
  EXPECT_EQ(keys_.added, std::vector<kube::ObjectKey>{key_});

  reconcile();
  EXPECT_EQ(polls(), 2U);
  EXPECT_EQ(keys_.added.size(), 1U);
}

}  // namespace
}  // namespace kiln::imagebuild
