// Repositories that are reached through a forward proxy: tinyproxy, as people have it.
#include <boost/asio/ip/address.hpp>
#include <thread>

#include "core/base/program.h"
#include "tests/integration/git/git_fixture.h"
#include "tests/integration/git/seen_processes.h"

namespace kiln::source {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kPassword = "pass_wo-rd";  // tinyproxy takes few other signs.
constexpr const char* kInUrl = "p%61ss_wo-rd";

/// Lets those through who know its user and password.
class TinyProxy {
 public:
  static bool is_there() {
    return find_program("tinyproxy", "/usr/bin:/usr/sbin:/usr/local/bin").has_value();
  }
  TinyProxy() {
    const auto file = folder_.path() / "conf";
    write_file_atomically(file, "Port " + std::to_string(port_) +
                                    "\nListen 127.0.0.1\nTimeout 30\nMaxClients 10\n"
                                    "Allow 127.0.0.1\nBasicAuth me " +
                                    kPassword + "\nLogLevel Connect\nLogFile \"" +
                                    (folder_.path() / "log").string() + "\"\n")
        .value();
    process_.emplace(std::vector<std::string>{"/usr/bin/tinyproxy", "-d", "-c", file.string()},
                     folder_.path() / "output");
    process_->wait_for_port(port_);
  }

  std::string url(const std::string& password = kInUrl) const {
    return "http://me:" + password + "@127.0.0.1:" + std::to_string(port_);
  }
  std::string log() const { return read_file(folder_.path() / "log", 1 << 20).value(); }

 private:
  TempDir folder_ = std::move(TempDir::create("kiln-tinyproxy-").value());
  std::uint16_t port_ = free_port();
  std::optional<ServerProcess> process_;
};

class GitProxyTest : public GitHttpTest {
 protected:
  void SetUp() override {
    if (!TinyProxy::is_there()) GTEST_SKIP() << "there is no tinyproxy";
    GitHttpTest::SetUp();
    if (!server) return;
    repository().commit({{"a", "bytes of a"}});
    proxy.emplace();
    go_through(proxy->url());
  }
  void TearDown() override { client.reset(); }
  void go_through(const std::string& url) {
    options.proxies = http::ProxyRules::always(url).value();
    new_client();
  }
  GitRequest over_https() const {
    GitRequest request(server->https_url("/git/site.git"));
    request.credentials = who({{"ca.crt", server->authority()}}, request.url);
    return request;
  }

  std::optional<TinyProxy> proxy;
};

TEST_F(GitProxyTest, TakesHttpsThroughATunnel) {
  const auto content = fetch(over_https());

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a"), "bytes of a");
  EXPECT_THAT(proxy->log(), HasSubstr("CONNECT " + over_https().url.host_port()));
  EXPECT_THAT(proxy->log(), Not(HasSubstr("site.git")));
}

TEST_F(GitProxyTest, IsAskedForPlainHttpByTheWholeUrl) {
  ASSERT_THAT(fetch(request()), IsOk());

  EXPECT_THAT(proxy->log(), HasSubstr("GET " + request().url.str() + "/info/refs"));
}

TEST_F(GitProxyTest, ThatDoesNotKnowUsIsNamedWithoutThePassword) {
  go_through(proxy->url("wrong-horse"));

  const auto content = fetch(over_https());

  ASSERT_THAT(content, FailsWith(Errc::kDenied, "the proxy does not take its credentials"));
  EXPECT_THAT(content.error().message, Not(HasSubstr("wrong-horse")));
  EXPECT_THAT(server->requests(), IsEmpty());
}

// tinyproxy 1.11 answers with 401 as a server would, and not with 407.
TEST_F(GitProxyTest, IsNamedToWhereItsRefusalLooksLikeTheServers) {
  go_through(proxy->url("wrong-horse"));

  EXPECT_THAT(fetch(request()),
              FailsWith(Errc::kUnauthorized, "or the proxy does not take its own"));
  EXPECT_THAT(server->requests(), IsEmpty());
}

TEST_F(GitProxyTest, ThatWantsCredentialsIsNamed) {
  go_through(proxy->url().replace(7, proxy->url().find('@') - 6, ""));

  for (const auto& wanted : {over_https(), request()})
    EXPECT_THAT(fetch(wanted), FailsWith(Errc::kDenied,
                                         "the proxy does not take its credentials, "
                                         "or wants some"));
  EXPECT_THAT(server->requests(), IsEmpty());
}

TEST_F(GitProxyTest, ThatIsDownIsSaid) {
  const auto port = std::to_string(free_port());
  go_through("http://127.0.0.1:" + port);

  EXPECT_THAT(fetch(over_https()), FailsWith(Errc::kUnavailable, port));
}

TEST_F(GitProxyTest, IsNotAskedForWhatThePolicyForbids) {
  for (const auto* url : {"http://169.254.169.254/a.git", "https://metadata.google.internal/a.git"})
    EXPECT_THAT(fetch(GitRequest(*GitUrl::parse(url))),
                FailsWith(Errc::kEgressDenied, "cannot connect to"))
        << url;

  EXPECT_THAT(proxy->log(), Not(HasSubstr("metadata")));
}

TEST_F(GitProxyTest, IsLeftOutWhereTheRulesSaySo) {
  options.proxies = http::ProxyRules::from_environment([&](const char* name) -> const char* {
                      const bool is_http = std::string_view(name) == "HTTP_PROXY";
                      return is_http ? "http://127.0.0.1:1" : nullptr;
                    }).value();
  new_client();

  EXPECT_THAT(fetch(request()), IsOk());  // Loopback goes directly.
}

TEST_F(GitProxyTest, ItsPasswordIsNotToBeSeenWhileGitRuns) {
  const SessionFolder sessions;
  server->stop();
  std::vector<SeenProcess> seen;
  std::thread watcher([&] { seen = watch_then_resume(sessions, *server); });

  const auto content = fetch(request());

  watcher.join();
  ASSERT_THAT(content, IsOk());
  ASSERT_FALSE(seen.empty());
  for (const auto& process : seen)
    for (const auto& text : {process.command_line, process.environment})
      for (const auto* secret : {kPassword, kInUrl}) EXPECT_THAT(text, Not(HasSubstr(secret)));
}

}  // namespace
}  // namespace kiln::source
