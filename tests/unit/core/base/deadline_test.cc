#include "core/base/deadline.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln {
namespace {

using namespace std::chrono_literals;
using testing::FailsWith;
using testing::IsOk;
using testing::run_task;

Task<Result<int>> answer(int value) {
  co_return value;
}
Task<Result<int>> fail() {
  co_return Error(Errc::kNotFound, "nothing there");
}
Task<Result<int>> answer_after(std::chrono::milliseconds wait) {
  KILN_CO_TRY(co_await sleep_for(wait));
  co_return 1;
}
Task<Result<int>> explode() {
  KILN_CO_TRY(co_await sleep_for(1ms));
  throw std::runtime_error("a bug");
}

/// Notes how it ended: by cancellation the frame unwinds without reaching the last line.
Task<Result<int>> wait_forever(bool* unwound) {
  struct Guard {
    bool* flag;
    ~Guard() { *flag = true; }
  } guard{unwound};
  KILN_CO_TRY(co_await sleep_for(1h));
  co_return 1;
}

TEST(Deadline, PassesTheValueOn) {
  EXPECT_EQ(*run_task(with_deadline(answer(7), 1s, "answering")), 7);
}

TEST(Deadline, PassesTheErrorOn) {
  EXPECT_THAT(run_task(with_deadline(fail(), 1s, "looking")),
              FailsWith(Errc::kNotFound, "nothing there"));
}

TEST(Deadline, EndsATaskThatTakesTooLongAndSaysWhichOne) {
  bool unwound = false;

  const auto result = run_task(with_deadline(wait_forever(&unwound), 10ms, "fetching the base"));

  EXPECT_THAT(result, FailsWith(Errc::kTimeout, "fetching the base took longer than 10ms"));
  EXPECT_TRUE(unwound);
}

TEST(Deadline, LetsATaskFinishThatIsFasterThanItsLimit) {
  EXPECT_THAT(run_task(with_deadline(answer_after(1ms), 10s, "waiting")), IsOk());
}

TEST(Deadline, OfAnInnerTaskStrikesWithoutTheOuterOne) {
  bool unwound = false;
  auto inner = with_deadline(wait_forever(&unwound), 5ms, "inner");

  const auto result = run_task(with_deadline(std::move(inner), 10s, "outer"));

  EXPECT_THAT(result, FailsWith(Errc::kTimeout, "inner took longer"));
}

TEST(Deadline, OfAnOuterTaskUnwindsTheInnerOne) {
  bool unwound = false;
  auto inner = with_deadline(wait_forever(&unwound), 1h, "inner");

  const auto result = run_task(with_deadline(std::move(inner), 5ms, "outer"));

  EXPECT_THAT(result, FailsWith(Errc::kTimeout, "outer took longer"));
  EXPECT_TRUE(unwound);
}

TEST(Deadline, LetsABugOut) {
  EXPECT_THROW((void)run_task(with_deadline(explode(), 1s, "exploding")), std::runtime_error);
}

}  // namespace
}  // namespace kiln
