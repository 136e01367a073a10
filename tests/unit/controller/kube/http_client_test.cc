#include "controller/kube/http_client.h"

#include <gtest/gtest.h>

#include "core/base/file.h"
#include "tests/support/manual_clock.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/support/scripted_http.h"

namespace kiln::kube {
namespace {

using fakes::body_text;
using fakes::StreamEnd;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_task;

constexpr const char* kSite =
    R"({"kind":"ConfigMap","metadata":{"name":"site","namespace":"web","resourceVersion":"7"}})";
constexpr const char* kBusy = R"({"kind":"Status","code":429,"message":"too many requests"})";

class HttpClient : public ::testing::Test {
 protected:
  HttpClient() {
    Config config(*http::Url::parse("https://api:6443"));
    config.token = "tok";
    config.tls.ca_pem = "CA";
    HttpClientOptions options;
    options.retry.sleep = [this](std::chrono::milliseconds wait) { return sleep(wait); };
    client_ = make_http_client(http_, std::move(config), clock_, std::move(options));
  }
  Task<Result<void>> sleep(std::chrono::milliseconds wait) {
    slept_.push_back(wait);
    co_return Result<void>();
  }

  static Precondition version_6() {
    Precondition precondition;
    precondition.resource_version = "6";
    return precondition;
  }

  fakes::ScriptedClient http_;
  fakes::ManualClock clock_;
  std::vector<std::chrono::milliseconds> slept_;
  std::unique_ptr<Client> client_;
  const ObjectKey key_{"web", "site"};
};

TEST_F(HttpClient, AddsTokenAndCertificates) {
  http_.answer(200, kSite);
  const auto object = run_task(client_->get(kConfigMaps, key_));
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->meta().resource_version, "7");
  const auto& request = http_.seen().at(0);
  EXPECT_EQ(request.url.str(), "https://api:6443/api/v1/namespaces/web/configmaps/site");
  EXPECT_EQ(request.headers.get("Authorization"), "Bearer tok");
  EXPECT_EQ(request.headers.get("User-Agent").substr(0, 5), "kiln/");
  ASSERT_TRUE(request.tls);
  EXPECT_EQ(request.tls->ca_pem, "CA");
}

TEST_F(HttpClient, SaysWhatItWasDoing) {
  http_.answer(404, R"({"kind":"Status","code":404,"message":"configmaps \"site\" not found"})");
  EXPECT_THAT(
      run_task(client_->get(kConfigMaps, key_)),
      FailsWith(Errc::kNotFound, "reading configmaps web/site: configmaps \"site\" not found"));
}

TEST_F(HttpClient, TriesOnceMoreAfterA401) {
  http_.answer(401, "");
  http_.answer(200, kSite);
  EXPECT_THAT(run_task(client_->get(kConfigMaps, key_)), IsOk());
  http_.answer(401, "");
  http_.answer(401, "");
  EXPECT_THAT(run_task(client_->get(kConfigMaps, key_)), FailsWith(Errc::kUnauthorized, "401"));
  EXPECT_EQ(http_.seen().size(), 4U);
}

TEST_F(HttpClient, RepeatsWhatMayBeRepeated) {
  http_.answer(503, "");
  http_.answer(429, kBusy, {{"Retry-After", "2"}});
  http_.answer(200, kSite);
  EXPECT_THAT(run_task(client_->get(kConfigMaps, key_)), IsOk());
  ASSERT_EQ(slept_.size(), 2U);
  EXPECT_EQ(slept_[1], std::chrono::seconds(2));
}

TEST_F(HttpClient, LeavesALongHintToTheCaller) {
  http_.answer(429, kBusy, {{"Retry-After", "60"}});
  const auto object = run_task(client_->get(kConfigMaps, key_));
  EXPECT_THAT(object, FailsWith(Errc::kRateLimited, "too many requests"));
  EXPECT_EQ(object.error().retry_after, std::chrono::seconds(60));
  EXPECT_TRUE(slept_.empty());
}

