#include "core/base/shared_answers.h"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <list>
#include <vector>

#include "tests/support/manual_clock.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln {
namespace {

using namespace std::chrono_literals;
using testing::FailsWith;

/// Somebody who is asked, answers how often that was, and takes until `reply` is called.
class AnswersTest : public ::testing::Test {
 protected:
  using Answers = SharedAnswers<int>;

  Task<Result<int>> answer() {
    const int number = ++asked_;
    boost::asio::steady_timer wait(io_, boost::asio::steady_timer::time_point::max());
    waits_.push_back(&wait);
    boost::system::error_code woken;
    co_await wait.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
    std::erase(waits_, &wait);
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    if (state.cancelled() != boost::asio::cancellation_type::none)
      co_return Error(Errc::kCancelled, "cancelled");
    if (error_) co_return *error_;
    co_return number;
  }
  Answers::Ask ask() {
    return [this] { return answer(); };
  }
  /// Begins to ask; the answer is at this place of got_ when it is there.
  std::size_t start(const std::string& question, std::chrono::milliseconds max_age) {
    const auto place = got_.size();
    got_.emplace_back();
    boost::asio::co_spawn(io_, answers_.get(question, "topic", max_age, ask()),
                          boost::asio::bind_cancellation_slot(
                              cancel_.emplace_back().slot(),
                              [this, place](const std::exception_ptr&, Result<int> result) {
                                got_[place].emplace(std::move(result));
                              }));
    run();
    return place;
  }
  void run() {
    io_.restart();
    io_.poll();
  }
  void reply() {
    for (auto* wait : std::vector(waits_)) wait->cancel();
    run();
  }
  int now(const std::string& question, std::chrono::milliseconds max_age) {
    const auto place = start(question, max_age);
    reply();
    return got_[place]->value();
  }

  boost::asio::io_context io_;
  fakes::ManualClock clock_;
  Answers answers_{clock_};
  int asked_ = 0;
  std::optional<Error> error_;
  std::vector<boost::asio::steady_timer*> waits_;
  std::vector<std::optional<Result<int>>> got_;
  std::list<boost::asio::cancellation_signal> cancel_;
};

TEST_F(AnswersTest, AreGivenToAllWhoComeWhileTheQuestionIsUnderWay) {
  const auto first = start("a", 1s);
  const auto second = start("a", 1s);
  const auto other = start("b", 1s);

  reply();

  EXPECT_EQ(got_[first]->value(), 1);
  EXPECT_EQ(got_[second]->value(), 1);
  EXPECT_EQ(got_[other]->value(), 2);
}

TEST_F(AnswersTest, AreGivenAgainWhileTheyAreYoungEnough) {
  EXPECT_EQ(now("a", 0s), 1);
  clock_.advance(5s);
  EXPECT_EQ(now("a", 5s), 1);
  EXPECT_EQ(now("a", 4s), 2);
}

TEST_F(AnswersTest, ToQuestionsThatWereSentTooEarlyAreNotWaitedFor) {
  const auto poll = start("a", 1min);
  clock_.advance(1s);
  const auto person = start("a", 0s);
  const auto another = start("a", 0s);
  EXPECT_EQ(asked_, 1);

  reply();
  reply();

  EXPECT_EQ(got_[poll]->value(), 1);
  EXPECT_EQ(got_[person]->value(), 2);
  EXPECT_EQ(got_[another]->value(), 2);
}

TEST_F(AnswersTest, ThatAreForgottenAreNotGivenAgainAlsoIfTheyWereStillUnderWay) {
  EXPECT_EQ(now("a", 1min), 1);
  answers_.forget("another topic");
  EXPECT_EQ(now("a", 1min), 1);

  answers_.forget("topic", 0s, "a");
  EXPECT_EQ(now("a", 1min), 1);

  answers_.forget("topic");
  clock_.advance(1ms);
  const auto before = start("a", 1min);
  answers_.forget("topic");
  clock_.advance(1ms);
  const auto after = start("a", 1min);
  reply();
  reply();
  EXPECT_EQ(got_[before]->value(), 2);
  EXPECT_EQ(got_[after]->value(), 3);
  EXPECT_EQ(answers_.last("a"), 3);
}

TEST_F(AnswersTest, ThatAreForgottenForAWhileAreAskedByEverybodyUntilThen) {
  EXPECT_EQ(now("a", 1min), 1);
  answers_.forget("topic", 5s);
  clock_.advance(5s);
  EXPECT_EQ(now("a", 1min), 2);
  clock_.advance(1ms);
  EXPECT_EQ(now("a", 1min), 3);
  EXPECT_EQ(now("a", 1min), 3);
}

TEST_F(AnswersTest, ThatAreErrorsAreSharedWithThoseWhoWaitAndNotKept) {
  error_.emplace(Errc::kDenied, "no");
  const auto first = start("a", 1min);
  const auto second = start("a", 1min);
  reply();
  EXPECT_THAT(*got_[first], FailsWith(Errc::kDenied, "no"));
  EXPECT_THAT(*got_[second], FailsWith(Errc::kDenied, "no"));

  error_.reset();
  EXPECT_EQ(now("a", 1min), 2);
}

TEST_F(AnswersTest, AreAskedForAgainByWhoWaitedForSomebodyThatWasCancelled) {
  const auto first = start("a", 1min);
  const auto second = start("a", 1min);

  cancel_.front().emit(boost::asio::cancellation_type::terminal);
  run();
  EXPECT_THAT(*got_[first], FailsWith(Errc::kCancelled, "cancelled"));
  reply();

  EXPECT_EQ(got_[second]->value(), 2);
}

TEST_F(AnswersTest, AreDroppedAfterAWhileUnlessSomebodyTakesOlderOnes) {
  EXPECT_EQ(now("a", 1h), 1);
  EXPECT_EQ(now("b", 1min), 2);
  clock_.advance(11min);
  EXPECT_EQ(now("c", 0s), 3);
  EXPECT_EQ(answers_.last("a"), 1);
  EXPECT_FALSE(answers_.last("b"));
}

TEST_F(AnswersTest, ThatAreNotToBeKeptAreSharedAllTheSame) {
  Answers fleeting(clock_, 0ms);
  std::vector<int> got;
  for (int i = 0; i < 2; ++i)
    boost::asio::co_spawn(io_, fleeting.get("a", "", Answers::kAnyAge, ask()),
                          [&](const std::exception_ptr&, const Result<int>& result) {
                            got.push_back(result.value());
                          });
  run();
  reply();

  EXPECT_EQ(got, (std::vector{1, 1}));
  EXPECT_FALSE(fleeting.last("a"));
}

}  // namespace
}  // namespace kiln
