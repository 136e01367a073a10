#include "controller/runtime/backoff.h"

#include <gtest/gtest.h>

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using Time = Backoff::Time;

TEST(Backoff, GrowsToItsCap) {
  Backoff backoff(BackoffOptions(), [] { return 0.0; });
  const Time now{};
  std::vector<std::chrono::milliseconds> waits;
  for (int i = 0; i < 8; ++i) waits.push_back(backoff.next(now));
  EXPECT_EQ(waits, (std::vector<std::chrono::milliseconds>{800ms, 1600ms, 3200ms, 6400ms, 12800ms,
                                                           25600ms, 30000ms, 30000ms}));
}

TEST(Backoff, IsLongerByARandomShare) {
  Backoff backoff(BackoffOptions(), [] { return 0.5; });
  EXPECT_EQ(backoff.next(Time{}), 1200ms);
}

TEST(Backoff, StartsOverAfterTwoHealthyMinutes) {
  Backoff backoff(BackoffOptions(), [] { return 0.0; });
  Time now{};
  for (int i = 0; i < 5; ++i) backoff.next(now);
  EXPECT_EQ(backoff.next(now + 1min), 25600ms);
  EXPECT_EQ(backoff.next(now + 10min), 800ms);
}

TEST(Backoff, DrawsRandomNumbersBelowOne) {
  for (int i = 0; i < 1000; ++i) {
    const auto share = random_share();
    EXPECT_GE(share, 0.0);
    EXPECT_LT(share, 1.0);
  }
}

}  // namespace
}  // namespace kiln::runtime
