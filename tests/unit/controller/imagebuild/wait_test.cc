#include <chrono>
#include <string>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

/// A registry that keeps one waiting: those of its calls that begin with `held`, until the status
/// says so.
class WaitingReconcile : public Reconcile {
 protected:
  struct Seen {
    std::string ready, reconciling, message;
  };
  void hold(const std::string& held) {
    registry_.hold([this, held](const auto& call) {
      if (!(call.method + " " + call.target).starts_with(held)) return false;
      seen_ = Seen{condition("Ready"), condition("Reconciling"), message("Reconciling")};
      const bool told = seen_.reconciling == "True Progressing";
      return !told && std::chrono::steady_clock::now() < end_;
    });
  }
  /// By one that has come to the call that is held when its patience is over.
  void reconcile_patiently(std::chrono::milliseconds patience = std::chrono::seconds(1)) {
    ReconcilerOptions options;
    options.patience = patience;
    ImageBuildReconciler patient(ports(), options);
    reconcile_by(patient);
  }
  Seen seen_;
  std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(10);
};

TEST_F(WaitingReconcile, OfAnEditSaysWhatIsWaitedForAndTheImageStaysReady) {
  put_build();
  reconcile();
  look();
  put_pages("edited");
  hold("resolve r.test/team/site:latest");

  reconcile_patiently();

  EXPECT_EQ(seen_.ready, "True Succeeded");
  EXPECT_EQ(seen_.reconciling, "True Progressing");
  EXPECT_EQ(seen_.message, "comparing with the last build: waiting for r.test");
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(condition("Reconciling"), "none");
}

TEST_F(WaitingReconcile, OfANewSpecIsNotReadyBeforeThereIsAResult) {
  put_build();
  reconcile();
  put_build({{"config", {{"user", "101"}}}});
  hold("resolve r.test/team/site:latest");

  reconcile_impatiently();

  EXPECT_EQ(seen_.ready, "Unknown Progressing");
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(status()["lastBuild"]["reasons"][0]["from"], "generation 1");
}

TEST_F(WaitingReconcile, OfAFirstBuildDoesNotSpeakOfALastOne) {
  put_build();
  hold("resolve r.test/team/site:latest");

  reconcile_patiently();

  EXPECT_EQ(seen_.ready, "Unknown Progressing");
  EXPECT_EQ(seen_.message, "looking at the output's tags: waiting for r.test");
}

TEST_F(WaitingReconcile, OfAFirstPushThatTakesLongerThanASecondAnnouncesTheBuild) {
  put_build();
  hold("send_blob");

  reconcile_patiently(std::chrono::hours(1));

  EXPECT_EQ(seen_.ready, "Unknown Progressing");
  EXPECT_EQ(seen_.reconciling, "True Progressing");
  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(WaitingReconcile, OfAFirstBuildThatWasAnnouncedWritesPendingBeforeTheTagMoves) {
  put_build();
  hold("resolve r.test/team/site:latest");
  bool pending = false;
  registry_.on_call([&](const auto& call) -> std::optional<Error> {
    if (call.method == "put_manifest" && call.target == "r.test/team/site:latest")
      pending = status().contains("pending");
    return std::nullopt;
  });

  reconcile_impatiently();

  EXPECT_TRUE(pending);
  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(WaitingReconcile, OfAFirstPushWhoseAnnouncementFailsMovesNoTag) {
  put_build();
  kube_.fail_when([](const fakes::KubeCall& call) -> std::optional<Error> {
    if (call.verb == "update_status") return Error(Errc::kNotFound, "it is gone");
    return std::nullopt;
  });
  registry_.hold([this](const auto& call) {
    return call.method == "send_blob" && kube_.calls_of("update_status").empty() &&
           std::chrono::steady_clock::now() < end_;
  });

  reconcile_patiently(std::chrono::hours(1));

  EXPECT_EQ(tag(), "");
}

TEST_F(WaitingReconcile, OfWhatEndsAtOnceWaitsForNobody) {
  put_build({{"suspend", true}});

  reconcile_patiently(std::chrono::hours(1));

  EXPECT_EQ(condition("Ready"), "False Suspended");
}

TEST_F(Reconcile, OfARetryThatTakesLongLeavesTheLastFailureToBeRead) {
  put_build();
  registry_.fail_next("resolve", Error(Errc::kUnavailable, "away"), 2);
  reconcile();
  look();
  kube_.forget_calls();

  reconcile_impatiently();

  EXPECT_EQ(condition("Ready"), "False RegistryUnavailable");
  EXPECT_TRUE(kube_.calls_of("update_status").empty());
}

TEST_F(WaitingReconcile, OfADeadEndThatIsLookedAtAgainIsNotStalledMeanwhile) {
  put_build();
  reconcile();
  push_foreign();
  look();
  reconcile();
  ASSERT_EQ(condition("Stalled"), "True TagMoved");
  look();
  hold("resolve r.test/team/site:latest");

  reconcile_impatiently();

  EXPECT_EQ(seen_.ready, "False TagMoved");
  EXPECT_EQ(seen_.reconciling, "True Progressing");
  EXPECT_EQ(condition("Stalled"), "True TagMoved");
}

TEST_F(Reconcile, OfARetryThatComesFurtherKeepsTheReasonOfTheLastFailure) {
  put_build();
  const auto answers_of_output = [](const auto& call) -> std::optional<Error> {
    if (call.method == "resolve" && call.target.starts_with("r.test/team/site"))
      return Error(Errc::kUnavailable, "away");
    return std::nullopt;
  };
  registry_.on_call(answers_of_output);
  reconcile();
  ASSERT_EQ(condition("Ready"), "False RegistryUnavailable");
  look();
  std::string meanwhile;
  registry_.on_call([&](const auto& call) -> std::optional<Error> {
    if (call.method == "put_manifest") meanwhile = condition("Ready");
    return std::nullopt;
  });

  reconcile();

  EXPECT_EQ(meanwhile, "False RegistryUnavailable");
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(condition("Reconciling"), "none");
}

}  // namespace
}  // namespace kiln::imagebuild
