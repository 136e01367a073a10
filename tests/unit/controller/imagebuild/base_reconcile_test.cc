// What the reconciler makes of a base that changes, and whom it asks: reconciler_test.cc has all
// else.
#include <gtest/gtest.h>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

class BaseReconcile : public Reconcile {
 protected:
  std::size_t polls() const { return static_cast<std::size_t>(metrics_.base_polls.value()); }
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
