#include "core/http/observed_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/support/scripted_http.h"

namespace kiln::http {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_task;
using ::testing::ElementsAre;

class Recorder final : public RequestObserver {
 public:
  void requested(std::string_view method, const Url& url, std::optional<int> status,
                 std::chrono::steady_clock::duration took) override {
    lines.push_back(std::string(method) + " " + url.target() + " " +
                    (status ? std::to_string(*status) : "no answer"));
    EXPECT_GE(took.count(), 0);
  }
  std::vector<std::string> lines;
};

class ObservedClientTest : public ::testing::Test {
 protected:
  static Request get(const std::string& path) {
    return Request("GET", *Url::parse("http://h" + path));
  }
  fakes::ScriptedClient inner_;
  Recorder recorder_;
  ObservedClient client_{inner_, recorder_};
};

TEST_F(ObservedClientTest, TellsOfEveryAnswerWhateverItsStatus) {
  inner_.answer(fakes::ScriptedAnswer(200, "body"));
  inner_.answer(fakes::ScriptedAnswer(503));

  const auto first = run_task(client_.send(get("/a")));
  const auto second = run_task(client_.send(get("/b")));

  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->body, "body");
  EXPECT_THAT(second, IsOk());
  EXPECT_THAT(recorder_.lines, ElementsAre("GET /a 200", "GET /b 503"));
}

TEST_F(ObservedClientTest, TellsOfAStreamWhenItsHeaderIsThere) {
  inner_.answer(fakes::ScriptedAnswer(200, "body"));

  const auto stream = run_task(client_.open(get("/watch")));

  EXPECT_THAT(stream, IsOk());
  EXPECT_THAT(recorder_.lines, ElementsAre("GET /watch 200"));
}

TEST_F(ObservedClientTest, TellsOfARequestWithoutAnAnswer) {
  inner_.fail(Error(Errc::kUnavailable, "connection refused"));
  EXPECT_THAT(run_task(client_.send(get("/a"))), FailsWith(Errc::kUnavailable, "refused"));
  EXPECT_THAT(recorder_.lines, ElementsAre("GET /a no answer"));
}

TEST_F(ObservedClientTest, SaysNothingOfWhatWasCancelled) {
  inner_.fail(Error(Errc::kCancelled, "cancelled"));
  EXPECT_THAT(run_task(client_.open(get("/a"))), FailsWith(Errc::kCancelled, "cancelled"));
  EXPECT_THAT(recorder_.lines, ElementsAre());
}

}  // namespace
}  // namespace kiln::http
