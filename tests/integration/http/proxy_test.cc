// Requests that go through a forward proxy.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>

#include "core/base/encoding.h"
#include "tests/integration/http/certificates.h"
#include "tests/integration/http/client_fixture.h"

namespace kiln::http {
namespace {

using testing::HasSubstr;

const std::string kMe = "Basic " + base64_encode("me:p@ss");

/// Passes bytes between two sockets until one of them ends.
void relay(int a, int b) {
  std::array<pollfd, 2> both = {pollfd{a, POLLIN, 0}, pollfd{b, POLLIN, 0}};
  std::array<char, 16384> block{};
  while (poll(both.data(), both.size(), 20'000) > 0) {
    for (std::size_t i = 0; i < 2; ++i) {
      if (both[i].revents == 0) continue;
      const auto count = recv(both[i].fd, block.data(), block.size(), 0);
      if (count <= 0 || send(both[1 - i].fd, block.data(), static_cast<std::size_t>(count), 0) < 0)
        return;
    }
  }
}

int connect_to(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

class ProxyTest : public ClientTest {
 protected:
  /// All that is not loopback goes through the proxy.
  void use_proxy(const ScriptedServer& proxy, const std::string& user = "",
                 const std::string& exceptions = "") {
    const auto url = "http://" + user + "127.0.0.1:" + std::to_string(proxy.port());
    const auto rules = ProxyRules::from_environment([&](const char* name) -> const char* {
      const std::string_view wanted(name);
      if (wanted == "HTTPS_PROXY" || wanted == "HTTP_PROXY") return url.c_str();
      return wanted == "NO_PROXY" ? exceptions.c_str() : nullptr;
    });
    ClientOptions options;
    options.proxies = *rules;
    use(options);
  }
};

TEST_F(ProxyTest, PlainHttpIsAskedForByItsWholeUrl) {
  std::promise<Peer::Request> seen;
  ScriptedServer proxy([&](Peer& peer) {
    seen.set_value(*peer.read());
    peer.answer("ok");
  });
  use_proxy(proxy, "me:p%40ss@");

  const auto response = get(*Url::parse("http://r.test:5000/v2/?n=1"));

  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->body, "ok");
  EXPECT_EQ(response->head.peer, AddressKind::kPublic);
  const auto request = seen.get_future().get();
  EXPECT_TRUE(request.has("GET http://r.test:5000/v2/?n=1 HTTP/1.1\r\n"));
  EXPECT_TRUE(request.has("Host: r.test:5000\r\n"));
  EXPECT_TRUE(request.has("Proxy-Authorization: " + kMe + "\r\n"));
}

TEST_F(ProxyTest, TlsGoesThroughATunnelThatIsUsedAgain) {
  const auto* certificates = Certificates::get();
  if (certificates == nullptr) GTEST_SKIP() << "no usable openssl program";
  std::atomic<bool> leaked = false;
  ScriptedServer registry(
      [&](Peer& peer) {
        while (const auto request = peer.read()) {
          leaked = leaked || request->has("Proxy-Authorization");
          peer.answer("secret");
        }
      },
      ServerTls{certificates->other.cert_pem, certificates->other.key_pem, ""});
  std::promise<Peer::Request> seen;
  ScriptedServer proxy([&](Peer& peer) {
    seen.set_value(*peer.read());
    peer.write("HTTP/1.1 200 Connection established\r\n\r\n");
    const int fd = connect_to(registry.port());
    relay(peer.fd(), fd);
    close(fd);
  });
  use_proxy(proxy, "me:p%40ss@");
  TlsOptions options;
  options.ca_pem = certificates->ca_pem;

  for (int i = 0; i < 2; ++i) {
    Request request("GET", *Url::parse("https://other.example.com/v2/"));
    request.tls = std::make_shared<const TlsOptions>(options);
    const auto response = send(request);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "secret");
  }

  const auto request = seen.get_future().get();
  EXPECT_TRUE(request.has("CONNECT other.example.com:443 HTTP/1.1\r\n"));
  EXPECT_TRUE(request.has("Proxy-Authorization: " + kMe + "\r\n"));
  EXPECT_EQ(proxy.connections(), 1);
  EXPECT_FALSE(leaked);
}

struct Refusal {
  std::string name, user, status;
  Errc code;
  std::string message;
};

class ProxyRefuses : public ProxyTest, public testing::WithParamInterface<Refusal> {};

TEST_P(ProxyRefuses, ATunnel) {
  const auto& param = GetParam();
  ScriptedServer proxy([&](Peer& peer) {
    peer.read();
    peer.answer("<html>no</html>", param.status);
  });
  use_proxy(proxy, param.user);

  const auto response = get(*Url::parse("https://r.test/"));

  ASSERT_TRUE(response.has_error());
  EXPECT_EQ(name_of(response.error().code), name_of(param.code));
  EXPECT_EQ(response.error().message, "the proxy " + proxy.url().host_port() + param.message);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ProxyRefuses,
    testing::ValuesIn(std::vector<Refusal>{
        {"WithoutCredentials", "", "407 Proxy Authentication Required", Errc::kDenied,
         " asks for credentials; write it as http://USER:PASSWORD@HOST:PORT"},
        {"WithWrongCredentials", "me:wrong@", "407 Proxy Authentication Required", Errc::kDenied,
         " refused the credentials (407)"},
        {"ForbiddenHosts", "", "403 Forbidden", Errc::kDenied,
         " does not let us reach r.test:443 (403)"},
        {"AbsentHosts", "", "502 Bad Gateway", Errc::kUnavailable,
         " answered 502 when asked to reach r.test:443"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(ProxyTest, ThatIsDownIsNamed) {
  std::optional<ScriptedServer> proxy(std::in_place, answer_all);
  use_proxy(*proxy);
  const auto port = std::to_string(proxy->port());
  proxy.reset();

  const auto response = get(*Url::parse("https://r.test/"));

  ASSERT_TRUE(response.has_error());
  EXPECT_EQ(response.error().code, Errc::kUnavailable);
  EXPECT_EQ(response.error().message,
            "cannot connect to the proxy 127.0.0.1:" + port + ": connection refused");
}

TEST_F(ProxyTest, IsNotUsedForLoopbackNorForExceptions) {
  ScriptedServer proxy(answer_all);
  ScriptedServer server(answer_all);
  use_proxy(proxy, "", "r.test");

  EXPECT_TRUE(get(server.url()));
  EXPECT_THAT(get(*Url::parse("http://r.test/")).error().message, HasSubstr("cannot find r.test"));

  EXPECT_EQ(proxy.connections(), 0);
}

TEST_F(ProxyTest, IsNotAskedForWhatNobodyMayName) {
  ScriptedServer proxy(answer_all);
  use_proxy(proxy);

  for (const auto* url : {"http://169.254.169.254/latest/", "http://metadata.google.internal/"})
    EXPECT_EQ(get(*Url::parse(url)).error().code, Errc::kEgressDenied) << url;
  Request named("GET", *Url::parse("https://vault/"));
  named.named_by = AddressKind::kPublic;
  EXPECT_EQ(send(named).error().code, Errc::kEgressDenied);

  EXPECT_EQ(proxy.connections(), 0);
}

}  // namespace
}  // namespace kiln::http
