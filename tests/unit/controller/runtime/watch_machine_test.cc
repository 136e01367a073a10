#include "controller/runtime/watch_machine.h"

#include <gtest/gtest.h>

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using Kind = WatchAction::Kind;
using Type = kube::WatchEventType;

const WatchMachine::Time kNow{1h};

WatchMachine machine(bool watch_list = false) {
  WatchMachine::Options options;
  options.use_watch_list = watch_list;
  options.random = [] { return 0.0; };
  return WatchMachine(std::move(options));
}

kube::ObjectList page(const std::string& version, const std::string& next = "") {
  kube::ObjectList list;
  list.resource_version = version;
  list.continue_token = next;
  return list;
}

kube::WatchEvent event(Type type, const std::string& version, bool end = false) {
  kube::WatchEvent one(type);
  one.resource_version = version;
  one.initial_events_end = end;
  return one;
}

kube::WatchEvent error_event(Errc code) {
  kube::WatchEvent one(Type::kError);
  one.error = Error(code, "because");
  return one;
}

/// The next action that is no wait.
WatchAction act(WatchMachine& one) {
  auto action = one.next();
  return action.kind == Kind::kWait ? one.next() : action;
}

/// Listed at version 10, watching.
WatchMachine watching() {
  auto one = machine();
  act(one);
  [[maybe_unused]] const auto verdict = one.on_page(page("10"));
  act(one);
  one.on_opened(kNow);
  return one;
}

TEST(WatchMachine, ListsFromTheCacheFirstAndThenWatches) {
  auto one = machine();
  const auto list = one.next();
  EXPECT_EQ(list.kind, Kind::kList);
  EXPECT_TRUE(list.begins_state);
  EXPECT_EQ(list.list.resource_version, "0");
  EXPECT_EQ(list.list.limit, 500U);
  const auto verdict = one.on_page(page("10"));
  EXPECT_TRUE(verdict.state_complete);
  EXPECT_TRUE(verdict.initial);
  EXPECT_TRUE(one.synced());
  const auto watch = one.next();
  EXPECT_EQ(watch.kind, Kind::kWatch);
  EXPECT_FALSE(watch.begins_state);
  EXPECT_EQ(watch.watch.resource_version, "10");
  EXPECT_EQ(watch.watch.timeout, 300s);
  EXPECT_FALSE(watch.watch.send_initial_events);
  one.on_opened(kNow);
  EXPECT_EQ(one.state(), WatchState::kWatching);
}

TEST(WatchMachine, ReadsAllPages) {
  auto one = machine();
  act(one);
  EXPECT_FALSE(one.on_page(page("10", "more")).state_complete);
  const auto second = one.next();
  EXPECT_EQ(second.list.continue_token, "more");
  EXPECT_FALSE(second.begins_state);
  EXPECT_TRUE(one.on_page(page("10")).state_complete);
}

TEST(WatchMachine, StreamsTheStateWhereTheServerCan) {
  auto one = machine(true);
  const auto watch = one.next();
  EXPECT_EQ(watch.kind, Kind::kWatch);
  EXPECT_TRUE(watch.begins_state);
  EXPECT_TRUE(watch.watch.send_initial_events);
  EXPECT_EQ(watch.watch.resource_version, "");
  one.on_opened(kNow);
  EXPECT_EQ(one.state(), WatchState::kStreamingState);
  EXPECT_TRUE(one.on_event(event(Type::kAdded, "9"), kNow).initial);
  EXPECT_EQ(one.resource_version(), "") << "initial events do not come in order";
  EXPECT_FALSE(one.on_event(event(Type::kBookmark, "9"), kNow).state_complete);
  EXPECT_TRUE(one.on_event(event(Type::kBookmark, "10", true), kNow).state_complete);
  EXPECT_EQ(one.state(), WatchState::kWatching);
  EXPECT_FALSE(one.on_event(event(Type::kAdded, "11"), kNow).initial);
  one.on_ended(kNow + 5min);
  const auto again = one.next();
  EXPECT_EQ(again.kind, Kind::kWatch);
  EXPECT_FALSE(again.watch.send_initial_events);
  EXPECT_EQ(again.watch.resource_version, "11");
}

TEST(WatchMachine, ListsAtOnceAndForGoodWhereStreamingIsRefused) {
  auto one = machine(true);
  act(one);
  one.on_failure(Error(Errc::kInvalid, "sendInitialEvents is forbidden"), kNow);
  EXPECT_EQ(one.next().kind, Kind::kList);
  [[maybe_unused]] const auto verdict = one.on_page(page("10"));
  act(one);
  one.on_opened(kNow);
  one.on_failure(Error(Errc::kGone, "too old"), kNow);
  EXPECT_EQ(act(one).kind, Kind::kList);
}

