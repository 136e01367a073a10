#include "controller/hooks/receiver.h"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "controller/hooks/authenticity.h"
#include "core/base/encoding.h"
#include "tests/support/manual_clock.h"
#include "tests/support/run_task.h"
#include "tests/unit/controller/hooks/hook_bodies.h"

namespace kiln::hooks {
namespace {

const std::string kToken = "a token of sixteen bytes and more";

/// Starts as many as it is told to, and keeps what it heard.
class Heard final : public Starter {
 public:
  std::size_t start(const Notice& notice) override {
    thread = std::this_thread::get_id();
    notices.push_back(notice);
    return count;
  }
  std::size_t count = 1;
  std::vector<Notice> notices;
  std::thread::id thread;
};

class ReceiverTest : public ::testing::Test {
 protected:
  ReceiverTest() {
    box_.set(std::make_shared<const Tokens>(
        *Tokens::read(R"({"data":{"t":")" + base64_encode(kToken) + "\"}}")));
  }
  ~ReceiverTest() override { stop_loop(); }
  void stop_loop() {
    work_.reset();
    if (thread_.joinable()) thread_.join();
  }

  http::ServerResponse send(http::ServerRequest request) {
    std::optional<http::ServerResponse> response;
    auto task = [](Receiver& receiver, http::ServerRequest asked,
                   std::optional<http::ServerResponse>* out) -> Task<Result<void>> {
      out->emplace(co_await receiver.handle(std::move(asked)));
      co_return Result<void>();
    };
    EXPECT_TRUE(kiln::testing::run_task(server_, task(receiver_, std::move(request), &response)));
    return std::move(*response);
  }
  static http::ServerRequest github(const std::string& event, const std::string& body) {
    http::ServerRequest request;
    request.method = "POST";
    request.path = "/hooks/github";
    request.headers.set("Content-Type", "application/json");
    request.headers.set("X-GitHub-Event", event);
    request.headers.set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    request.headers.set("X-Hub-Signature-256", "sha256=" + to_hex(hmac_sha256(kToken, body)));
    request.body = body;
    return request;
  }
  double counted(std::string_view kind, std::string_view result) {
    return metrics_.hook_requests.value({kind, result});
  }

