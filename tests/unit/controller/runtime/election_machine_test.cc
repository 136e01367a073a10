#include "controller/runtime/election_machine.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/manual_clock.h"
#include "tests/support/matchers.h"

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using Kind = ElectionAction::Kind;

/// The one Lease, as an API server keeps it. `fail` answers for it as long as it is set.
struct LeaseServer {
  std::optional<LeaseRecord> lease;
  int version = 0;
  std::optional<Error> fail;

  void put(LeaseRecord record) {
    lease = std::move(record);
    ++version;
  }
};

LeaseRecord held_by(const std::string& holder, int transitions = 3) {
  LeaseRecord record;
  record.holder = holder;
  record.lease = 15s;
  record.acquired = "2020-01-01T00:00:00.000000Z";
  record.renewed = "2020-01-01T00:00:00.000000Z";
  record.transitions = transitions;
  return record;
}

/// One replica: does what its machine says, and tells the story of it.
class Replica {
 public:
  Replica(std::string name, LeaseServer& server, fakes::ManualClock& clock)
      : server_(server),
        clock_(clock),
        machine(ElectionTerms(), std::move(name), [] { return 0.5; }) {}

  /// Until it wants to wait (or stop); answers for how long.
  std::chrono::milliseconds settle() {
    for (;;) {
      if (clock_.steady_now() < due_)
        return std::chrono::ceil<std::chrono::milliseconds>(due_ - clock_.steady_now());
      const auto action = machine.next(clock_.steady_now(), clock_.now());
      if (action.kind == Kind::kStop) story.emplace_back("stop");
      if (action.kind == Kind::kStop) return 0ms;
      EXPECT_GT(action.kind == Kind::kWait ? action.wait : action.limit, 0ms);
      if (action.kind == Kind::kWait)
        due_ = clock_.steady_now() + action.wait;
      else
        perform(action);
    }
  }
  /// Settles and waits, again and again, for so long.
  void live(std::chrono::milliseconds duration) {
    const auto end = clock_.steady_now() + duration;
    while (clock_.steady_now() < end) {
      const auto wait = settle();
      if (wait == 0ms) return;
      clock_.advance(wait);
    }
  }
  void release() {
    machine.release();
    due_ = {};  // Its wait ends.
  }
  std::vector<std::string> take_story() { return std::exchange(story, {}); }
  bool may_write() const { return machine.may_write(clock_.steady_now()); }

 private:
  void perform(const ElectionAction& action) {
    const auto now = clock_.steady_now();
    if (action.kind == Kind::kRead) {
      story.emplace_back("read");
      if (server_.fail)
        machine.on_read(*server_.fail, now);
      else if (!server_.lease)
        machine.on_read(Error(Errc::kNotFound, "no such lease"), now);
      else
        machine.on_read(*server_.lease, now);
      known_ = server_.version;
      return;
    }
    const bool creates = action.kind == Kind::kCreate;
    story.emplace_back(creates ? "create" : "update");
    if (server_.fail) {
      machine.on_written(*server_.fail, now);
    } else if (creates ? server_.lease.has_value() : !server_.lease || known_ != server_.version) {
      machine.on_written(Error(Errc::kConflict, "the lease has been modified"), now);
    } else {
      server_.put(action.record);
      known_ = server_.version;
      machine.on_written(Result<void>(), now);
    }
  }

  LeaseServer& server_;
  fakes::ManualClock& clock_;
  int known_ = -1;
  ElectionMachine::Time due_{};

 public:
  ElectionMachine machine;
  std::vector<std::string> story{};
};

class ElectionMachineTest : public ::testing::Test {
 protected:
  fakes::ManualClock clock_;
  LeaseServer server_;
  Replica us_{"us", server_, clock_};
  Replica them_{"them", server_, clock_};
};

using Story = std::vector<std::string>;

// --- Becoming the leader ---

TEST_F(ElectionMachineTest, TheFirstOneCreatesTheLeaseAndLeads) {
  us_.settle();

  EXPECT_EQ(us_.take_story(), (Story{"read", "create"}));
  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading);
  EXPECT_TRUE(us_.may_write());
  EXPECT_EQ(server_.lease->holder, "us");
  EXPECT_EQ(server_.lease->lease, 15s);
  EXPECT_EQ(server_.lease->acquired, "2026-01-01T00:00:00.000000Z");
  EXPECT_EQ(server_.lease->renewed, "2026-01-01T00:00:00.000000Z");
  EXPECT_EQ(server_.lease->transitions, 0);
}

