// What a server does with clients that are slow, wrong, or too many.
#include <vector>

#include "tests/integration/http/server_fixture.h"

namespace kiln::http {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

struct BadRequest {
  std::string name, bytes;
  int status;
};

class ServerRefuses : public ServerTest, public testing::WithParamInterface<BadRequest> {};

TEST_P(ServerRefuses, AndClosesTheConnection) {
  ServerOptions options;
  options.header_limit_bytes = 1024;
  options.body_limit_bytes = 1024;
  serve(options);
  Wire wire(port());

  const auto answer = wire.ask(GetParam().bytes);

  EXPECT_EQ(answer.status, GetParam().status);
  EXPECT_TRUE(answer.has("Connection: close\r\n"));
  wire.half_close();
  EXPECT_TRUE(wire.is_closed());
  EXPECT_EQ(Wire(port()).ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

const std::string kGet = "GET / HTTP/1.1\r\nHost: h\r\n";
const std::string kPut = "PUT / HTTP/1.1\r\nHost: h\r\n";

INSTANTIATE_TEST_SUITE_P(
    Bytes, ServerRefuses,
    testing::ValuesIn(std::vector<BadRequest>{
        {"NoHttp", "\x16\x03\x01\x02 hello, is this TLS?\r\n\r\n", 400},
        {"NoVersion", "GET /\r\n\r\n", 400},
        {"AnotherVersion", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
        {"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"NoHost", "GET / HTTP/1.1\r\n\r\n", 400},
        {"TwoHosts", kGet + "Host: i\r\n\r\n", 400},
        {"ABlankBeforeTheColon", kGet + "X : y\r\n\r\n", 400},
        {"AFieldThatIsFoldedIntoTheNameOfTheNext", kGet + "X\r\n y: z\r\n\r\n", 400},
        {"AHugeHeader", kGet + "X: " + std::string(3000, 'x') + "\r\n\r\n", 431},
        {"AHeaderWithoutEnd", kGet + "X: " + std::string(64 * 1024, 'x'), 431},
        {"AHugeTarget", "GET /" + std::string(64 * 1024, 'x') + " HTTP/1.1\r\n", 431},
        {"ManyFields",
         kGet +
             [] {
               std::string fields;
               for (int i = 0; i < 500; ++i) fields += "X: y\r\n";
               return fields;
             }() +
             "\r\n",
         431},
        {"AHugeAnnouncedBody", kPut + "Content-Length: 1025\r\n\r\n" + std::string(1025, 'x'), 413},
        {"AnAbsurdLength", kPut + "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {"ANegativeLength", kPut + "Content-Length: -1\r\n\r\n", 400},
        {"TwoLengths", kPut + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
        {"LengthAndChunks",
         kPut + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"AHugeChunk",
         kPut + "Transfer-Encoding: chunked\r\n\r\n800\r\n" + std::string(2048, 'x') + "\r\n", 413},
        {"AChunkThatIsNoNumber", kPut + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
        {"AnUnknownExpectation", kPut + "Content-Length: 1\r\nExpect: miracles\r\n\r\n", 417},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(ServerTest, AHeaderThatComesSlowlyIsCutAtItsDeadlineHoweverSteadyItComes) {
  ServerOptions options;
  options.header = 300ms;
  serve(options);
  Wire wire(port());
  const auto began = steady_clock::now();
  std::thread dripping([&wire] {
    wire.send("GET / HTTP/1.1\r\nHost: h\r\n");
    while (wire.send("X: y\r\n")) std::this_thread::sleep_for(20ms);
  });

  EXPECT_TRUE(wire.is_closed());
  const auto took = steady_clock::now() - began;
  dripping.join();

  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 5s);
}

TEST_F(ServerTest, AConnectionThatSaysNothingIsClosed) {
  ServerOptions options;
  options.header = 100ms;
  serve(options);
  EXPECT_TRUE(Wire(port()).is_closed());
}

TEST_F(ServerTest, AKeptConnectionThatSaysNothingMoreIsClosed) {
  ServerOptions options;
  options.idle = 100ms;
  serve(options);
  Wire wire(port());
  EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
  EXPECT_TRUE(wire.is_closed());
}

TEST_F(ServerTest, ABodyThatDoesNotComeIsCutAtItsDeadline) {
  ServerOptions options;
  options.body = 100ms;
  serve(options);
  Wire wire(port());
  wire.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhal");
  EXPECT_TRUE(wire.is_closed());
}

TEST_F(ServerTest, AClientThatDoesNotReadItsAnswersIsCut) {
  ServerOptions options;
  options.write = 100ms;
  serve(options);
  Wire wire(port());
  std::string requests;
  for (int i = 0; i < 64; ++i) requests += "GET /large HTTP/1.1\r\nHost: h\r\n\r\n";
  wire.send(requests);
  std::this_thread::sleep_for(1s);

  std::size_t answers = 0;
  while (wire.read().body.size() == 1'000'000) ++answers;

  EXPECT_LT(answers, 64U);
}

TEST_F(ServerTest, AHandlerThatTakesTooLongIsA503) {
  ServerOptions options;
  options.handler = 50ms;
  handler_.pause = 1h;
  serve(options);
  Wire wire(port());
  EXPECT_EQ(wire.ask("GET /waits HTTP/1.1\r\nHost: h\r\n\r\n").status, 503);
  EXPECT_EQ(wire.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

TEST_F(ServerTest, AtTheLimitTheConnectionThatRestsLongestMakesRoom) {
  ServerOptions options;
  options.max_connections = 2;
  serve(options);
  Wire first(port());
  EXPECT_EQ(first.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
  Wire second(port());
  EXPECT_EQ(second.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);

  Wire third(port());

  EXPECT_EQ(third.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
  EXPECT_TRUE(first.is_closed());
  EXPECT_EQ(second.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

TEST_F(ServerTest, AtTheLimitAHeaderThatComesSlowlyMakesRoomToo) {
  ServerOptions options;
  options.max_connections = 1;
  serve(options);
  Wire slow(port());
  slow.send("GET / HTTP/1.1\r\nHo");

  Wire next(port());

  EXPECT_EQ(next.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
  EXPECT_TRUE(slow.is_closed());
}

TEST_F(ServerTest, AtTheLimitWithAllAtWorkTheNewOneIsTurnedAway) {
  ServerOptions options;
  options.max_connections = 1;
  handler_.pause = 1h;
  options.grace = 10ms;
  serve(options);
  Wire working(port());
  working.send("GET /waits HTTP/1.1\r\nHost: h\r\n\r\n");
  handler_.await_entry();

  Wire late(port());

  EXPECT_EQ(late.read().status, 503);
  EXPECT_TRUE(late.is_closed());
}

TEST_F(ServerTest, AClientThatLeavesInTheMiddleDoesNoHarm) {
  serve();
  for (const auto* part : {"", "GE", "GET / HTTP/1.1\r\n",
                           "PUT / HTTP/1.1\r\nHost: h\r\n"
                           "Content-Length: 10\r\n\r\n123"}) {
    Wire wire(port());
    wire.send(part);
    wire.half_close();
    EXPECT_TRUE(wire.is_closed()) << part;
  }
  EXPECT_EQ(Wire(port()).ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
}

}  // namespace
}  // namespace kiln::http
