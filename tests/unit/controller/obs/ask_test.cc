#include "controller/obs/ask.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <future>
#include <string>
#include <thread>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::obs {
namespace {

using namespace std::chrono_literals;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_task;

/// Another event loop, on its thread.
class OtherLoop {
 public:
  OtherLoop() : thread_([this] { io_.run(); }) {}
  ~OtherLoop() {
    work_.reset();
    thread_.join();
  }
  Executor executor() { return io_.get_executor(); }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::thread thread_;
};

TEST(Ask, AnswersFromTheOtherThread) {
  boost::asio::io_context here;
  OtherLoop there;
  std::function<std::thread::id()> question = [] { return std::this_thread::get_id(); };

  const auto answer = run_task(here, ask(there.executor(), std::move(question), 20s));

  ASSERT_THAT(answer, IsOk());
  EXPECT_NE(*answer, std::this_thread::get_id());
}

TEST(Ask, GivesUpOnALoopThatDoesNotTurnWhichMayComeToItLater) {
  boost::asio::io_context here;
  std::promise<void> held;
  bool asked = false;
  {
    OtherLoop there;
    boost::asio::post(there.executor(), [turn = held.get_future().share()] { turn.wait(); });
    std::function<bool()> question = [&asked] { return asked = true; };

    const auto answer = run_task(here, ask(there.executor(), std::move(question), 20ms));

    EXPECT_THAT(answer, FailsWith(Errc::kTimeout, "the event loop's answer took longer than 20ms"));
    EXPECT_FALSE(asked);
    held.set_value();
  }
  EXPECT_TRUE(asked);
}

}  // namespace
}  // namespace kiln::obs
