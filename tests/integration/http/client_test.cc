#include <atomic>
#include <future>

#include "tests/integration/http/client_fixture.h"
#include "tests/support/matchers.h"

namespace kiln::http {
namespace {

using kiln::testing::FailsWith;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(ClientTest, SendsARequestAndCollectsTheAnswer) {
  std::promise<Peer::Request> seen;
  ScriptedServer server([&](Peer& peer) {
    seen.set_value(*peer.read());
    peer.answer("hello", "201 Created", "X-Test: yes\r\n");
  });

  Request request("POST", server.url("/v2/?q=1"));
  request.body = Body("payload");
  request.headers.set("Content-Type", "text/plain");
  const auto response = send(request);

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status(), 201);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->headers().get("x-test"), "yes");
  EXPECT_EQ(response->head.peer, AddressKind::kLoopback);
  const auto asked = seen.get_future().get();
  EXPECT_THAT(asked.head, StartsWith("POST /v2/?q=1 HTTP/1.1\r\n"));
  EXPECT_TRUE(asked.has("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
  EXPECT_TRUE(asked.has("User-Agent: kiln/" KILN_VERSION "\r\n"));
  EXPECT_TRUE(asked.has("Content-Type: text/plain\r\n"));
  EXPECT_EQ(asked.body, "payload");
}

TEST_F(ClientTest, UsesOneConnectionForRequestsInARow) {
  ScriptedServer server(answer_all);

  for (int i = 0; i < 5; ++i) ASSERT_TRUE(get(server.url()));

  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, KeepsNoConnectionThatTheServerWantsClosed) {
  ScriptedServer server([](Peer& peer) {
    while (peer.read()) peer.answer("ok", "200 OK", "Connection: close\r\n");
  });

  ASSERT_TRUE(get(server.url()));
  ASSERT_TRUE(get(server.url()));

  EXPECT_EQ(server.connections(), 2);
}

TEST_F(ClientTest, KeepsNoConnectionWithBytesBeyondTheAnswer) {
  ScriptedServer server([](Peer& peer) {
    while (peer.read()) {
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n");
    }
  });

  ASSERT_TRUE(get(server.url()));
  const auto second = get(server.url());

  ASSERT_TRUE(second);
  EXPECT_EQ(second->body, "ok");
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(ClientTest, DropsConnectionsThatWereIdleTooLong) {
  ClientOptions options;
  options.idle_limit = milliseconds(0);
  use(options);
  ScriptedServer server(answer_all);

  ASSERT_TRUE(get(server.url()));
  ASSERT_TRUE(get(server.url()));

  EXPECT_EQ(server.connections(), 2);
}

/// Answers the first request of the first connection, then dies when the next one comes.
class DiesOnSecond {
 public:
  void operator()(Peer& peer) {
    if (first_.exchange(false)) {
      peer.read();
      peer.answer("ok");
      peer.read();
      peer.reset();
    } else {
      answer_all(peer);
    }
  }

 private:
  std::atomic<bool> first_ = true;
};

TEST_F(ClientTest, ReplacesAReusedConnectionThatDiesBeforeAnyAnswer) {
  DiesOnSecond script;
  ScriptedServer server([&](Peer& peer) { script(peer); });

  ASSERT_TRUE(get(server.url()));
  Request put("PUT", server.url());
  put.body = Body(std::string(300'000, 'x'));
  const auto second = send(put);

  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(ClientTest, LeavesALargeBodyThatIsPartlySentToItsSender) {
  DiesOnSecond script;
  ScriptedServer server([&](Peer& peer) { script(peer); });

  ASSERT_TRUE(get(server.url()));
  Request put("PUT", server.url());
  put.timeouts.leave = std::chrono::milliseconds(20);
  put.body = Body(std::string(8'000'000, 'x'));
  const auto second = send(put);

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, DoesNotSendAPostTwiceByItself) {
  DiesOnSecond script;
  ScriptedServer server([&](Peer& peer) { script(peer); });

  ASSERT_TRUE(get(server.url()));
  const auto second = send(Request("POST", server.url()));

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, SendsAReplayablePostAgain) {
  DiesOnSecond script;
  ScriptedServer server([&](Peer& peer) { script(peer); });

  ASSERT_TRUE(get(server.url()));
  Request post("POST", server.url());
  post.replayable = true;

  EXPECT_TRUE(send(post));
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(ClientTest, SendsNothingWithoutPermit) {
  std::atomic<bool> heard = false;
  ScriptedServer server([&heard](Peer& peer) { heard = peer.read().has_value(); });
  Request post("POST", server.url());
  post.permit = [] { return Result<void>(Error(Errc::kCancelled, "not the leader any more")); };

  EXPECT_THAT(send(post), FailsWith(Errc::kCancelled, "not the leader any more"));
  use(ClientOptions());  // Lets go of the connection.
  EXPECT_FALSE(heard);
}

TEST_F(ClientTest, AsksForPermitAgainBeforeItSendsAgain) {
  DiesOnSecond script;
  ScriptedServer server([&](Peer& peer) { script(peer); });
  ASSERT_TRUE(get(server.url()));
  Request post("POST", server.url());
  post.replayable = true;
  int asked = 0;
  post.permit = [&asked]() -> Result<void> {
    if (++asked == 1) return {};
    return Error(Errc::kCancelled, "not the leader any more");
  };

  EXPECT_THAT(send(post), FailsWith(Errc::kCancelled, "not the leader any more"));
  EXPECT_EQ(asked, 2);
}

TEST_F(ClientTest, AsksForPermitBeforeEachBlockOfALongBody) {
  ScriptedServer server(answer_all);
  Request put("PUT", server.url());
  put.timeouts.leave = std::chrono::milliseconds(20);
  put.body = Body(std::string(8'000'000, 'x'));
  int asked = 0;
  put.permit = [&asked]() -> Result<void> {
    if (++asked < 10) return {};
    return Error(Errc::kCancelled, "not the leader any more");
  };

  EXPECT_THAT(send(put), FailsWith(Errc::kCancelled, "not the leader any more"));
}

TEST_F(ClientTest, DoesNotReplaceAFreshConnectionThatDies) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.reset();
  });

  const auto response = get(server.url());

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("127.0.0.1:" + std::to_string(server.port())));
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, SkipsInterimResponses) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    peer.answer("final");
  });

