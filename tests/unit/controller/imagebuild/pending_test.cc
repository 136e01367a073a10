// What is written down before a tag moves, and what a restart in the middle of a push makes of it.
#include <gtest/gtest.h>

#include <optional>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

class PendingPush : public Reconcile {
 protected:
  /// Reconciles; fails where the tag is not moved.
  bool was_pending_when_the_tag_moved() {
    std::optional<bool> pending;
    registry_.on_call([&](const fakes::FakeRegistry::Call& call) -> std::optional<Error> {
      if (call.target == "r.test/team/site:latest" && call.method == "put_manifest")
        pending = status().contains("pending");
      return std::nullopt;
    });
    reconcile();
    registry_.on_call(nullptr);
    EXPECT_TRUE(pending.has_value());
    return pending.value_or(false);
  }
};

TEST_F(PendingPush, WritesPendingBeforeTheTagMoves) {
  put_build();
  reconcile();
  put_pages("edited");

  EXPECT_TRUE(was_pending_when_the_tag_moved());

  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(PendingPush, OfAFirstImageThatIsDeletedAlongWritesPendingBeforeTheTagMoves) {
  put_build({{"deletionPolicy", "Delete"}});
  EXPECT_TRUE(was_pending_when_the_tag_moved());
}

TEST_F(PendingPush, OfAFirstImageAfterAFailureWritesPendingBeforeTheTagMoves) {
  kube_.erase(kube::kConfigMaps, {"web", "pages"});
  put_build();
  reconcile();
  put_pages("late");
  look();
  EXPECT_TRUE(was_pending_when_the_tag_moved());
}

TEST_F(PendingPush, AfterACrashInAFirstPushTakesTheTagForOtherContent) {
  put_build();
  kube_.fail_when([&](const fakes::KubeCall& call) -> std::optional<Error> {
    if (call.verb == "update_status") return Error(Errc::kUnavailable, "killed");
    return std::nullopt;
  });
  reconcile();
  const auto of_the_crash = tag();
  ASSERT_NE(of_the_crash, "");
  kube_.fail_when(nullptr);
  put_pages("edited");
  look();

  reconcile();

  EXPECT_NE(tag(), of_the_crash);
  EXPECT_EQ(digest(), tag());
  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(PendingPush, AfterACrashBetweenTagAndStatusPutsTheStatusRight) {
  put_build();
  kube_.fail_when([&](const fakes::KubeCall& call) -> std::optional<Error> {
    if (call.verb == "update_status" && !tag().empty())
      return Error(Errc::kUnavailable, "the server is gone");
    return std::nullopt;
  });
  EXPECT_TRUE(reconcile().is_retry());
  ASSERT_NE(tag(), "");
  kube_.fail_when(nullptr);
  look();

  reconcile();

  EXPECT_EQ(digest(), tag());
  EXPECT_FALSE(status().contains("pending"));
}

TEST_F(PendingPush, OnARaceForThePendingDigestReadsAgainAndWrites) {
  put_build();
  reconcile();
  put_pages("edited");
  kube_.fail_next("update_status", Error(Errc::kConflict, "changed"));

  EXPECT_TRUE(was_pending_when_the_tag_moved());

  EXPECT_EQ(digest(), tag());
  EXPECT_EQ(reasons(), Names{"ContentChanged"});
}

TEST_F(PendingPush, AfterACrashBetweenPendingAndTagMovesTheTag) {
  put_build();
  reconcile();
  const auto first = digest();
  put_pages("edited");
  registry_.on_call([](const fakes::FakeRegistry::Call& call) -> std::optional<Error> {
    if (call.method == "put_manifest" && call.target.starts_with("r.test/team/site:"))
      return Error(Errc::kCancelled, "killed");
    return std::nullopt;
  });
  reconcile();
  EXPECT_EQ(tag(), first);
  ASSERT_TRUE(status().contains("pending"));
  const auto pending = json_string(status()["pending"], "digest");
  registry_.on_call(nullptr);
  reconcile();

  EXPECT_EQ(tag(), pending);
  EXPECT_EQ(digest(), pending);
  EXPECT_FALSE(status().contains("pending"));
}

}  // namespace
}  // namespace kiln::imagebuild
