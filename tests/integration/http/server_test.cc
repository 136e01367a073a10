#include "core/http/beast/server.h"

#include "core/http/beast/client.h"
#include "tests/integration/http/server_fixture.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::http {
namespace {

using kiln::testing::IsOk;
using namespace std::chrono_literals;

TEST_F(ServerTest, AnswersARequestAndKeepsTheConnection) {
  serve();
  Wire wire(port());

  const auto first = wire.ask("GET /a/b?x=1&y HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto second = wire.ask("POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");

  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.body, "GET /a/b ?x=1&y ");
  EXPECT_TRUE(first.has("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_TRUE(first.has("Connection: keep-alive\r\n"));
  EXPECT_THAT(first.head, ::testing::ContainsRegex("Date: [A-Z][a-z]{2}, [0-9]{2} .* GMT\r\n"));
  EXPECT_EQ(second.body, "POST /c ? hello");
}

TEST_F(ServerTest, ItsOwnClientUnderstandsIt) {
  serve();
  boost::asio::io_context io;
  const auto client = make_client(io.get_executor(), {});
  const auto url = Url::parse("http://127.0.0.1:" + std::to_string(port()) + "/large");

  const auto response = kiln::testing::run_task(io, client->send(Request("GET", *url)));

  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->body.size(), 1'000'000U);
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  serve();
  Wire wire(port());
  std::string requests;
  for (int i = 0; i < 20; ++i)
    requests += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb";

  wire.send(requests);

  for (int i = 0; i < 20; ++i) EXPECT_EQ(wire.read().body, "POST /" + std::to_string(i) + " ? b");
}

TEST_F(ServerTest, AnswersHeadWithoutABodyAndWithItsLength) {
  serve();
  Wire wire(port());

  const auto head = wire.ask("HEAD /large HTTP/1.1\r\nHost: h\r\n\r\n", true);
  const auto next = wire.ask("GET /next HTTP/1.1\r\nHost: h\r\n\r\n");

  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.has("Content-Length: 1000000\r\n"));
  EXPECT_EQ(next.body, "GET /next ? ");
}

TEST_F(ServerTest, HandsAnyMethodToTheHandler) {
  serve();
  Wire wire(port());
  EXPECT_EQ(wire.ask("BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n").body, "BREW /pot ? ");
}

TEST_F(ServerTest, ReadsChunkedBodies) {
  serve();
  Wire wire(port());
  const auto answer = wire.ask(
      "PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n");
  EXPECT_EQ(answer.body, "PUT /c ? abcdefg");
}

TEST_F(ServerTest, SaysGoOnToAClientThatWaitsForIt) {
  serve();
  Wire wire(port());

  const auto interim =
      wire.ask("PUT /c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  const auto answer = wire.ask("ok");

  EXPECT_EQ(interim.status, 100);
  EXPECT_EQ(answer.body, "PUT /c ? ok");
}

TEST_F(ServerTest, ClosesAfterAnswersOfHttp10AndOfThoseWhoAskForIt) {
  serve();
  Wire old(port());
  Wire polite(port());

  EXPECT_EQ(old.ask("GET /a HTTP/1.0\r\n\r\n").status, 200);
  EXPECT_TRUE(old.is_closed());
  const auto last = polite.ask("GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(last.has("Connection: close\r\n"));
  EXPECT_TRUE(polite.is_closed());
}

TEST_F(ServerTest, TakesAnAbsoluteTarget) {
  serve();
  Wire wire(port());
  EXPECT_EQ(wire.ask("GET http://other.example/a?b HTTP/1.1\r\nHost: h\r\n\r\n").body,
            "GET /a ?b ");
}

TEST_F(ServerTest, AnswersNoContentWithoutALength) {
  serve();
  Wire wire(port());
  const auto answer = wire.ask("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(answer.status, 204);
  EXPECT_FALSE(answer.has("Content-Length"));
}

TEST_F(ServerTest, AHandlerThatThrowsIsA500AndTheServerGoesOn) {
  serve();
  Wire wire(port());

  const auto answer = wire.ask("GET /throws HTTP/1.1\r\nHost: h\r\n\r\n");

  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body.find("a bug"), answer.body.npos);
  EXPECT_EQ(wire.ask("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

TEST_F(ServerTest, ListensOnIpv4AndIpv6WithoutAHostAndTellsWhoAsks) {
  serve({}, ":0");
  Wire ipv4(port());
  EXPECT_EQ(ipv4.ask("GET /peer HTTP/1.1\r\nHost: h\r\n\r\n").body, "127.0.0.1");
  if (server_->addresses().front().front() != '[') GTEST_SKIP() << "this machine has no IPv6";
  Wire ipv6(port(), true);
  EXPECT_EQ(ipv6.ask("GET /peer HTTP/1.1\r\nHost: h\r\n\r\n").body, "::1");
}

TEST_F(ServerTest, ListensOnAllAddressesOfANameWithOnePort) {
  serve({}, "localhost:0");
  for (const auto& address : server_->addresses())
    EXPECT_EQ(ListenAddress::parse(address)->port, port());
  Wire wire(port());
  EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

TEST_F(ServerTest, SaysWhichAddressIsTaken) {
  serve();
  auto address = *ListenAddress::parse(server_->addresses().front());

  const auto second = make_server(io_.get_executor(), address, handler_);

  ASSERT_TRUE(second.has_error());
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_EQ(second.error().message,
            "cannot listen on " + address.str() + ": Address already in use");
}

TEST_F(ServerTest, StopAnswersWhatIsUnderWayAndEndsWhatRests) {
  serve();
  Wire resting(port());
  EXPECT_EQ(resting.ask("GET /a HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
  Wire working(port());
  working.send("GET /waits HTTP/1.1\r\nHost: h\r\n\r\n");
  handler_.await_entry();

  begin_stop();

  EXPECT_TRUE(resting.is_closed());
  const auto answer = working.read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.has("Connection: close\r\n"));
  EXPECT_TRUE(working.is_closed());
  EXPECT_THAT(stop(), IsOk());
}

TEST_F(ServerTest, StopCutsWhatTakesLongerThanTheGrace) {
  ServerOptions options;
  options.grace = 50ms;
  handler_.pause = 1h;
  serve(options);
  Wire wire(port());
  wire.send("GET /waits HTTP/1.1\r\nHost: h\r\n\r\n");
  handler_.await_entry();

  EXPECT_THAT(stop(), IsOk());

  EXPECT_TRUE(wire.is_closed());
}

TEST_F(ServerTest, AfterStopNobodyIsLetIn) {
  serve();
  const auto where = port();
  EXPECT_THAT(stop(), IsOk());
  EXPECT_THROW(Wire wire(where), boost::system::system_error);
}

}  // namespace
}  // namespace kiln::http
