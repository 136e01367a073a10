#include "controller/runtime/work_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using Key = kube::ObjectKey;
using Time = WorkQueue::Time;

const Key kA("ns", "a");
const Key kB("ns", "b");
const Key kC("ns", "c");
const Time kNow{1h};

WorkQueue queue() {
  RetryDelays delays;
  delays.jitter = 0;
  return WorkQueue(delays, [] { return 0.0; });
}

/// Takes a key and tells its name; "" = nothing is waiting.
std::string take(WorkQueue& queue, Time now = kNow) {
  const auto taken = queue.take(now);
  return taken ? taken->key.name : "";
}

TEST(WorkQueue, HandsOutKeysInTheOrderTheyCame) {
  auto work = queue();
  for (const auto& key : {kB, kA, kC}) work.add(key, Priority::kNormal, kNow);
  EXPECT_EQ(take(work), "b");
  EXPECT_EQ(take(work), "a");
  EXPECT_EQ(take(work), "c");
  EXPECT_EQ(take(work), "");
}

TEST(WorkQueue, CollapsesAKeyThatWaits) {
  auto work = queue();
  for (int i = 0; i < 3; ++i) work.add(kA, Priority::kNormal, kNow);
  EXPECT_EQ(work.waiting(), 1U);
  EXPECT_EQ(take(work), "a");
  work.done(kA);
  EXPECT_EQ(take(work), "");
}

TEST(WorkQueue, TellsWhenAKeyWasAskedForLast) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  work.add(kA, Priority::kNormal, kNow + 3s);

  const auto waited = work.take(kNow + 4s);
  ASSERT_TRUE(waited);
  EXPECT_EQ(waited->since, kNow);
  EXPECT_EQ(waited->asked, kNow + 3s);

  work.add(kA, Priority::kNormal, kNow + 5s);
  work.add(kA, Priority::kNormal, kNow + 6s);
  work.done(kA);
  const auto again = work.take(kNow + 7s);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->since, kNow + 5s);
  EXPECT_EQ(again->asked, kNow + 6s) << "while a worker had it";
}

TEST(WorkQueue, HandsOutAnItemOnlyOnceUntilDone) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  EXPECT_EQ(take(work), "a");
  for (int i = 0; i < 3; ++i) work.add(kA, Priority::kNormal, kNow);
  EXPECT_EQ(take(work), "");
  work.done(kA);
  EXPECT_EQ(take(work), "a");
  work.done(kA);
  EXPECT_EQ(take(work), "");
  EXPECT_EQ(work.processing(), 0U);
}

TEST(WorkQueue, TakesAKeyBackWithItsHighestPriority) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  take(work);
  work.add(kA, Priority::kLow, kNow);
  work.add(kA, Priority::kHigh, kNow);
  work.add(kB, Priority::kNormal, kNow);
  work.done(kA);
  EXPECT_EQ(take(work), "a");
}

TEST(WorkQueue, LetsUsersGoBeforeTheInitialList) {
  auto work = queue();
  for (int i = 0; i < 1000; ++i)
    work.add(Key("ns", "old-" + std::to_string(i)), Priority::kLow, kNow);
  work.add(kA, Priority::kHigh, kNow);
  EXPECT_EQ(take(work), "a");
}

TEST(WorkQueue, RaisesAPriorityAndNeverLowersOne) {
  auto work = queue();
  work.add(kA, Priority::kLow, kNow);
  work.add(kB, Priority::kLow, kNow);
  work.add(kB, Priority::kHigh, kNow);
  work.add(kB, Priority::kLow, kNow);
  EXPECT_EQ(take(work), "b");
  EXPECT_EQ(take(work), "a");
}

TEST(WorkQueue, HoldsAKeyBackUntilItsTime) {
  auto work = queue();
  work.add_at(kA, kNow + 5s, Priority::kNormal);
  EXPECT_EQ(work.next_due(), kNow + 5s);
  EXPECT_EQ(take(work, kNow + 4s), "");
  const auto taken = work.take(kNow + 7s);
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->since, kNow + 5s) << "waiting counts from when it was due";
  EXPECT_EQ(work.next_due(), std::nullopt);
}

TEST(WorkQueue, LetsNamespacesTakeTurns) {
  auto work = queue();
  for (int i = 0; i < 3; ++i) work.add(Key("many", std::to_string(i)), Priority::kNormal, kNow);
  work.add(Key("few", "a"), Priority::kNormal, kNow);
  work.add(Key("some", "b"), Priority::kNormal, kNow);
  work.add(Key("some", "c"), Priority::kNormal, kNow);

  std::vector<std::string> order;
  for (int i = 0; i < 6; ++i) order.push_back(take(work));

  EXPECT_EQ(order, (std::vector<std::string>{"0", "a", "b", "1", "c", "2"}));
}

