#include "controller/runtime/leader_elector.h"

#include <gtest/gtest.h>

#include "core/base/json.h"
#include "tests/support/fake_kube.h"
#include "tests/support/manual_clock.h"
#include "tests/support/matchers.h"
#include "tests/unit/controller/runtime/driving.h"

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using kiln::testing::Background;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_until;
using kube::kLeases;
using kube::ObjectKey;

/// Waits last as long as they say, so tests end before the second one.
class LeaderElectorTest : public ::testing::Test {
 protected:
  LeaderElectorTest() {
    LeaderElector::Options options;
    options.lease = key_;
    options.identity = "us";
    options.terms.retry_period = 1s;
    elector_ = std::make_unique<LeaderElector>(kube_, io_.get_executor(), clock_, options);
  }
  Json spec() const { return json_at(*kube_.find_json(kLeases, key_), "spec"); }
  void put(const std::string& holder) {
    kube_.put(kLeases, R"({"metadata":{"namespace":"kiln-system","name":"kiln-controller",
                "labels":{"team":"web"}},"spec":{"holderIdentity":")" +
                           holder + R"(","leaseDurationSeconds":15,"leaseTransitions":7}})");
  }
  bool leads() {
    return run_until(io_, [&] { return elector_->machine().state() == ElectionState::kLeading; });
  }

  const ObjectKey key_{"kiln-system", "kiln-controller"};
  boost::asio::io_context io_;
  fakes::ManualClock clock_;
  fakes::FakeKube kube_;
  std::unique_ptr<LeaderElector> elector_;
};

TEST_F(LeaderElectorTest, WritesALeaseAsTheApiHasIt) {
  Background run(io_, elector_->run());
  ASSERT_TRUE(leads());
  EXPECT_EQ(spec(), Json({{"holderIdentity", "us"},
                          {"leaseDurationSeconds", 15},
                          {"acquireTime", "2026-01-01T00:00:00.000000Z"},
                          {"renewTime", "2026-01-01T00:00:00.000000Z"},
                          {"leaseTransitions", 0}}));
}

TEST_F(LeaderElectorTest, KeepsWhatOthersPutIntoTheLease) {
  put("");
  Background run(io_, elector_->run());
  ASSERT_TRUE(leads());
  EXPECT_EQ(spec()["leaseTransitions"], 8);
  EXPECT_EQ(kube_.find_json(kLeases, key_)->at("metadata").at("labels").at("team"), "web");
}

TEST_F(LeaderElectorTest, WhoWaitsForTheLeadGoesOnWhenItIsThere) {
  Background waiting(io_, elector_->wait_leading());
  EXPECT_THAT(elector_->may_write(),
              FailsWith(Errc::kCancelled, "this replica is not the leader, so it writes nothing"));

  Background run(io_, elector_->run());

  ASSERT_TRUE(waiting.wait());
  EXPECT_THAT(*waiting.result(), IsOk());
  EXPECT_THAT(elector_->may_write(), IsOk());
}

TEST_F(LeaderElectorTest, StandsByWhileAnotherLeads) {
  put("them");
  Background run(io_, elector_->run());
  ASSERT_TRUE(run_until(io_, [&] { return elector_->machine().holder() == "them"; }));
  EXPECT_EQ(elector_->readiness().words, "standing by; them leads");
  EXPECT_EQ(elector_->readiness().grade, obs::Finding::Grade::kGood);
  EXPECT_EQ(elector_->liveness().words, "not the leader");
  EXPECT_TRUE(kube_.calls_of("update").empty());
  EXPECT_TRUE(elector_->may_write().has_error());
}

TEST_F(LeaderElectorTest, EndsWithAnErrorWhenAnotherTookTheLease) {
  Background run(io_, elector_->run());
  ASSERT_TRUE(leads());
  put("them");

  ASSERT_TRUE(run.wait());

  EXPECT_THAT(*run.result(),
              FailsWith(Errc::kUnavailable, "the lead was lost: the lease is held by them"));
  EXPECT_EQ(elector_->readiness().grade, obs::Finding::Grade::kBad);
  EXPECT_TRUE(elector_->may_write().has_error());
}

TEST_F(LeaderElectorTest, GivesTheLeaseBack) {
  Background run(io_, elector_->run());
  ASSERT_TRUE(leads());

  Background release(io_, elector_->release(5s));

  ASSERT_TRUE(release.wait());
  EXPECT_THAT(*release.result(), IsOk());
  EXPECT_TRUE(run.wait());
  EXPECT_THAT(*run.result(), IsOk());
  EXPECT_EQ(spec()["holderIdentity"], "");
  EXPECT_EQ(spec()["leaseDurationSeconds"], 1);
}

TEST_F(LeaderElectorTest, DoesNotWaitForeverForAServerThatDoesNotTakeTheLeaseBack) {
  Background run(io_, elector_->run());
  ASSERT_TRUE(leads());
  kube_.fail_when([](const fakes::KubeCall&) { return Error(Errc::kUnavailable, "away"); });

  Background release(io_, elector_->release(50ms));

  ASSERT_TRUE(release.wait());
  EXPECT_THAT(*release.result(), FailsWith(Errc::kTimeout, "giving the lease back"));
  EXPECT_EQ(spec()["holderIdentity"], "us");
}

TEST_F(LeaderElectorTest, TellsTheMetricsWhetherItLeads) {
  obs::Metrics metrics;
  elector_->follow(metrics);
  EXPECT_NE(metrics.text().find(R"(leader_election_master_status{name="kiln-controller"} 0)"),
            std::string::npos);
  Background run(io_, elector_->run());
  ASSERT_TRUE(leads());
  EXPECT_NE(metrics.text().find(R"(leader_election_master_status{name="kiln-controller"} 1)"),
            std::string::npos);
}

TEST_F(LeaderElectorTest, CancellingItGivesNothingBack) {
  Background run(io_, elector_->run());
  ASSERT_TRUE(leads());
  run.cancel();
  EXPECT_THAT(*run.result(), FailsWith(Errc::kCancelled, "leader election was cancelled"));
  EXPECT_EQ(spec()["holderIdentity"], "us");
}

TEST(Identity, IsAnotherOneEachTime) {
  const auto one = make_identity();
  EXPECT_NE(one, make_identity());
  EXPECT_NE(one.find('_'), std::string::npos);
}

}  // namespace
}  // namespace kiln::runtime
