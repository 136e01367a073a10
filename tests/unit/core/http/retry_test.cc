#include "core/http/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/run_task.h"
#include "tests/support/scripted_http.h"

namespace kiln::http {
namespace {

using fakes::ScriptedClient;
using kiln::testing::run_task;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Waits = std::shared_ptr<std::vector<milliseconds>>;

Task<Result<void>> note(Waits waits, milliseconds wait) {
  waits->push_back(wait);
  co_return Result<void>();
}

/// The default policy with a clock, a die and a bed of our own.
RetryPolicy policy_that_notes(const Waits& waits, double random = 0.5) {
  RetryPolicy policy;
  policy.random = [random] { return random; };
  policy.sleep = [waits](milliseconds wait) { return note(waits, wait); };
  policy.now = [] { return std::chrono::sys_seconds(seconds(784111777)); };
  return policy;
}

class Retry : public ::testing::Test {
 protected:
  Result<Response> send() {
    return run_task(send_with_retry(http_, Request("GET", *Url::parse("https://r/v2/")),
                                    policy_that_notes(waits_)));
  }
  ScriptedClient http_;
  Waits waits_ = std::make_shared<std::vector<milliseconds>>();
};

TEST_F(Retry, SleepsOneSecondThenThreeAndGivesUp) {
  for (int i = 0; i < 3; ++i) http_.answer(503, "busy");

  const auto response = send();

  ASSERT_TRUE(response);
  EXPECT_EQ(response->status(), 503);
  EXPECT_EQ(http_.seen().size(), 3u);
  EXPECT_THAT(*waits_, ElementsAre(seconds(1), seconds(3)));
}

TEST_F(Retry, StopsAtTheFirstGoodAnswer) {
  http_.fail(Error(Errc::kUnavailable, "connection was cut"));
  http_.answer(200, "fine");

  const auto response = send();

  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "fine");
  EXPECT_THAT(*waits_, ElementsAre(seconds(1)));
}

TEST_F(Retry, AnswersTheLastErrorWhenTriesAreUsedUp) {
  http_.fail(Error(Errc::kUnavailable, "first"));
  http_.fail(Error(Errc::kTimeout, "second"));
  http_.fail(Error(Errc::kRateLimited, "third"));

  const auto response = send();

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().message, "third");
  EXPECT_EQ(http_.remaining(), 0u);
}

TEST_F(Retry, GoesByTheServersHintFirst) {
  http_.answer(429, "", {{"Retry-After", "2"}});
  http_.answer(503, "", {{"Retry-After", "Sun, 06 Nov 1994 08:49:41 GMT"}});
  http_.answer(200);

  ASSERT_EQ(send()->status(), 200);

  EXPECT_THAT(*waits_, ElementsAre(seconds(2), seconds(4)));
}

TEST_F(Retry, LeavesALongHintToTheCaller) {
  http_.answer(429, "", {{"Retry-After", "60"}});

  const auto response = send();

  ASSERT_TRUE(response);
  EXPECT_EQ(response->status(), 429);
  EXPECT_THAT(*waits_, IsEmpty());
}

TEST_F(Retry, LeavesALongHintOfAnErrorToTheCaller) {
  const auto op = []() -> Task<Result<int>> {
    co_return Error(Errc::kRateLimited, "slow down", seconds(60));
  };

  const auto result = run_task(with_retry<int>(policy_that_notes(waits_), op));

  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().retry_after, seconds(60));
  EXPECT_THAT(*waits_, IsEmpty());
}

TEST_F(Retry, SaysHowOftenADeadlineHasPassed) {
  for (int i = 0; i < 3; ++i) http_.fail(Error(Errc::kTimeout, "connecting took longer than 10s"));

  EXPECT_EQ(send().error().message, "connecting took longer than 10s (3 tries)");
}

TEST(RetrySchedule, DoesNotWaitForASilentServerASecondTime) {
  auto now = std::make_shared<std::chrono::sys_seconds>(seconds(784111777));
  auto policy = policy_that_notes(std::make_shared<std::vector<milliseconds>>());
  policy.patience = seconds(45);
  policy.now = [now] { return *now; };
  const Error silent(Errc::kTimeout, "reading the answer took longer than 1m");
  RetrySchedule schedule(policy);
  *now += seconds(44);
  EXPECT_TRUE(schedule.after(silent));

  *now += seconds(1);

  EXPECT_TRUE(RetrySchedule(schedule).after(Error(Errc::kUnavailable, "connection was cut")));
  EXPECT_FALSE(schedule.after(silent));
  EXPECT_EQ(schedule.given_up(silent).message, silent.message + " (2 tries)");
}

TEST_F(Retry, VariesTheWaitByAFifth) {
  for (const auto& [random, wait] :
       {std::pair(0.0, milliseconds(800)), std::pair(0.5, milliseconds(1000)),
        std::pair(0.75, milliseconds(1100))}) {
    RetrySchedule schedule(policy_that_notes(waits_, random));
    EXPECT_EQ(schedule.after(Error(Errc::kUnavailable, "")), wait);
  }
}

TEST(RetriedStatus, IsWhatASecondTryMayCure) {
  for (const int status : {408, 429, 499, 500, 502, 503, 504, 522})
    EXPECT_TRUE(is_retried_status(status)) << status;
  for (const int status : {200, 201, 304, 400, 401, 403, 404, 409, 410, 413, 416, 501, 505})
    EXPECT_FALSE(is_retried_status(status)) << status;
}

TEST(RetriedError, IsWhatASecondTryMayCure) {
  for (const auto code : {Errc::kUnavailable, Errc::kRateLimited, Errc::kTimeout})
    EXPECT_TRUE(is_retried_error(code)) << name_of(code);
  for (const auto code : {Errc::kInvalid, Errc::kNotFound, Errc::kUnauthorized, Errc::kDenied,
                          Errc::kCorrupt, Errc::kEgressDenied, Errc::kCancelled, Errc::kInternal})
    EXPECT_FALSE(is_retried_error(code)) << name_of(code);
}

TEST(RetryDefaults, AreThoseOfTheContract) {
  const RetryPolicy policy;
  EXPECT_EQ(policy.tries, 3);
  EXPECT_EQ(policy.longest_hint, seconds(5));
  for (int i = 0; i < 100; ++i) {
    const auto share = policy.random();
    EXPECT_GE(share, 0.0);
    EXPECT_LT(share, 1.0);
  }
}

}  // namespace
}  // namespace kiln::http