TEST(WorkQueue, ANamespaceThatComesLateWaitsForOneTurnAndHasNoMoreThanOthers) {
  auto work = queue();
  for (int i = 0; i < 1000; ++i) work.add(Key("many", std::to_string(i)), Priority::kNormal, kNow);
  for (int i = 0; i < 500; ++i) take(work);

  // Adds the next key only when the one before was taken.
  std::string order;
  for (int i = 0; i < 4; ++i) {
    work.add(Key("late", std::to_string(i)), Priority::kNormal, kNow);
    for (int j = 0; j < 2; ++j) order += work.take(kNow)->key.namespace_ == "late" ? 'L' : '-';
  }

  EXPECT_EQ(std::count(order.begin(), order.end(), 'L'), 4) << order;
  EXPECT_EQ(std::count(order.begin(), order.end(), '-'), 4) << order;
}

TEST(WorkQueue, APriorityGoesBeforeAnyTurn) {
  auto work = queue();
  for (int i = 0; i < 10'000; ++i)
    work.add(Key("ns" + std::to_string(i % 7), std::to_string(i)), Priority::kLow, kNow);
  work.add(Key("ns0", "new"), Priority::kHigh, kNow);
  EXPECT_EQ(take(work), "new");
}

TEST(WorkQueue, TakesTheEarliestOfSeveralTimes) {
  auto work = queue();
  work.add_at(kA, kNow + 5s, Priority::kNormal);
  work.add_at(kA, kNow + 9s, Priority::kNormal);
  EXPECT_EQ(work.next_due(), kNow + 5s);
  work.add_at(kA, kNow + 2s, Priority::kNormal);
  EXPECT_EQ(work.next_due(), kNow + 2s);
  EXPECT_EQ(work.delayed(), 1U);
}

TEST(WorkQueue, DropsTheDelayOfAKeyThatIsAddedAtOnce) {
  auto work = queue();
  work.add_at(kA, kNow + 5s, Priority::kNormal);
  work.add(kA, Priority::kNormal, kNow);
  EXPECT_EQ(take(work), "a");
  work.done(kA);
  EXPECT_EQ(take(work, kNow + 1h), "");
}

TEST(WorkQueue, LetsADelayEndWhileTheKeyIsBeingProcessed) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  take(work);
  work.add_at(kA, kNow + 1s, Priority::kNormal);
  EXPECT_EQ(take(work, kNow + 2s), "");
  work.done(kA);
  EXPECT_EQ(take(work, kNow + 2s), "a");
}

TEST(WorkQueue, RetriesMoreAndMoreSlowly) {
  auto work = queue();
  std::vector<std::chrono::milliseconds> delays;
  for (int i = 0; i < 13; ++i) delays.push_back(work.retry(kA, kNow));
  EXPECT_EQ(delays[0], 750ms);
  EXPECT_EQ(delays[1], 1500ms);
  EXPECT_EQ(delays[2], 3s);
  EXPECT_EQ(delays[11], 15min);
  EXPECT_EQ(delays[12], 15min);
  EXPECT_EQ(work.retry(kB, kNow), 750ms) << "another key is not slowed";
  EXPECT_EQ(work.failures(kA), 13);
  work.forget(kA);
  EXPECT_EQ(work.failures(kA), 0);
  EXPECT_EQ(work.retry(kA, kNow), 750ms);
}

TEST(WorkQueue, StaysAtTheCapHoweverOftenAKeyFails) {
  auto work = queue();
  for (int i = 0; i < 5000; ++i) EXPECT_LE(work.retry(kA, kNow), 15min);
}

TEST(WorkQueue, HonoursAHintThatIsLongerThanItsOwnDelay) {
  auto work = queue();
  EXPECT_EQ(work.retry(kA, kNow, 1min), 1min);
  EXPECT_EQ(work.retry(kB, kNow, 1ms), 750ms);
}

TEST(WorkQueue, ForgetsADroppedKey) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  work.retry(kB, kNow);
  work.drop(kA);
  work.drop(kB);
  EXPECT_EQ(take(work, kNow + 1h), "");
  EXPECT_EQ(work.failures(kB), 0);
}

TEST(WorkQueue, PausesBeforeAKeyThatWasAddedWhileItWasProcessed) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  take(work);
  work.add(kA, Priority::kNormal, kNow);
  work.done(kA, kNow, 250ms);
  work.add(kA, Priority::kHigh, kNow + 10ms);
  work.add_at(kA, kNow + 300ms, Priority::kNormal);
  EXPECT_EQ(take(work, kNow + 249ms), "");
  work.add(kB, Priority::kNormal, kNow + 249ms);
  EXPECT_EQ(take(work, kNow + 250ms), "a") << "it kept the highest priority";
  work.done(kA, kNow + 260ms, 250ms);
  EXPECT_EQ(take(work, kNow + 260ms), "b");
  EXPECT_EQ(take(work, kNow + 1h), "") << "all that was added is in it";
}

