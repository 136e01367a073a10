#include "core/base/work_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "core/base/deadline.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln {
namespace {

using testing::run_task;

Task<Result<bool>> runs_elsewhere(WorkPool& pool) {
  const auto here = std::this_thread::get_id();
  const auto there = co_await pool.run([] { return std::this_thread::get_id(); });
  co_return there != here&& std::this_thread::get_id() == here;
}

Task<Result<int>> sums(WorkPool& pool, int rounds) {
  int total = 0;
  for (int i = 0; i < rounds; ++i) {
    auto work = [i] { return i; };
    total += co_await pool.run(std::move(work));
  }
  co_return total;
}

Task<Result<int>> throws(WorkPool& pool) {
  co_return co_await pool.run([]() -> int { throw std::runtime_error("a bug in the work"); });
}

TEST(WorkPool, RunsOnAnotherThreadAndComesBack) {
  WorkPool pool(2);
  EXPECT_TRUE(*run_task(runs_elsewhere(pool)));
}

TEST(WorkPool, AnswersEveryResult) {
  WorkPool pool(2);
  EXPECT_EQ(*run_task(sums(pool, 1000)), 999 * 1000 / 2);
}

TEST(WorkPool, LetsAnExceptionOutAtTheCaller) {
  WorkPool pool(1);
  EXPECT_THROW((void)run_task(throws(pool)), std::runtime_error);
}

}  // namespace
}  // namespace kiln