TEST_F(ElectionMachineTest, ALeaseThatNobodyHoldsIsTakenAtOnce) {
  server_.put(held_by(""));

  us_.settle();

  EXPECT_EQ(us_.take_story(), (Story{"read", "update"}));
  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading);
  EXPECT_EQ(server_.lease->transitions, 4);
}

TEST_F(ElectionMachineTest, AnEmptyLeaseIsTakenAtOnce) {
  server_.put(LeaseRecord());

  us_.settle();

  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading);
  EXPECT_EQ(server_.lease->holder, "us");
}

TEST_F(ElectionMachineTest, OldTimesInALeaseThatAnotherHoldsMeanNothing) {
  server_.put(held_by("them"));  // Renewed in 2020, by its own words.

  us_.live(14s);

  EXPECT_EQ(us_.machine.state(), ElectionState::kStandby);
  EXPECT_EQ(us_.machine.holder(), "them");
  EXPECT_FALSE(us_.may_write());
}

TEST_F(ElectionMachineTest, ALeaseThatWeSawUnchangedForAsLongAsItSaysIsTaken) {
  auto lease = held_by("them");
  lease.lease = 40s;  // What its holder promised counts, not our own terms.
  server_.put(lease);

  us_.live(39s);
  EXPECT_EQ(us_.machine.state(), ElectionState::kStandby);
  us_.live(6s);

  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading);
  EXPECT_EQ(server_.lease->holder, "us");
  EXPECT_EQ(server_.lease->transitions, 4);
}

TEST_F(ElectionMachineTest, EachRenewalByTheHolderIsWaitedForAnew) {
  server_.put(held_by("them"));
  for (int i = 1; i < 10; ++i) {
    us_.live(10s);
    auto renewed = *server_.lease;
    renewed.renewed = "2020-01-01T00:00:0" + std::to_string(i) + ".000000Z";
    server_.put(renewed);
  }
  EXPECT_EQ(us_.machine.state(), ElectionState::kStandby);
}

TEST_F(ElectionMachineTest, WaitsOfAStandbyAreLongerByARandomShare) {
  server_.put(held_by("them"));
  EXPECT_EQ(us_.settle(), 3200ms);  // 2 s × (1 + 1.2 × 0.5)
}

TEST_F(ElectionMachineTest, OfTwoThatCreateAtOnceOneLeads) {
  // "them" has read that there is none when "us" creates it.
  auto action = them_.machine.next(clock_.steady_now(), clock_.now());
  ASSERT_EQ(action.kind, Kind::kRead);
  them_.machine.on_read(Error(Errc::kNotFound, ""), clock_.steady_now());
  us_.settle();

  them_.settle();

  EXPECT_EQ(them_.machine.state(), ElectionState::kStandby);
  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading);
}

TEST_F(ElectionMachineTest, OurOwnCreateWhoseAnswerWasLostIsFoundAgain) {
  server_.put(held_by("us"));

  us_.settle();

  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading);
  EXPECT_EQ(server_.lease->transitions, 3) << "it did not change hands";
  EXPECT_EQ(server_.lease->acquired, "2020-01-01T00:00:00.000000Z");
}

TEST_F(ElectionMachineTest, AServerThatFailsIsAskedAgain) {
  server_.fail = Error(Errc::kUnavailable, "connection refused");

  us_.live(60s);
  EXPECT_EQ(us_.machine.state(), ElectionState::kStandby);
  EXPECT_LT(us_.story.size(), 30U);

  server_.fail.reset();
  us_.live(4s);
  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading);
}

// --- Staying the leader ---

TEST_F(ElectionMachineTest, ALeaderRenewsEachPeriodWithoutReading) {
  us_.settle();
  us_.take_story();
  const auto acquired = server_.lease->acquired;

  EXPECT_EQ(us_.settle(), 2000ms);
  us_.live(22s);

  EXPECT_EQ(us_.take_story(), Story(10, "update"));
  EXPECT_EQ(server_.lease->acquired, acquired);
  EXPECT_EQ(server_.lease->transitions, 0);
  EXPECT_TRUE(us_.may_write());
}

