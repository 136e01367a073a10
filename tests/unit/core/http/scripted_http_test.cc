#include "tests/support/scripted_http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/deadline.h"
#include "tests/support/run_task.h"

namespace kiln::http {
namespace {

using fakes::ScriptedAnswer;
using fakes::ScriptedClient;
using fakes::StreamEnd;
using kiln::testing::run_task;
using ::testing::ElementsAre;

Request get(const char* path) {
  return Request("GET", *Url::parse("https://h")->resolve(path));
}

std::string read(ResponseStream& stream, std::size_t size = 100) {
  std::string buffer(size, '\0');
  auto count = run_task(stream.read(std::span<char>(buffer)));
  return count ? buffer.substr(0, *count) : "error: " + count.error().message;
}

TEST(ScriptedClient, AnswersInOrderAndRemembersWhatItWasAsked) {
  ScriptedClient http;
  http.answer(401, "who?", {{"WWW-Authenticate", "Basic"}});
  http.fail(Error(Errc::kUnavailable, "cut"));
  http.answer_with([](const Request& asked) { return ScriptedAnswer(200, asked.url.path()); });

  const auto first = run_task(http.send(get("/a")));
  auto put = get("/b");
  put.method = "PUT";
  put.body = Body("bytes");
  const auto second = run_task(http.send(put));
  const auto third = run_task(http.send(get("/c")));

  EXPECT_EQ(first->status(), 401);
  EXPECT_EQ(first->headers().get("www-authenticate"), "Basic");
  EXPECT_EQ(second.error().message, "cut");
  EXPECT_EQ(third->body, "/c");
  EXPECT_THAT(http.seen_lines(),
              ElementsAre("GET https://h/a", "PUT https://h/b", "GET https://h/c"));
  EXPECT_EQ(fakes::body_text(http.seen()[1]), "bytes");
}

TEST(ScriptedClient, SaysWhenTheScriptRanOut) {
  ScriptedClient http;
  const auto response = run_task(http.send(get("/a?q=1")));
  EXPECT_EQ(response.error().code, Errc::kInternal);
  EXPECT_EQ(response.error().message, "the script has no answer for GET https://h/a?q=1");
}

TEST(ScriptedClient, FallsBackToTheAnswerForEverythingElse) {
  ScriptedClient http;
  http.otherwise([](const Request&) { return ScriptedAnswer(404); });
  http.answer(200);
  EXPECT_EQ(run_task(http.send(get("/")))->status(), 200);
  EXPECT_EQ(run_task(http.send(get("/")))->status(), 404);
  EXPECT_EQ(run_task(http.send(get("/")))->status(), 404);
}

TEST(ScriptedClient, StreamsChunksAsTheyAreWritten) {
  ScriptedClient http;
  http.answer_stream(200, {"first", "second"});
  http.answer_stream(200, {"half"}, StreamEnd::kCut);

  const auto whole = run_task(http.open(get("/")));
  EXPECT_EQ(read(**whole), "first");
  EXPECT_EQ(read(**whole, 3), "sec");
  EXPECT_EQ(read(**whole), "ond");
  EXPECT_EQ(read(**whole), "");

  const auto cut = run_task(http.open(get("/")));
  EXPECT_EQ(read(**cut), "half");
  EXPECT_EQ(read(**cut), "error: connection was cut");
}

TEST(ScriptedClient, KeepsAStreamOpenUntilItIsCancelled) {
  ScriptedClient http;
  http.answer_stream(200, {}, StreamEnd::kStaysOpen);
  const auto stream = run_task(http.open(get("/")));
  char byte = 0;
  const auto count = run_task(with_deadline((*stream)->read(std::span<char>(&byte, 1)),
                                            std::chrono::milliseconds(1), "reading"));
  EXPECT_EQ(count.error().code, Errc::kTimeout);
}

TEST(ScriptedClient, HoldsToTheLimitOfSendAndTheRuleOfHead) {
  ScriptedClient http;
  http.answer(200, "12345");
  http.answer(200, "12345");
  auto limited = get("/");
  limited.response_limit_bytes = 4;
  EXPECT_EQ(run_task(http.send(limited)).error().code, Errc::kInvalid);
  EXPECT_EQ(run_task(http.send(Request("HEAD", limited.url)))->body, "");
}

}  // namespace
}  // namespace kiln::http
