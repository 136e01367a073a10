#include "controller/runtime/key_queue.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"
#include "tests/unit/controller/runtime/driving.h"

namespace kiln::runtime {
namespace {

using kiln::testing::Background;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_until;

class KeyQueueTest : public ::testing::Test {
 protected:
  /// A worker: notes each key and is done with it at once.
  Task<Result<void>> work() {
    for (;;) {
      auto next = co_await queue_.next();
      if (!next) co_return next.error();
      if (!*next) co_return Result<void>();
      seen_.push_back((*next)->key.name);
      queue_.done((*next)->key);
    }
  }

  boost::asio::io_context io_;
  SystemClock clock_;
  KeyQueue queue_{io_.get_executor(), clock_, RetryDelays()};
  std::vector<std::string> seen_;
};

TEST_F(KeyQueueTest, WakesAWorkerForANewKey) {
  Background worker(io_, work());
  io_.poll();
  queue_.add(kube::ObjectKey("", "a"), Priority::kNormal);
  EXPECT_TRUE(run_until(io_, [&] { return seen_.size() == 1; }));
}

TEST_F(KeyQueueTest, WakesWorkersWhenADelayIsOver) {
  Background first(io_, work());
  Background second(io_, work());
  io_.poll();
  queue_.add_after(kube::ObjectKey("", "late"), std::chrono::milliseconds(30), Priority::kNormal);
  queue_.add_after(kube::ObjectKey("", "soon"), std::chrono::milliseconds(5), Priority::kNormal);
  EXPECT_TRUE(run_until(io_, [&] { return seen_.size() == 2; }));
  EXPECT_EQ(seen_, (std::vector<std::string>{"soon", "late"}));
}

TEST_F(KeyQueueTest, LetsIdleWorkersSleep) {
  Background first(io_, work());
  Background second(io_, work());
  queue_.add_after(kube::ObjectKey("", "late"), std::chrono::hours(1), Priority::kNormal);
  std::size_t handlers = io_.poll();
  EXPECT_LT(handlers, 50U) << "workers wake one another";
  io_.restart();
  EXPECT_EQ(io_.poll(), 0U);
}

TEST_F(KeyQueueTest, EndsItsWorkersWhenItIsClosed) {
  Background first(io_, work());
  Background second(io_, work());
  io_.poll();
  queue_.close();
  EXPECT_TRUE(first.wait());
  EXPECT_TRUE(second.wait());
  EXPECT_THAT(*first.result(), IsOk());
}

TEST_F(KeyQueueTest, LetsOneWorkerBeCancelledWithoutTheOther) {
  Background first(io_, work());
  Background second(io_, work());
  io_.poll();
  first.cancel();
  EXPECT_THAT(*first.result(), FailsWith(Errc::kCancelled, "cancelled"));
  queue_.add(kube::ObjectKey("", "a"), Priority::kNormal);
  EXPECT_TRUE(run_until(io_, [&] { return seen_.size() == 1; }));
}

}  // namespace
}  // namespace kiln::runtime