  const auto response = get(server.url());

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status(), 200);
  EXPECT_EQ(response->body, "final");
  EXPECT_FALSE(response->headers().has("Link"));
}

TEST_F(ClientTest, EndsAFloodOfInterimResponses) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    for (int i = 0; i < 200; ++i) peer.write("HTTP/1.1 102 Processing\r\n\r\n");
  });

  const auto response = get(server.url());

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kInvalid);
  EXPECT_THAT(response.error().message, HasSubstr("more than 16 interim (1xx) responses"));
}

TEST_F(ClientTest, RefusesAnEndlessHeader) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.write("HTTP/1.1 200 OK\r\nX-Endless: ");
    for (int i = 0; i < 100; ++i) peer.write(std::string(16384, 'a'));
  });

  const auto response = get(server.url());

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kInvalid);
  EXPECT_THAT(response.error().message, HasSubstr("64 KiB"));
}

TEST_F(ClientTest, RefusesWhatIsNotHttp) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.write("SSH-2.0-OpenSSH_9.2\r\n\r\n");
  });

  const auto response = get(server.url());

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kInvalid);
  EXPECT_THAT(response.error().message, HasSubstr("the answer is not HTTP"));
}

TEST_F(ClientTest, RefusesTwoDifferentContentLengths) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!");
  });

  const auto response = get(server.url());

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kInvalid);
}