TEST_F(HttpClient, NeverCreatesTwice) {
  http_.answer(503, "");
  EXPECT_THAT(run_task(client_->create(kEvents, "web", "{}")),
              FailsWith(Errc::kUnavailable, "creating events.events.k8s.io web"));
  http_.fail(Error(Errc::kUnavailable, "connection was cut"));
  EXPECT_THAT(run_task(client_->create(kEvents, "web", "{}")),
              FailsWith(Errc::kUnavailable, "cut"));
  EXPECT_EQ(http_.seen().size(), 2U);
}

TEST_F(HttpClient, CreatesAgainAfterItWasTurnedAway) {
  http_.answer(429, kBusy, {{"Retry-After", "1"}});
  http_.answer(201, kSite);
  EXPECT_THAT(run_task(client_->create(kConfigMaps, "web", "{}")), IsOk());
}

TEST_F(HttpClient, DoesNotRepeatWhatIsTooLarge) {
  http_.answer(500, R"({"kind":"Status","code":500,"message":"etcdserver: request is too large"})");
  EXPECT_THAT(run_task(client_->update_status(kConfigMaps, key_, "{}", version_6())),
              FailsWith(Errc::kInvalid, "updating the status of configmaps web/site"));
  EXPECT_EQ(http_.seen().size(), 1U);
}

TEST_F(HttpClient, PatchesUnderAPrecondition) {
  http_.answer(409, R"({"kind":"Status","code":409,"reason":"Conflict","message":"modified"})");
  EXPECT_THAT(run_task(client_->merge_patch(kConfigMaps, key_, R"({"data":{}})", version_6())),
              FailsWith(Errc::kConflict, "modified"));
  EXPECT_EQ(body_text(http_.seen().at(0)), R"({"data":{},"metadata":{"resourceVersion":"6"}})");
}

TEST_F(HttpClient, AppliesAgainAfterAnAnswerThatWasLost) {
  http_.fail(Error(Errc::kUnavailable, "connection was cut"));
  http_.answer(409, R"({"kind":"Status","code":409,"reason":"Conflict","message":"modified"})");
  EXPECT_THAT(run_task(client_->apply(kConfigMaps, key_, R"({"data":{}})", "kiln", version_6())),
              FailsWith(Errc::kConflict, "applying to configmaps web/site: modified"));
  EXPECT_EQ(http_.seen().size(), 2U);
}

TEST_F(HttpClient, UpdatesAStatusUnderAPrecondition) {
  http_.answer(409, R"({"kind":"Status","code":409,"reason":"Conflict","message":"modified"})");
  auto precondition = version_6();
  precondition.uid = "u";
  EXPECT_THAT(run_task(client_->update_status(kConfigMaps, key_, R"({"x":1})", precondition)),
              FailsWith(Errc::kConflict, "modified"));
  EXPECT_EQ(http_.seen().at(0).method, "PUT");
  EXPECT_TRUE(http_.seen().at(0).url.path().ends_with("/web/configmaps/site/status"));
  EXPECT_EQ(body_text(http_.seen().at(0)),
            R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"site","namespace":"web",)"
            R"("resourceVersion":"6","uid":"u"},"status":{"x":1}})");
}

TEST_F(HttpClient, UpdatesNoStatusOfWhatItDoesNotKnow) {
  EXPECT_THAT(run_task(client_->update_status(kConfigMaps, key_, "{}", Precondition())),
              FailsWith(Errc::kInvalid, "from a resourceVersion that is known"));
  EXPECT_TRUE(http_.seen().empty());
}

TEST_F(HttpClient, AnswersAnUpdateOfTheStatusAsAWatchWouldTellIt) {
  http_.answer(200, R"({"kind":"ImageBuild","metadata":{"name":"site","labels":{"a":"b"},)"
                    R"("managedFields":[{}],"resourceVersion":"7"},"status":{"x":1}})");
  const auto object =
      run_task(client_->update_status(kConfigMaps, key_, R"({"x":1})", version_6()));
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->json(), R"({"kind":"ImageBuild","metadata":{"name":"site",)"
                            R"("resourceVersion":"7"},"status":{"x":1}})");
}

TEST_F(HttpClient, Removes) {
  http_.answer(200, R"({"kind":"Status","status":"Success"})");
  EXPECT_THAT(run_task(client_->remove(kConfigMaps, key_, Precondition())), IsOk());
  EXPECT_EQ(http_.seen().at(0).method, "DELETE");
}