TEST_F(ElectionMachineTest, ALeaseThatSomebodyAnnotatedIsReadAndRenewedAtOnce) {
  us_.live(2s);
  ++server_.version;
  us_.take_story();

  us_.settle();

  EXPECT_EQ(us_.take_story(), (Story{"update", "read", "update"}));
  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading);
}

TEST_F(ElectionMachineTest, ALeaseThatWasDeletedIsCreatedAgain) {
  us_.live(2s);
  server_.lease.reset();
  us_.take_story();

  us_.settle();

  EXPECT_EQ(us_.take_story(), (Story{"update", "read", "create"}));
  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading);
}

TEST_F(ElectionMachineTest, ALeaseThatAnotherTookIsLostAtOnce) {
  us_.live(2s);
  server_.put(held_by("them"));

  us_.settle();

  EXPECT_EQ(us_.machine.state(), ElectionState::kLost);
  EXPECT_EQ(us_.machine.why_lost(), "the lease is held by them");
  EXPECT_FALSE(us_.may_write());
  EXPECT_EQ(server_.lease->holder, "them");
}

// --- Losing the lead ---

TEST_F(ElectionMachineTest, ALeaderThatCannotRenewStepsDownBeforeTheLeaseEnds) {
  us_.settle();
  server_.fail = Error(Errc::kTimeout, "the API server took too long");
  const auto renewed = clock_.steady_now();

  us_.live(60s);

  EXPECT_EQ(us_.machine.state(), ElectionState::kLost);
  EXPECT_EQ(clock_.steady_now() - renewed, 10s) << "five seconds before others may take over";
  EXPECT_EQ(us_.machine.why_lost(),
            "the lease was not renewed for 10s: the API server took too long");
  EXPECT_EQ(us_.story.back(), "stop");
}