TEST(WatchMachine, StreamsAgainAfterAnOutageAndListsOnTheThirdCut) {
  auto one = machine(true);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(act(one).watch.send_initial_events) << i;
    one.on_failure(Error(Errc::kUnavailable, "connection refused"), kNow);
  }
  EXPECT_EQ(act(one).kind, Kind::kList);
  one.on_failure(Error(Errc::kUnavailable, "connection refused"), kNow);
  EXPECT_EQ(act(one).kind, Kind::kWatch);
}

TEST(WatchMachine, TakesAnEarlyEndOfTheStateForAFailure) {
  auto one = machine(true);
  act(one);
  one.on_opened(kNow);
  one.on_ended(kNow + 5min);
  EXPECT_EQ(one.next().kind, Kind::kWait);
  EXPECT_TRUE(one.next().begins_state);
  EXPECT_FALSE(one.synced());
}

TEST(WatchMachine, RemembersHowFarItCame) {
  auto one = watching();
  const auto applied = one.on_event(event(Type::kModified, "11"), kNow);
  EXPECT_EQ(applied.deliver, WatchVerdict::Deliver::kApplied);
  EXPECT_FALSE(applied.initial);
  EXPECT_EQ(one.on_event(event(Type::kDeleted, "12"), kNow).deliver,
            WatchVerdict::Deliver::kDeleted);
  EXPECT_EQ(one.on_event(event(Type::kBookmark, "20"), kNow).deliver,
            WatchVerdict::Deliver::kNothing);
  one.on_ended(kNow + 5min);
  const auto again = one.next();
  EXPECT_EQ(again.kind, Kind::kWatch) << "an end in order needs no pause";
  EXPECT_EQ(again.watch.resource_version, "20");
}

TEST(WatchMachine, SkipsAndCountsWhatCannotBeRead) {
  auto one = watching();
  const auto verdict = one.on_event(event(Type::kUndecodable, "13"), kNow);
  EXPECT_EQ(verdict.deliver, WatchVerdict::Deliver::kNothing);
  EXPECT_FALSE(verdict.close);
  EXPECT_EQ(one.resource_version(), "13") << "it must not be sent again";
  EXPECT_EQ(one.on_event(event(Type::kUndecodable, ""), kNow).close, false);
  EXPECT_EQ(one.resource_version(), "13");
  EXPECT_EQ(one.counters().skipped, 2U);
}

TEST(WatchMachine, StartsOverAfterA410InBothItsForms) {
  for (const bool as_event : {true, false}) {
    auto one = watching();
    if (as_event)
      EXPECT_TRUE(one.on_event(error_event(Errc::kGone), kNow).close);
    else
      one.on_failure(Error(Errc::kGone, "too old"), kNow);
    const auto list = act(one);
    EXPECT_EQ(list.kind, Kind::kList);
    EXPECT_TRUE(list.begins_state);
    EXPECT_EQ(list.list.resource_version, "10") << "not older than what is known";
    EXPECT_EQ(list.list.limit, 0U) << "a page size would keep it from the cache";
    EXPECT_EQ(one.counters().relists_expired, 1U);
    EXPECT_TRUE(one.synced()) << "what was told before still stands";
  }
}

TEST(WatchMachine, AsksForTheNewestStateOnlyIfTheListIsGoneToo) {
  for (const auto code : {Errc::kGone, Errc::kInvalid}) {
    auto one = watching();
    one.on_failure(Error(Errc::kGone, "too old"), kNow);
    EXPECT_EQ(act(one).list.resource_version, "10");
    one.on_failure(Error(code, "Too large resource version"), kNow);
    const auto list = act(one);
    EXPECT_EQ(list.list.resource_version, "");
    EXPECT_EQ(list.list.limit, 500U);
    EXPECT_TRUE(one.on_page(page("5")).state_complete);
    EXPECT_EQ(act(one).watch.resource_version, "5");
    one.on_opened(kNow);
    one.on_failure(Error(Errc::kGone, "too old"), kNow);
    EXPECT_EQ(act(one).list.resource_version, "5") << "the exception is over";
  }
}

