#include "core/base/stoppable.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln {
namespace {

using testing::FailsWith;
using testing::run_task;

/// Waits until the token asks for a stop; an answer of its own so that nothing hangs for ever.
Result<std::string> wait_for_stop(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any asked;
  std::unique_lock lock(mutex);
  asked.wait_for(lock, stop, std::chrono::seconds(20), [] { return false; });
  if (stop.stop_requested()) return Error(Errc::kCancelled, "the work saw the stop");
  return std::string("nobody asked");
}

TEST(RunStoppable, AnswersWhatTheWorkAnswers) {
  WorkPool pool(1);
  auto work = [](std::stop_token stop) -> Result<bool> { return stop.stop_possible(); };

  const auto result = run_task(run_stoppable(pool, work));

  EXPECT_TRUE(*result);
}

TEST(RunStoppable, AsksTheWorkToStopWhenItsTimeIsUp) {
  WorkPool pool(1);
  auto limited = with_deadline(run_stoppable(pool, wait_for_stop), std::chrono::milliseconds(20),
                               std::string("the work"));

  const auto result = run_task(std::move(limited));

  EXPECT_THAT(result, FailsWith(Errc::kTimeout, "the work took longer than 20ms"));
}

TEST(RunStoppable, PassesAnExceptionOn) {
  WorkPool pool(1);
  auto work = [](std::stop_token) -> Result<bool> { throw std::logic_error("a bug"); };

  EXPECT_THROW((void)run_task(run_stoppable(pool, work)), std::logic_error);
}

}  // namespace
}  // namespace kiln