TEST_F(ElectionMachineTest, TheDeadlineCountsFromWhenTheRenewalWasSent) {
  ASSERT_EQ(us_.machine.next(clock_.steady_now(), clock_.now()).kind, Kind::kRead);
  us_.machine.on_read(Error(Errc::kNotFound, ""), clock_.steady_now());
  ASSERT_EQ(us_.machine.next(clock_.steady_now(), clock_.now()).kind, Kind::kCreate);
  clock_.advance(4s);  // The answer takes its time; others may have seen the lease long before.
  us_.machine.on_written(Result<void>(), clock_.steady_now());

  clock_.advance(5'999ms);
  EXPECT_TRUE(us_.may_write());
  clock_.advance(1ms);
  EXPECT_FALSE(us_.may_write());
}

TEST_F(ElectionMachineTest, ALeaderThatWasFrozenMayNotWriteBeforeItHasNoticed) {
  us_.settle();
  clock_.advance(20s);  // Not one instruction of ours ran.

  EXPECT_EQ(us_.machine.state(), ElectionState::kLeading) << "nobody has told it";
  EXPECT_FALSE(us_.may_write());
  us_.settle();
  EXPECT_EQ(us_.machine.state(), ElectionState::kLost);
  EXPECT_EQ(us_.take_story(), (Story{"read", "create", "stop"})) << "the lease is not touched";
}

TEST_F(ElectionMachineTest, ARequestNeverLastsLongerThanTheLead) {
  us_.settle();
  clock_.advance(7s);

  const auto action = us_.machine.next(clock_.steady_now(), clock_.now());

  ASSERT_EQ(action.kind, Kind::kUpdate);
  EXPECT_EQ(action.limit, 3s);
}

TEST_F(ElectionMachineTest, OneRequestThatHangsLeavesTimeForAnother) {
  const auto first = us_.machine.next(clock_.steady_now(), clock_.now());
  EXPECT_EQ(first.limit, 5s);
}

TEST_F(ElectionMachineTest, ThroughEveryHandOverAtMostOneMayWrite) {
  int hand_overs = 0;
  us_.settle();
  for (int second = 0; second < 300; ++second) {
    // Every 40 s the server is away for 12 s.
    const bool away = second % 40 >= 28;
    server_.fail = away ? std::optional(Error(Errc::kUnavailable, "away")) : std::nullopt;
    us_.settle();
    them_.settle();
    EXPECT_FALSE(us_.may_write() && them_.may_write()) << second;
    if (us_.machine.state() == ElectionState::kLost && them_.may_write()) ++hand_overs;
    clock_.advance(1s);
  }
  EXPECT_GT(hand_overs, 0);
}

// --- Giving the lease back ---

TEST_F(ElectionMachineTest, ALeaseThatIsGivenBackIsTakenAtTheNextLook) {
  us_.settle();
  them_.settle();
  us_.release();
  EXPECT_FALSE(us_.may_write());

  us_.settle();

  EXPECT_EQ(us_.machine.state(), ElectionState::kReleased);
  EXPECT_EQ(server_.lease->holder, "");
  EXPECT_EQ(server_.lease->lease, 1s);
  EXPECT_EQ(server_.lease->transitions, 0);
  them_.live(4s);
  EXPECT_EQ(them_.machine.state(), ElectionState::kLeading);
  EXPECT_EQ(server_.lease->transitions, 1);
}

TEST_F(ElectionMachineTest, GivingBackIsTriedAgainWhenSomebodyChangedTheLeaseMeanwhile) {
  us_.settle();
  ++server_.version;
  us_.take_story();
  us_.release();

  us_.settle();

  EXPECT_EQ(us_.take_story(), (Story{"update", "read", "update", "stop"}));
  EXPECT_EQ(server_.lease->holder, "");
}

TEST_F(ElectionMachineTest, ALeaseThatAnotherHoldsMeanwhileIsLeftAlone) {
  us_.settle();
  server_.put(held_by("them"));
  us_.release();

  us_.settle();

  EXPECT_EQ(us_.machine.state(), ElectionState::kReleased);
  EXPECT_EQ(server_.lease->holder, "them");
}

TEST_F(ElectionMachineTest, GivingBackEndsWithTheLeadEvenIfTheServerIsAway) {
  us_.settle();
  server_.fail = Error(Errc::kUnavailable, "away");
  us_.release();
  const auto asked = clock_.steady_now();

  us_.live(60s);

  EXPECT_EQ(us_.machine.state(), ElectionState::kReleased);
  EXPECT_LE(clock_.steady_now() - asked, 10s);
}

TEST_F(ElectionMachineTest, AStandbyHasNothingToGiveBack) {
  server_.put(held_by("them"));
  us_.settle();
  us_.take_story();
  us_.release();

  us_.settle();

  EXPECT_EQ(us_.take_story(), (Story{"stop"}));
  EXPECT_EQ(us_.machine.state(), ElectionState::kReleased);
}

TEST_F(ElectionMachineTest, TellsWhenItLastRenewed) {
  EXPECT_EQ(us_.machine.since_renewal(clock_.steady_now()), std::nullopt);
  us_.settle();
  clock_.advance(3s);
  EXPECT_EQ(us_.machine.since_renewal(clock_.steady_now()), std::optional(3s));
}

// --- Terms ---

struct BadTerms {
  std::string name;
  std::chrono::milliseconds lease, renew, retry;
  std::string why;
};

class ElectionTermsRejects : public ::testing::TestWithParam<BadTerms> {};

TEST_P(ElectionTermsRejects, WhatCannotWork) {
  ElectionTerms terms;
  terms.lease = GetParam().lease;
  terms.renew_deadline = GetParam().renew;
  terms.retry_period = GetParam().retry;
  EXPECT_THAT(terms.check(), FailsWith(Errc::kInvalid, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Check, ElectionTermsRejects,
    ::testing::ValuesIn(std::vector<BadTerms>{
        {"LeaseNotLongerThanTheDeadline", 10s, 10s, 2s,
         "the lease of leader election (10s) must last longer than the renew deadline (10s)"},
        {"DeadlineNotLongerThanTheJitteredPeriod", 15s, 2400ms, 2s,
         "the renew deadline of leader election (2.4s) must be longer than 1.2 times the retry "
         "period (2s)"},
        {"PeriodTooShort", 15s, 10s, 999ms,
         "the retry period of leader election must be at least 1s"},
        {"PartOfASecond", 15'500ms, 10s, 2s,
         "the lease of leader election must last whole seconds, not 15.5s"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(ElectionTerms, ThoseOfClientGoAndTheShortestWork) {
  EXPECT_THAT(ElectionTerms().check(), IsOk());
  EXPECT_EQ(ElectionTerms().request_limit(), 5s);
  ElectionTerms shortest;
  shortest.lease = 2s;
  shortest.renew_deadline = 1201ms;
  shortest.retry_period = 1s;
  EXPECT_THAT(shortest.check(), IsOk());
  EXPECT_EQ(shortest.request_limit(), 1s);
}

}  // namespace
}  // namespace kiln::runtime
