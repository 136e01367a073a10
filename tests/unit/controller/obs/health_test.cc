#include "controller/obs/health.h"

#include <gtest/gtest.h>

namespace kiln::obs {
namespace {

using namespace std::chrono_literals;
using Verdict = Checks::Report::Verdict;

class ChecksTest : public ::testing::Test {
 protected:
  ChecksTest() {
    checks_.add("a", [this] { return a_; });
    checks_.add("b", [this] { return b_; });
  }
  Checks checks_{"readyz"};
  Finding a_ = Finding::good();
  Finding b_ = Finding::good("watching");
};

TEST_F(ChecksTest, SayOkWhenAllIsWell) {
  const auto report = checks_.report(false);
  EXPECT_EQ(report.verdict, Verdict::kGood);
  EXPECT_EQ(report.text, "ok\n");
}

TEST_F(ChecksTest, NameEachCheckWhenAskedTo) {
  EXPECT_EQ(checks_.report(true).text, "[+]a ok\n[+]b ok: watching\nreadyz check passed\n");
}

TEST_F(ChecksTest, OneThatIsBadMakesTheWholeBadAndIsNamedUnasked) {
  b_ = Finding::bad("nothing is known yet");
  const auto report = checks_.report(false);
  EXPECT_EQ(report.verdict, Verdict::kBad);
  EXPECT_EQ(report.text, "[+]a ok\n[-]b failed: nothing is known yet\nreadyz check failed\n");
}

TEST_F(ChecksTest, TroubleIsToldAndChangesNothing) {
  b_ = Finding::troubled("listing; forbidden");
  EXPECT_EQ(checks_.report(false).text, "ok\n");
  const auto report = checks_.report(true);
  EXPECT_EQ(report.verdict, Verdict::kGood);
  EXPECT_EQ(report.text, "[+]a ok\n[!]b troubled: listing; forbidden\nreadyz check passed\n");
}

TEST_F(ChecksTest, OneCanBeAskedAlone) {
  a_ = Finding::bad("no");
  EXPECT_EQ(checks_.report(true, "b").text, "[+]b ok: watching\nreadyz check passed\n");
  EXPECT_EQ(checks_.report(false, "b").text, "ok\n");
  EXPECT_EQ(checks_.report(false, "a").verdict, Verdict::kBad);
}

TEST_F(ChecksTest, OneThatIsNotThereIsToldSo) {
  const auto report = checks_.report(false, "c");
  EXPECT_EQ(report.verdict, Verdict::kUnknownCheck);
  EXPECT_EQ(report.text, "there is no such check; readyz?verbose lists them\n");
}

TEST(JudgeLease, AWaitingReplicaIsWell) {
  const auto finding = judge_lease(std::nullopt, 15s, 5s);
  EXPECT_EQ(finding.grade, Finding::Grade::kGood);
  EXPECT_EQ(finding.words, "not the leader");
}

TEST(JudgeLease, ALeaderIsWellUpToLeaseAndGrace) {
  const auto finding = judge_lease(20s, 15s, 5s);
  EXPECT_EQ(finding.grade, Finding::Grade::kGood);
  EXPECT_EQ(finding.words, "leader; the lease was last renewed 20s ago");
}

TEST(JudgeLease, ALeaderThatShouldHaveSteppedDownIsBad) {
  const auto finding = judge_lease(20'001ms, 15s, 5s);
  EXPECT_EQ(finding.grade, Finding::Grade::kBad);
  EXPECT_EQ(finding.words, "the lease was last renewed 20s ago");
}

}  // namespace
}  // namespace kiln::obs