TEST(WorkQueue, PausesForNothingElse) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  take(work);
  work.done(kA, kNow, 250ms);
  work.add(kA, Priority::kNormal, kNow + 1ms);
  EXPECT_EQ(take(work, kNow + 1ms), "a") << "nothing was added meanwhile";
  work.add(kA, Priority::kNormal, kNow + 2ms);
  work.done(kA, kNow + 2ms, 250ms);
  work.add(kA, Priority::kNormal, kNow + 252ms);
  EXPECT_EQ(take(work, kNow + 252ms), "a") << "the pause is over";
}

TEST(WorkQueue, ForgetsThePauseOfADroppedKey) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  take(work);
  work.add(kA, Priority::kNormal, kNow);
  work.done(kA, kNow, 250ms);
  work.drop(kA);
  work.add(kA, Priority::kNormal, kNow + 1ms);
  EXPECT_EQ(take(work, kNow + 1ms), "a");
}

TEST(WorkQueue, DrainsAfterItIsClosed) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  work.add(kB, Priority::kNormal, kNow);
  take(work);
  work.add(kA, Priority::kNormal, kNow);
  work.close();
  work.add(kC, Priority::kHigh, kNow);
  work.add_at(kC, kNow, Priority::kHigh);
  work.retry(kC, kNow);
  EXPECT_EQ(work.processing(), 1U);
  work.done(kA);
  EXPECT_EQ(take(work, kNow + 1h), "");
  EXPECT_EQ(work.processing(), 0U);
}

TEST(WorkQueue, TakesDoneForAKeyNobodyHasAsNothing) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  work.done(kA);
  EXPECT_EQ(take(work), "a");
}

/// What the queue must be equal to, as simply as can be.
struct Model {
  std::set<Key> wanted;  ///< Must be handed out (again) some time.
  std::set<Key> processing;
};

TEST(WorkQueue, NeverLosesAKeyAndNeverHandsOneOutTwice) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    WorkQueue work(RetryDelays(), [&random] { return static_cast<double>(random() % 100) / 100; });
    Model model;
    Time now = kNow;
    for (int step = 0; step < 5000; ++step) {
      const Key key("ns", std::to_string(random() % 12));
      now += std::chrono::milliseconds(random() % 200);
      switch (random() % 6) {
        case 0:
        case 1:
          work.add(key, static_cast<Priority>(random() % 3), now);
          model.wanted.insert(key);
          break;
        case 2:
          work.add_at(key, now + std::chrono::milliseconds(random() % 5000), Priority::kNormal);
          model.wanted.insert(key);
          break;
        case 3:
          work.retry(key, now);
          model.wanted.insert(key);
          break;
        case 4:
          if (const auto taken = work.take(now)) {
            ASSERT_TRUE(model.processing.insert(taken->key).second) << "seed " << seed;
            ASSERT_EQ(model.wanted.erase(taken->key), 1U) << "seed " << seed;
            ASSERT_LE(taken->since, now);
          }
          break;
        default:
          if (model.processing.contains(key)) {
            model.processing.erase(key);
            work.done(key, now, random() % 2 * 250ms);
          }
      }
      ASSERT_EQ(work.processing(), model.processing.size());
    }
    now += 1h;
    for (const auto& key : model.processing) work.done(key);
    std::set<Key> rest;
    while (const auto taken = work.take(now)) {
      EXPECT_TRUE(rest.insert(taken->key).second);
      work.done(taken->key);
    }
    EXPECT_EQ(rest, model.wanted) << "seed " << seed;
    EXPECT_EQ(work.waiting() + work.delayed() + work.processing(), 0U);
  }
}

TEST(WorkQueue, CountsKeysThatBeginToWaitAndRetries) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  work.add(kA, Priority::kHigh, kNow);  // Waits already.
  work.add(kB, Priority::kNormal, kNow);
  EXPECT_EQ(work.counters().adds, 2U);

  EXPECT_EQ(take(work), "a");
  const auto delay = work.retry(kA, kNow);
  work.done(kA);
  EXPECT_EQ(work.counters().retries, 1U);
  EXPECT_EQ(work.counters().adds, 2U) << "it is delayed, not waiting";

  EXPECT_EQ(take(work, kNow + delay), "b");
  EXPECT_EQ(work.counters().adds, 3U);
}

TEST(WorkQueue, TellsHowLongWorkIsUnderWay) {
  auto work = queue();
  work.add(kA, Priority::kNormal, kNow);
  work.add(kB, Priority::kNormal, kNow);
  EXPECT_EQ(work.unfinished_work(kNow), 0s);

  EXPECT_EQ(take(work, kNow), "a");
  EXPECT_EQ(take(work, kNow + 10s), "b");

  EXPECT_EQ(work.unfinished_work(kNow + 15s), 20s);
  EXPECT_EQ(work.longest_running(kNow + 15s), 15s);
  work.done(kA);
  EXPECT_EQ(work.unfinished_work(kNow + 15s), 5s);
  EXPECT_EQ(work.longest_running(kNow + 15s), 5s);
}

}  // namespace
}  // namespace kiln::runtime