  fakes::ManualClock clock_;
  obs::Metrics metrics_;
  Heard starter_;
  TokenBox box_;
  boost::asio::io_context server_{1};  // Outlives the loop's, as obs::ask() wants it.
  boost::asio::io_context loop_{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_{
      loop_.get_executor()};
  std::thread thread_{[this] { loop_.run(); }};
  Receiver receiver_{
      loop_.get_executor(), starter_, box_, clock_, metrics_, std::chrono::milliseconds(2'000)};
};

TEST_F(ReceiverTest, HandsNewsOverToTheEventLoopAndAnswersAtOnce) {
  const auto response = send(github("push", bodies::kGitHubPush));

  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.body, "ImageBuilds that are looked at now: 1\n");
  ASSERT_EQ(starter_.notices.size(), 1U);
  EXPECT_EQ(starter_.notices[0].pushes.at(0).refs, std::vector<std::string>{"refs/heads/main"});
  EXPECT_NE(starter_.thread, std::this_thread::get_id());
  EXPECT_EQ(counted("github", "accepted"), 1);
}

TEST_F(ReceiverTest, SaysSoWhereNobodyFollowsWhatWasPushed) {
  starter_.count = 0;
  const auto response = send(github("push", bodies::kGitHubPush));
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.body, "no ImageBuild follows what was pushed\n");
  EXPECT_EQ(counted("github", "unmatched"), 1);
}

TEST_F(ReceiverTest, RefusesWhoKnowsNoTokenWithoutSayingWhy) {
  auto forged = github("push", bodies::kGitHubPush);
  forged.body += " ";
  auto unsigned_one = github("push", bodies::kGitHubPush);
  unsigned_one.headers.remove("X-Hub-Signature-256");
  auto broken = github("push", "{");
  broken.headers.set("X-Hub-Signature-256", "sha256=00");

  for (auto* request : {&forged, &unsigned_one, &broken}) {
    const auto response = send(*request);
    EXPECT_EQ(response.status, 403);
    EXPECT_EQ(response.body, "refused\n");
  }
  EXPECT_TRUE(starter_.notices.empty());
  EXPECT_EQ(counted("github", "refused"), 3);
}

TEST_F(ReceiverTest, StartsNothingForWhatWasReceivedBefore) {
  send(github("push", bodies::kGitHubPush));
  auto again = github("push", bodies::kGitHubPush);
  again.headers.set("X-GitHub-Delivery", "made up anew");

  const auto response = send(again);

  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "received before; nothing is started\n");
  EXPECT_EQ(starter_.notices.size(), 1U);
  EXPECT_EQ(counted("github", "replayed"), 1);
}

TEST_F(ReceiverTest, AnswersPingsAndEventsOfNoInterest) {
  const auto ping = send(github("ping", bodies::kGitHubPing));
  const auto issue = send(github("issues", "{}"));

  EXPECT_EQ(ping.status, 200);
  EXPECT_EQ(ping.body, "heard\n");
  EXPECT_EQ(issue.status, 200);
  EXPECT_EQ(issue.body, "nothing has to be looked at for this event\n");
  EXPECT_TRUE(starter_.notices.empty());
  EXPECT_EQ(counted("github", "ping"), 1);
  EXPECT_EQ(counted("github", "ignored"), 1);
}

TEST_F(ReceiverTest, SaysWhatIsWrongToWhoKnowsAToken) {
  auto form = github("push", "payload=%7B%7D");
  form.headers.set("Content-Type", "application/x-www-form-urlencoded");

  const auto broken = send(github("push", "{"));
  const auto encoded = send(form);

  EXPECT_EQ(broken.status, 400);
  EXPECT_EQ(broken.body, "not valid JSON (at byte 2)\n");
  EXPECT_EQ(encoded.status, 415);
  EXPECT_EQ(counted("github", "malformed"), 2);
}

TEST_F(ReceiverTest, TakesNothingWithoutTokens) {
  box_.set(nullptr);
  EXPECT_EQ(send(github("push", bodies::kGitHubPush)).status, 503);
  EXPECT_TRUE(starter_.notices.empty());
  EXPECT_EQ(counted("github", "unavailable"), 1);
}

TEST_F(ReceiverTest, TakesPostsToItsPathsOnly) {
  auto got = github("push", bodies::kGitHubPush);
  got.method = "GET";
  auto elsewhere = github("push", bodies::kGitHubPush);
  elsewhere.path = "/hooks/svn";

  const auto wrong_method = send(got);
  const auto not_found = send(elsewhere);

  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(wrong_method.headers.get("Allow"), "POST");
  EXPECT_EQ(not_found.status, 404);
  EXPECT_EQ(counted("github", "refused"), 1);
  EXPECT_EQ(counted("other", "refused"), 1);
}

TEST_F(ReceiverTest, WhenTheLoopHangsAsksTheSenderToComeAgainAndThenTakesIt) {
  boost::asio::io_context hanging;  // Nobody runs it.
  Receiver receiver(hanging.get_executor(), starter_, box_, clock_, metrics_,
                    std::chrono::milliseconds(1));
  const auto send_to_it = [&] {
    std::optional<int> status;
    auto task = [](Receiver& r, http::ServerRequest asked,
                   std::optional<int>* out) -> Task<Result<void>> {
      const auto response = co_await r.handle(std::move(asked));
      out->emplace(response.status);
      co_return Result<void>();
    };
    EXPECT_TRUE(kiln::testing::run_task(
        server_, task(receiver, github("push", bodies::kGitHubPush), &status)));
    return status.value_or(0);
  };

  EXPECT_EQ(send_to_it(), 503);
  EXPECT_EQ(send_to_it(), 503) << "it was not forgotten, and the sender's second attempt is lost";
  EXPECT_EQ(counted("github", "unavailable"), 2);
}

}  // namespace
}  // namespace kiln::hooks