TEST(WatchMachine, ListsInOnePieceAfterPagesHaveExpired) {
  auto one = machine();
  act(one);
  [[maybe_unused]] const auto verdict = one.on_page(page("10", "more"));
  act(one);
  one.on_failure(Error(Errc::kGone, "continue token expired"), kNow);
  const auto list = act(one);
  EXPECT_EQ(list.kind, Kind::kList);
  EXPECT_TRUE(list.begins_state);
  EXPECT_EQ(list.list.continue_token, "");
  EXPECT_EQ(list.list.limit, 0U);
}

TEST(WatchMachine, NeverListsBecauseOfAnOutageOrA429) {
  for (const auto code : {Errc::kUnavailable, Errc::kRateLimited, Errc::kTimeout, Errc::kDenied,
                          Errc::kUnauthorized}) {
    auto one = watching();
    for (int i = 0; i < 5; ++i) {
      one.on_failure(Error(code, "no"), kNow);
      const auto wait = one.next();
      EXPECT_EQ(wait.kind, Kind::kWait);
      EXPECT_GE(wait.wait, 800ms);
      const auto again = one.next();
      EXPECT_EQ(again.kind, Kind::kWatch);
      EXPECT_EQ(again.watch.resource_version, "10");
    }
    EXPECT_EQ(one.counters().lists_started, 1U);
  }
}

TEST(WatchMachine, ReadsAnewWhenTheTypeItselfWasGone) {
  auto one = watching();
  one.on_ended(kNow + 1min);
  act(one);
  one.on_failure(Error(Errc::kNotFound, "the server could not find the requested resource"), kNow);
  EXPECT_EQ(act(one).kind, Kind::kList);
}

TEST(WatchMachine, HonoursTheServersHint) {
  auto one = watching();
  one.on_failure(Error(Errc::kRateLimited, "busy", 17s), kNow);
  EXPECT_EQ(one.next().wait, 17s);
}

TEST(WatchMachine, TakesAVeryShortWatchForAFailure) {
  auto one = watching();
  one.on_ended(kNow + 100ms);
  const auto wait = one.next();
  EXPECT_EQ(wait.kind, Kind::kWait);
  EXPECT_EQ(wait.wait, 800ms);
  act(one);
  one.on_opened(kNow);
  one.on_ended(kNow + 100ms);
  EXPECT_EQ(one.next().wait, 1600ms);
  act(one);
  one.on_opened(kNow);
  [[maybe_unused]] const auto verdict = one.on_event(event(Type::kBookmark, "12"), kNow);
  one.on_ended(kNow + 100ms);
  EXPECT_EQ(one.next().kind, Kind::kWatch) << "short, but it had something to say";
}

TEST(WatchMachine, SpreadsTheServersTimeouts) {
  WatchMachine::Options options;
  options.use_watch_list = false;
  options.random = [] { return 0.999; };
  WatchMachine one(std::move(options));
  act(one);
  [[maybe_unused]] const auto verdict = one.on_page(page("10"));
  EXPECT_EQ(one.next().watch.timeout, 599s);
}

TEST(WatchMachine, PassesItsSelectionOn) {
  WatchMachine::Options options;
  options.selection.namespace_ = "web";
  options.selection.metadata_only = true;
  options.use_watch_list = false;
  WatchMachine one(std::move(options));
  EXPECT_EQ(one.next().list.selection.namespace_, "web");
  [[maybe_unused]] const auto verdict = one.on_page(page("10"));
  EXPECT_TRUE(one.next().watch.selection.metadata_only);
}

TEST(WatchMachine, NamesItsStates) {
  EXPECT_EQ(name_of(WatchState::kStart), "starting");
  EXPECT_EQ(name_of(WatchState::kWatching), "watching");
}

TEST(WatchMachine, CountsRelistsByWhatLedToThem) {
  auto one = watching();
  EXPECT_EQ(one.counters().lists_started, 1U);
  EXPECT_EQ(one.counters().relists_expired + one.counters().relists_failed, 0U);

  one.on_failure(Error(Errc::kGone, "too old"), kNow);
  act(one);
  EXPECT_EQ(one.counters().relists_expired, 1U);

  one.on_failure(Error(Errc::kDenied, "forbidden"), kNow);
  act(one);
  EXPECT_EQ(one.counters().relists_expired, 1U);
  EXPECT_EQ(one.counters().relists_failed, 1U);
}

TEST(WatchMachine, CountsNoRelistForAWatchThatGoesOnWhereItWas) {
  auto one = watching();
  one.on_failure(Error(Errc::kUnavailable, "cut"), kNow);
  act(one);
  EXPECT_EQ(one.counters().relists_expired + one.counters().relists_failed, 0U);
}

}  // namespace
}  // namespace kiln::runtime
