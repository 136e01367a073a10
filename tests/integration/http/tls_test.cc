#include "tests/integration/http/certificates.h"
#include "tests/integration/http/client_fixture.h"

namespace kiln::http {
namespace {

using testing::HasSubstr;

class TlsTest : public ClientTest {
 protected:
  void SetUp() override {
    if (Certificates::get() == nullptr) GTEST_SKIP() << "no usable openssl program";
  }
  static ServerTls tls_of(const KeyPair& pair) { return {pair.cert_pem, pair.key_pem, ""}; }
  static TlsOptions own_ca() {
    TlsOptions options;
    options.ca_pem = Certificates::get()->ca_pem;
    return options;
  }
  Result<Response> get_with(const Url& url, const TlsOptions& options) {
    Request request("GET", url);
    request.tls = std::make_shared<const TlsOptions>(options);
    return send(std::move(request));
  }
};

TEST_F(TlsTest, AcceptsACertificateOfItsOwnAuthority) {
  ScriptedServer server(answer_all, tls_of(Certificates::get()->server));

  for (const auto* host : {"localhost", "127.0.0.1"}) {
    const auto response = get_with(server.url("/", host), own_ca());
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "ok");
  }
}

TEST_F(TlsTest, UsesOneConnectionForEqualOptionsOnly) {
  ScriptedServer server(answer_all, tls_of(Certificates::get()->server));

  ASSERT_TRUE(get_with(server.url(), own_ca()));
  ASSERT_TRUE(get_with(server.url(), own_ca()));
  EXPECT_EQ(server.connections(), 1);

  auto unverified = own_ca();
  unverified.insecure_skip_verify = true;
  ASSERT_TRUE(get_with(server.url(), unverified));
  EXPECT_EQ(server.connections(), 2);
}

TEST_F(TlsTest, RefusesAnUnknownAuthority) {
  ScriptedServer server(answer_all, tls_of(Certificates::get()->server));

  const auto response = get(server.url());

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_EQ(response.error().message,
            "cannot connect to " + server.url().host_port() +
                ": its certificate is signed by an unknown authority (\"Test Authority\")");
}

TEST_F(TlsTest, RefusesACertificateForAnotherHost) {
  ScriptedServer server(answer_all, tls_of(Certificates::get()->other));

  for (const auto* host : {"localhost", "127.0.0.1"}) {
    const auto response = get_with(server.url("/", host), own_ca());
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Errc::kUnavailable);
    EXPECT_EQ(response.error().message, "cannot connect to " + server.url("/", host).host_port() +
                                            ": its certificate is for other.example.com, not for " +
                                            host);
  }
}

TEST_F(TlsTest, ChecksTheGivenServerNameInsteadOfTheHost) {
  ScriptedServer server(answer_all, tls_of(Certificates::get()->other));
  auto options = own_ca();
  options.server_name = "other.example.com";

  const auto response = get_with(server.url(), options);

  ASSERT_TRUE(response) << response.error().message;
}

TEST_F(TlsTest, RefusesAnExpiredCertificate) {
  ScriptedServer server(answer_all, tls_of(Certificates::get()->expired));

  const auto response = get_with(server.url(), own_ca());

  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message, HasSubstr("its certificate has expired"));
}

TEST_F(TlsTest, AcceptsAnythingWhenToldNotToVerify) {
  ScriptedServer server(answer_all, tls_of(Certificates::get()->expired));
  TlsOptions options;
  options.insecure_skip_verify = true;

  EXPECT_TRUE(get_with(server.url("/", "localhost"), options));
}

TEST_F(TlsTest, ShowsItsClientCertificate) {
  auto tls = tls_of(Certificates::get()->server);
  tls.client_ca_pem = Certificates::get()->ca_pem;
  ScriptedServer server(answer_all, tls);
  auto options = own_ca();

  const auto without = get_with(server.url(), options);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code, Errc::kUnavailable);
  EXPECT_THAT(without.error().message, HasSubstr("the server asks for a client certificate"));

  options.client_cert_pem = Certificates::get()->client.cert_pem;
  options.client_key_pem = Certificates::get()->client.key_pem;
  const auto with = get_with(server.url(), options);
  ASSERT_TRUE(with) << with.error().message;
}

TEST_F(TlsTest, RefusesOptionsThatAreNoPem) {
  ScriptedServer server(answer_all, tls_of(Certificates::get()->server));
  TlsOptions options;
  options.ca_pem = "not a certificate";

  auto response = get_with(server.url(), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kInvalid);
  EXPECT_THAT(response.error().message, HasSubstr("the CA certificate is not in PEM form"));

  options = own_ca();
  options.client_cert_pem = Certificates::get()->client.cert_pem;
  options.client_key_pem = Certificates::get()->server.key_pem;
  response = get_with(server.url(), options);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kInvalid);
  EXPECT_THAT(response.error().message, HasSubstr("the client key"));
}

TEST_F(TlsTest, SaysThatAServerDoesNotSpeakTls) {
  ScriptedServer server([](Peer& peer) { peer.write("HTTP/1.1 400 Bad Request\r\n\r\n"); });
  const auto url = *Url::parse("https://127.0.0.1:" + std::to_string(server.port()) + "/");

  const auto response = get(url);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("does not speak TLS"));
}

TEST_F(TlsTest, EndsAHandshakeThatMakesNoProgress) {
  ScriptedServer server([](Peer& peer) { peer.wait_for_close(std::chrono::seconds(10)); });
  Request request("GET", *Url::parse("https://127.0.0.1:" + std::to_string(server.port()) + "/"));
  request.timeouts.handshake = std::chrono::milliseconds(100);

  const auto response = send(request);

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kTimeout);
  EXPECT_THAT(response.error().message, HasSubstr("the TLS handshake with 127.0.0.1:"));
}

TEST_F(TlsTest, StreamsLargeBodiesBothWays) {
  ScriptedServer server([](Peer& peer) { peer.answer(peer.read()->body); },
                        tls_of(Certificates::get()->server));
  Request request("PUT", server.url());
  request.tls = std::make_shared<const TlsOptions>(own_ca());
  request.timeouts.leave = std::chrono::milliseconds(20);
  request.body = Body(std::string(3'000'000, 'k'));

  const auto response = send(request);

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body.size(), 3'000'000u);
}

TEST_F(TlsTest, MayBeCancelledAtAnyStep) {
  ScriptedServer server(answer_all, tls_of(Certificates::get()->server));
  const auto options = std::make_shared<const TlsOptions>(own_ca());
  int cancelled = 0;
  for (int turns = 1; turns < 80; ++turns) {
    use(ClientOptions{});
    Request request("PUT", server.url("/", "localhost"));
    request.tls = options;
    request.body = Body(std::string(200'000, 'k'));
    cancel_soon(turns);
    const auto response = send(std::move(request));
    if (response) continue;
    EXPECT_EQ(response.error().code, Errc::kCancelled) << response.error().message;
    ++cancelled;
  }
  EXPECT_GT(cancelled, 0);
}

TEST_F(TlsTest, ReportsABodyThatIsCutWithoutTheEndOfTls) {
  ScriptedServer server(
      [](Peer& peer) {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\n\r\nhalf of someth");
      },
      tls_of(Certificates::get()->server));

  const auto response = get_with(server.url(), own_ca());

  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("without ending TLS"));
}

}  // namespace
}  // namespace kiln::http
