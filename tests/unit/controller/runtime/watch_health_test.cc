#include "controller/runtime/watch_health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_kube.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/controller/runtime/driving.h"

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using kiln::testing::Background;
using kiln::testing::run_until;
using kube::kConfigMaps;
using ::testing::HasSubstr;
using Grade = obs::Finding::Grade;

class SilentHandler final : public WatchHandler {
 public:
  void applied(const kube::Object&, Origin) override {}
  void deleted(const kube::ObjectKey&) override {}
  std::vector<kube::ObjectKey> known() const override { return {}; }
};

class WatchHealthTest : public ::testing::Test {
 protected:
  static Watcher::Options quick() {
    Watcher::Options options;
    options.machine.backoff.first = 1ms;
    options.machine.backoff.cap = 2ms;
    return options;
  }
  void forbid(bool forbidden) {
    if (forbidden)
      kube_.fail_when([](const fakes::KubeCall&) {
        return std::optional<Error>(Error(Errc::kDenied, "configmaps is forbidden"));
      });
    else
      kube_.fail_when(nullptr);
  }
  Grade grade() const { return judge_watch(watcher_, clock_).grade; }
  bool becomes(Grade wanted) {
    return run_until(io_, [&] { return grade() == wanted; });
  }

  boost::asio::io_context io_;
  fakes::ManualClock clock_;
  fakes::FakeKube kube_;
  SilentHandler handler_;
  Watcher watcher_{kube_, kConfigMaps, handler_, clock_, quick()};
};

TEST_F(WatchHealthTest, OneThatWasNotStartedIsNotNeeded) {
  const auto finding = judge_watch(watcher_, clock_);
  EXPECT_EQ(finding.grade, Grade::kGood);
  EXPECT_EQ(finding.words, "not needed");
}

TEST_F(WatchHealthTest, OneThatKnowsNothingYetIsBadAndSaysWhy) {
  forbid(true);
  Background run(io_, watcher_.run());
  ASSERT_TRUE(run_until(io_, [&] { return !watcher_.last_failure().empty(); }));

  const auto finding = judge_watch(watcher_, clock_);

  EXPECT_EQ(finding.grade, Grade::kBad);
  EXPECT_THAT(finding.words, HasSubstr("nothing is known yet: "));
  EXPECT_THAT(finding.words, HasSubstr("; configmaps is forbidden"));
}

TEST_F(WatchHealthTest, OneThatWatchesSaysWhenItLastHeard) {
  Background run(io_, watcher_.run());
  ASSERT_TRUE(run_until(io_, [&] { return watcher_.state() == WatchState::kWatching; }));
  clock_.advance(12s);
  EXPECT_EQ(judge_watch(watcher_, clock_).words, "watching, last heard of 12s ago");
}

TEST_F(WatchHealthTest, OneThatFailsLaterIsTroubledAndHeals) {
  Background run(io_, watcher_.run());
  ASSERT_TRUE(becomes(Grade::kGood));
  ASSERT_TRUE(run_until(io_, [&] { return watcher_.state() == WatchState::kWatching; }));

  forbid(true);
  kube_.end_watches();
  ASSERT_TRUE(becomes(Grade::kTroubled));
  EXPECT_THAT(judge_watch(watcher_, clock_).words, HasSubstr("configmaps is forbidden"));

  forbid(false);
  EXPECT_TRUE(becomes(Grade::kGood));
}

TEST_F(WatchHealthTest, ChecksAreNamedByResourceAndNamespace) {
  auto options = quick();
  options.machine.selection.namespace_ = "web";
  Watcher of_one(kube_, kConfigMaps, handler_, clock_, options);
  options.machine.selection.name = "pages";
  Watcher of_one_object(kube_, kConfigMaps, handler_, clock_, options);
  obs::Checks checks("readyz");

  add_watch_checks(checks, {&watcher_, &of_one, &of_one_object}, clock_);

  EXPECT_EQ(checks.report(true).text,
            "[+]watch-configmaps ok: not needed\n"
            "[+]watch-configmaps@web ok: not needed\n"
            "[+]watch-configmaps@web.pages ok: not needed\n"
            "readyz check passed\n");
}

}  // namespace
}  // namespace kiln::runtime
