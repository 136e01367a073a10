// Large bodies, which ask before they go.
#include <atomic>

#include "tests/integration/http/certificates.h"
#include "tests/integration/http/client_fixture.h"

namespace kiln::http {
namespace {

constexpr std::size_t kLarge = 3'000'000;

Request large_put(const Url& url) {
  Request request("PUT", url);
  request.body = Body(std::string(kLarge, 'k'));
  return request;
}

/// The header of the next request, its body left unread.
std::string read_head(Peer& peer) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n") && recv(peer.fd(), &byte, 1, 0) == 1) head += byte;
  return head;
}

TEST_F(ClientTest, ALargeBodyGoesWhenItIsWanted) {
  ScriptedServer server([](Peer& peer) {
    const auto head = read_head(peer);
    peer.write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    std::size_t got = 0;
    char block[65536];
    for (ssize_t n = 1; got < kLarge && n > 0;
         got += static_cast<std::size_t>(std::max(n, ssize_t{0})))
      n = recv(peer.fd(), block, sizeof block, 0);
    peer.answer(std::to_string(got) +
                (head.find("Expect: 100-continue\r\n") != head.npos ? " asked" : ""));
  });

  const auto response = send(large_put(server.url()));

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, std::to_string(kLarge) + " asked");
}

TEST_F(ClientTest, ALargeBodyThatIsNotWantedStaysHere) {
  std::atomic<std::size_t> stray = 0;
  ScriptedServer server([&](Peer& peer) {
    read_head(peer);
    peer.answer("<html>too large</html>", "413 Request Entity Too Large");
    char block[65536];
    for (ssize_t n = 1; n > 0; stray += static_cast<std::size_t>(std::max(n, ssize_t{0})))
      n = recv(peer.fd(), block, sizeof block, 0);
  });

  const auto response = send(large_put(server.url()));

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status(), 413);
  client_.reset();
  EXPECT_EQ(stray, 0u);
}

TEST_F(ClientTest, AServerThatSaysNothingGetsItAfterAMomentAndIsNotAskedAgain) {
  std::atomic<int> asked = 0;
  ScriptedServer server([&](Peer& peer) {
    while (const auto request = peer.read()) {
      if (request->has("Expect:")) ++asked;
      peer.answer(std::to_string(request->body.size()));
    }
  });
  for (int i = 0; i < 3; ++i) {
    auto request = large_put(server.url());
    request.timeouts.leave = std::chrono::milliseconds(20);
    const auto response = send(std::move(request));
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, std::to_string(kLarge));
  }
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(ClientTest, AServerThatDoesNotKnowHowToAnswerIsAskedInTheOldWay) {
  std::atomic<int> asked = 0;
  ScriptedServer server([&](Peer& peer) {
    if (asked++ == 0) {
      read_head(peer);
      peer.answer("", "417 Expectation Failed");
      return;
    }
    while (const auto request = peer.read())
      peer.answer(request->has("Expect:") ? "asked" : "not asked");
  });

  const auto response = send(large_put(server.url()));

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "not asked");
}

TEST_F(ClientTest, AStaleConnectionIsReplacedBeforeALargeBodyGoes) {
  std::atomic<int> connection = 0;
  ScriptedServer server([&](Peer& peer) {
    if (connection++ == 0) {
      peer.read();
      peer.answer("ok");
      read_head(peer);  // And is gone.
      return;
    }
    read_head(peer);
    peer.write("HTTP/1.1 100 Continue\r\n\r\n");
    std::size_t got = 0;
    char block[65536];
    for (ssize_t n = 1; got < kLarge && n > 0;
         got += static_cast<std::size_t>(std::max(n, ssize_t{0})))
      n = recv(peer.fd(), block, sizeof block, 0);
    peer.answer("stored");
  });
  ASSERT_TRUE(get(server.url()));

  const auto response = send(large_put(server.url()));

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "stored");
}

TEST_F(ClientTest, InsideTlsASilentServerGetsItTooAndWhole) {
  const auto* certificates = Certificates::get();
  if (certificates == nullptr) GTEST_SKIP() << "no usable openssl program";
  ScriptedServer server(
      [](Peer& peer) {
        while (const auto request = peer.read())
          peer.answer(request->body == std::string(kLarge, 'k') ? "whole" : "broken");
      },
      ServerTls{certificates->server.cert_pem, certificates->server.key_pem, ""});
  TlsOptions options;
  options.ca_pem = certificates->ca_pem;
  auto request = large_put(server.url());
  request.tls = std::make_shared<const TlsOptions>(options);
  request.timeouts.leave = std::chrono::milliseconds(100);

  const auto response = send(std::move(request));

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "whole");
}

}  // namespace
}  // namespace kiln::http
