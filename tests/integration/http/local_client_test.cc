#include <sys/stat.h>

#include <string>

#include "core/base/file.h"
#include "tests/integration/http/client_fixture.h"

namespace kiln::http {
namespace {

using std::chrono::milliseconds;

/// A client on a Unix-domain socket.
class LocalClientTest : public ClientTest {
 protected:
  LocalClientTest() { client_ = make_local_client(io_.get_executor(), socket_); }

  Url url(const std::string& path = "/") const { return *Url::parse("http://docker" + path); }

  TempDir directory_ = *TempDir::create("kiln-test");
  std::filesystem::path socket_ = directory_.path() / "sock";
};

TEST_F(LocalClientTest, SendsToTheSocketWhateverTheHost) {
  std::string head;
  ScriptedServer server(
      [&](Peer& peer) {
        head = peer.read()->head;
        peer.answer("pong");
      },
      socket_);

  const auto response = get(url("/v1.41/_ping?x=y"));

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "pong");
  EXPECT_TRUE(head.starts_with("GET /v1.41/_ping?x=y HTTP/1.1\r\nHost: docker\r\n")) << head;
}

TEST_F(LocalClientTest, KeepsTheConnectionAndSendsALargeBody) {
  std::string body;
  ScriptedServer server(
      [&](Peer& peer) {
        peer.answer(peer.read()->head.substr(0, 4));
        body = peer.read()->body;
        peer.answer("loaded");
      },
      socket_);
  Request load("POST", url("/images/load"));
  load.body = Body(std::string(3'000'000, 'x'));

  EXPECT_EQ(get(url())->body, "GET ");
  EXPECT_EQ(send(std::move(load))->body, "loaded");

  EXPECT_EQ(body.size(), 3'000'000U);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(LocalClientTest, IsNotUnderTheEgressPolicy) {
  ScriptedServer server(answer_all, socket_);
  EgressPolicy::Rules rules;
  rules.deny = {*Cidr::parse("0.0.0.0/0"), *Cidr::parse("::/0")};
  ClientOptions options;
  options.egress = EgressPolicy(std::move(rules));
  client_ = make_local_client(io_.get_executor(), socket_, std::move(options));

  EXPECT_TRUE(get(url()));
}

TEST_F(LocalClientTest, StopsWaitingForAServerThatSaysNothing) {
  ScriptedServer server([](Peer& peer) { peer.wait_for_close(std::chrono::seconds(20)); }, socket_);
  Request request("GET", url());
  request.timeouts.response = milliseconds(50);

  const auto response = send(std::move(request));

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kTimeout);
  EXPECT_EQ(response.error().message,
            "waiting for the answer of " + socket_.string() + " took longer than 50ms");
}

TEST_F(LocalClientTest, SaysWhyItCannotConnect) {
  const auto why = [&](std::filesystem::path socket) {
    client_ = make_local_client(io_.get_executor(), std::move(socket));
    const auto response = get(url());
    return response ? std::string("connected") : response.error().message;
  };
  ASSERT_TRUE(write_file_atomically(directory_.path() / "file", ""));
  {
    ScriptedServer gone([](Peer&) {}, socket_);
  }

  EXPECT_EQ(why(directory_.path() / "none"),
            "cannot connect to " + directory_.path().string() + "/none: No such file or directory");
  EXPECT_EQ(why(directory_.path() / "file"),
            "cannot connect to " + directory_.path().string() + "/file: connection refused");
  EXPECT_EQ(why(socket_), "cannot connect to " + socket_.string() + ": connection refused");
  EXPECT_NE(why("/tmp/" + std::string(110, 'x')).find("longer than 107 bytes"), std::string::npos);
}

TEST_F(LocalClientTest, SpeaksNoTls) {
  const auto response = get(*Url::parse("https://docker/"));
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kInvalid);
}

}  // namespace
}  // namespace kiln::http
