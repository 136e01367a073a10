#include <future>

#include "tests/integration/http/certificates.h"
#include "tests/integration/http/client_fixture.h"

namespace kiln::http {
namespace {

using testing::HasSubstr;

std::string location(const Url& url) {
  return "Location: " + url.str() + "\r\n";
}

TEST_F(ClientTest, KeepsCredentialsWithinTheOriginAndDropsThemBeyond) {
  std::promise<Peer::Request> second, third;
  ScriptedServer storage([&](Peer& peer) {
    third.set_value(*peer.read());
    peer.answer("blob");
  });
  ScriptedServer registry([&](Peer& peer) {
    peer.read();
    peer.answer("moved", "307 Temporary Redirect", "Location: /elsewhere\r\n");
    second.set_value(*peer.read());
    peer.answer("moved", "307 Temporary Redirect", location(storage.url("/blob?sig=1")));
  });

  Request request("GET", registry.url("/start"));
  request.headers.set("Authorization", "Bearer secret");
  request.headers.set("Cookie", "a=b");
  request.headers.set("Range", "bytes=0-9");
  request.max_redirects = 5;
  const auto response = send(request);

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "blob");
  EXPECT_EQ(response->head.url, storage.url("/blob?sig=1"));
  EXPECT_EQ(registry.connections(), 1);
  const auto same_origin = second.get_future().get();
  EXPECT_TRUE(same_origin.has("GET /elsewhere HTTP/1.1"));
  EXPECT_TRUE(same_origin.has("Authorization: Bearer secret"));
  const auto other_origin = third.get_future().get();
  EXPECT_TRUE(other_origin.has("GET /blob?sig=1 HTTP/1.1"));
  EXPECT_TRUE(other_origin.has("Range: bytes=0-9"));
  EXPECT_FALSE(other_origin.has("Authorization"));
  EXPECT_FALSE(other_origin.has("Cookie"));
}

TEST_F(ClientTest, HandsOutARedirectThatItIsNotToFollow) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.answer("", "302 Found", "Location: /x\r\n");
  });

  const auto response = get(server.url());

  ASSERT_TRUE(response);
  EXPECT_EQ(response->status(), 302);
}

TEST_F(ClientTest, EndsALoopOfRedirects) {
  ScriptedServer server([](Peer& peer) {
    while (peer.read()) peer.answer("", "302 Found", "Location: /again\r\n");
  });

  Request request("GET", server.url());
  request.max_redirects = 3;
  const auto response = send(request);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kInvalid);
  EXPECT_THAT(response.error().message, HasSubstr("redirects on, after 3 redirects"));
}

TEST_F(ClientTest, NeverFollowsFromHttpsToHttp) {
  const auto* certificates = Certificates::get();
  if (certificates == nullptr) GTEST_SKIP() << "no usable openssl program";
  ScriptedServer plain(answer_all);
  ScriptedServer secure(
      [&](Peer& peer) {
        peer.read();
        peer.answer("", "302 Found", location(plain.url()));
      },
      ServerTls{certificates->server.cert_pem, certificates->server.key_pem, ""});
  TlsOptions options;
  options.ca_pem = certificates->ca_pem;

  Request request("GET", secure.url());
  request.tls = std::make_shared<const TlsOptions>(options);
  request.max_redirects = 5;
  const auto response = send(request);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kInvalid);
  EXPECT_THAT(response.error().message, HasSubstr("redirects from https to http"));
  EXPECT_EQ(plain.connections(), 0);
}

TEST_F(ClientTest, DoesNotLetAServerNameTheMetadataService) {
  ScriptedServer server([](Peer& peer) {
    peer.read();
    peer.answer("", "302 Found", "Location: http://169.254.169.254/latest/meta-data/\r\n");
  });

  Request request("GET", server.url());
  request.max_redirects = 5;
  const auto response = send(request);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kEgressDenied);
  EXPECT_THAT(response.error().message, HasSubstr("169.254.169.254: it is link-local"));
}

}  // namespace
}  // namespace kiln::http