TEST_F(ClientTest, EndsABodyThatMakesNoProgress) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    peer.wait_for_close(std::chrono::seconds(10));
  });

  Request request("GET", server.url());
  request.timeouts.idle = milliseconds(100);
  const auto response = send(request);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kTimeout);
  EXPECT_THAT(response.error().message, HasSubstr("without progress took longer than 100ms"));
}

TEST_F(ClientTest, TakesIdleConnectionsForDeadWhenOneGoesSilent) {
  ScriptedServer server([](Peer& peer) {
    while (const auto request = peer.read()) {
      if (!request->has("GET /silent ")) {
        peer.answer("ok");
        continue;
      }
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
      peer.wait_for_close(std::chrono::seconds(10));
      return;
    }
  });
  Request silent("GET", server.url("/silent"));
  silent.timeouts.idle = milliseconds(50);
  auto stream = open(silent);
  ASSERT_TRUE(stream) << stream.error().message;
  ASSERT_TRUE(get(server.url()));  // Leaves a second connection idle.
  EXPECT_EQ(server.connections(), 2);

  EXPECT_EQ(read(**stream).error().code, Errc::kTimeout);

  ASSERT_TRUE(get(server.url()));
  EXPECT_EQ(server.connections(), 3);
}

TEST_F(ClientTest, WaitsForASlowBodyAsLongAsItMakesProgress) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; ++i) {
      std::this_thread::sleep_for(milliseconds(60));
      peer.write("x");
    }
  });

  Request request("GET", server.url());
  request.timeouts.idle = milliseconds(400);
  const auto response = send(request);

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, std::string(10, 'x'));
}

TEST_F(ClientTest, EndsAWaitForAnAnswerThatDoesNotCome) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.wait_for_close(std::chrono::seconds(10));
  });

  Request request("GET", server.url());
  request.timeouts.response = milliseconds(100);
  const auto response = send(request);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kTimeout);
  EXPECT_EQ(response.error().message,
            "waiting for the answer of 127.0.0.1:" + std::to_string(server.port()) +
                " took longer than 100ms");
}

TEST_F(ClientTest, SaysThatAConnectionWasRefused) {
  std::optional<ScriptedServer> server(std::in_place, answer_all);
  const auto url = server->url();
  server.reset();

  const auto response = get(url);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_EQ(response.error().message,
            "cannot connect to " + url.host_port() + ": connection refused");
}

TEST_F(ClientTest, SaysThatANameDoesNotExist) {
  Request request("GET", *Url::parse("http://does-not-exist.invalid/"));
  const auto response = send(request);

  ASSERT_FALSE(response);
  EXPECT_TRUE(response.error().code == Errc::kUnavailable ||
              response.error().code == Errc::kTimeout);
  EXPECT_THAT(response.error().message, HasSubstr("does-not-exist.invalid"));
}

TEST_F(ClientTest, TriesAllAddressesOfAName) {
  ScriptedServer server(answer_all);  // 127.0.0.1 only; "localhost" is often ::1 first.

  const auto response = get(server.url("/", "localhost"));

  ASSERT_TRUE(response) << response.error().message;
}

TEST_F(ClientTest, SendsNothingWhereTheEgressPolicyForbidsTheAddress) {
  EgressPolicy::Rules rules;
  rules.deny_loopback = true;
  ClientOptions options;
  options.egress = EgressPolicy(rules);
  use(options);
  ScriptedServer server(answer_all);

  const auto response = get(server.url("/", "localhost"));

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kEgressDenied);
  EXPECT_THAT(response.error().message, HasSubstr("it is loopback"));
  EXPECT_EQ(server.connections(), 0);
}

TEST_F(ClientTest, ChecksAKeptConnectionAgainForAUrlThatAnotherServerNamed) {
  ScriptedServer server(answer_all);
  ASSERT_TRUE(get(server.url()));

  Request request("GET", server.url());
  request.named_by = AddressKind::kPublic;
  const auto response = send(request);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kEgressDenied);
}

}  // namespace
}  // namespace kiln::http