TEST_F(HttpClient, RefusesAnAnswerThatIsNoObject) {
  http_.answer(200, "<html>");
  EXPECT_THAT(run_task(client_->get(kConfigMaps, key_)), FailsWith(Errc::kCorrupt, "no object"));
}

TEST_F(HttpClient, ListsOnePageAndRepeatsNothing) {
  http_.answer(200, R"({"metadata":{"resourceVersion":"9","continue":"c"},"items":[]})");
  const auto list = run_task(client_->list(kConfigMaps, ListOptions()));
  ASSERT_THAT(list, IsOk());
  EXPECT_EQ(list->continue_token, "c");
  http_.answer(503, "");
  EXPECT_THAT(run_task(client_->list(kConfigMaps, ListOptions())),
              FailsWith(Errc::kUnavailable, "listing configmaps"));
  EXPECT_EQ(http_.seen().size(), 2U);
}

/// Reads a watch to its end.
Task<Result<std::vector<std::string>>> read_watch(Client& client) {
  WatchOptions options;
  options.timeout = std::chrono::seconds(300);
  auto stream = co_await client.watch(kConfigMaps, options);
  if (!stream) co_return stream.error();
  std::vector<std::string> seen;
  for (;;) {
    const auto event = co_await (*stream)->next();
    if (!event) {
      seen.push_back(event.error().message);
      co_return seen;
    }
    if (!*event) co_return seen;
    seen.push_back((*event)->object ? (*event)->object->key().str() : "?");
  }
}

std::string line(const std::string& name) {
  return R"({"type":"ADDED","object":{"metadata":{"name":")" + name + "\"}}}\n";
}

TEST_F(HttpClient, ReadsAWatchLineByLine) {
  const auto lines = line("a") + line("b") + "garbage\n" + line("c");
  http_.answer_stream(200, {lines.substr(0, 30), lines.substr(30)}, StreamEnd::kComplete);
  const auto seen = run_task(read_watch(*client_));
  ASSERT_THAT(seen, IsOk());
  EXPECT_EQ(*seen, (std::vector<std::string>{"a", "b", "?", "c"}));
  EXPECT_EQ(http_.seen().at(0).timeouts.idle, std::chrono::seconds(305));
}

TEST_F(HttpClient, TellsThatAWatchWasCut) {
  http_.answer_stream(200, {line("a"), "{\"type\""}, StreamEnd::kCut);
  const auto seen = run_task(read_watch(*client_));
  ASSERT_THAT(seen, IsOk());
  EXPECT_EQ(*seen, (std::vector<std::string>{"a", "connection was cut"}));
}

TEST_F(HttpClient, TellsWhyAWatchWasRefused) {
  http_.answer_stream(410,
                      {R"({"kind":"Status","code":410,"reason":"Expired","message":"too old"})"});
  EXPECT_THAT(run_task(read_watch(*client_)),
              FailsWith(Errc::kGone, "watching configmaps: too old"));
}

TEST_F(HttpClient, OpensAWatchAgainAfterA401) {
  http_.answer_stream(401, {"no"});
  http_.answer_stream(200, {line("a")});
  EXPECT_THAT(run_task(read_watch(*client_)), IsOk());
}

TEST(HttpClientToken, IsReadAgainFromItsFileAfterA401) {
  const auto folder = TempDir::create("token").value();
  ASSERT_THAT(write_file_atomically(folder.path() / "token", "old"), IsOk());
  Config config(*http::Url::parse("https://api"));
  config.token_file = folder.path() / "token";
  fakes::ScriptedClient http;
  const fakes::ManualClock clock;
  const auto client = make_http_client(http, config, clock, HttpClientOptions());
  http.answer_with([&](const http::Request& request) {
    EXPECT_EQ(request.headers.get("Authorization"), "Bearer old");
    EXPECT_THAT(write_file_atomically(folder.path() / "token", "new"), IsOk());
    return fakes::ScriptedAnswer(401);
  });
  http.answer(200, kSite);
  EXPECT_THAT(run_task(client->get(kConfigMaps, ObjectKey("web", "site"))), IsOk());
  EXPECT_EQ(http.seen().at(1).headers.get("Authorization"), "Bearer new");
}

}  // namespace
}  // namespace kiln::kube
