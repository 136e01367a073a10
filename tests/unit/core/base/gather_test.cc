#include "core/base/gather.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln {
namespace {

using namespace std::chrono_literals;
using testing::FailsWith;
using testing::run_task;

struct Gauge {
  int running = 0;
  int most = 0;
  int started = 0;
};

Task<Result<int>> measured(Gauge* gauge, int value) {
  ++gauge->started;
  gauge->most = std::max(gauge->most, ++gauge->running);
  KILN_CO_TRY(co_await sleep_for(1ms));
  --gauge->running;
  if (value < 0) co_return Error(Errc::kInvalid, "task " + std::to_string(value));
  co_return value;
}

std::vector<Task<Result<int>>> tasks_for(Gauge* gauge, std::vector<int> values) {
  std::vector<Task<Result<int>>> tasks;
  for (const int value : values) tasks.push_back(measured(gauge, value));
  return tasks;
}

TEST(Gather, AnswersValuesInTheOrderOfTheTasks) {
  Gauge gauge;
  EXPECT_EQ(*run_task(gather(tasks_for(&gauge, {3, 1, 2}), 2)), (std::vector<int>{3, 1, 2}));
}

TEST(Gather, NeverRunsMoreThanTheLimit) {
  Gauge gauge;
  ASSERT_TRUE(run_task(gather(tasks_for(&gauge, std::vector<int>(20, 1)), 3)));
  EXPECT_EQ(gauge.most, 3);
}

TEST(Gather, StartsNothingNewAfterAFailure) {
  Gauge gauge;

  const auto result = run_task(gather(tasks_for(&gauge, {1, -2, 3, 4, 5, 6}), 2));

  EXPECT_THAT(result, FailsWith(Errc::kInvalid, "task -2"));
  EXPECT_LT(gauge.started, 6);
}

TEST(Gather, OfNothingIsNothing) {
  EXPECT_TRUE(run_task(gather(std::vector<Task<Result<int>>>(), 4))->empty());
}

TEST(Gather, TreatsALimitOfZeroAsOne) {
  Gauge gauge;
  EXPECT_EQ(run_task(gather(tasks_for(&gauge, {1, 2}), 0))->size(), 2u);
}

}  // namespace
}  // namespace kiln
