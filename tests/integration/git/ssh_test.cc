// Content over ssh from a real sshd: whose host key is trusted, whose key is taken, and that nobody
// else's settings have a say in it.
#include <functional>

#include "tests/integration/git/git_fixture.h"
#include "tests/integration/git/seen_processes.h"
#include "tests/integration/git/ssh_server.h"

namespace kiln::source {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Keys = std::map<std::string, std::string>;
using std::chrono::seconds;

constexpr const char* kPassphrase = "correct horse battery";

class GitSshTest : public GitClientTest {
 protected:
  void SetUp() override {
    if (const auto missing = GitSshServer::missing_program())
      GTEST_SKIP() << "there is no " << *missing;
    server.emplace();
    key = server->new_key("client");
    server->authorize("client");
    RepositoryMaker(server->repositories() / "site.git").commit({{"a", "bytes of a"}});
  }
  GitRequest with(const Keys& keys, const std::string& name = "site.git") const {
    GitRequest request(server->url(name));
    request.credentials = who(keys, request.url);
    return request;
  }
  GitRequest request() const {
    return with({{"identity", key}, {"known_hosts", server->known_hosts()}});
  }

  std::optional<GitSshServer> server;
  std::string key;
};

TEST_F(GitSshTest, ContentIsFetched) {
  const auto content = fetch(request());

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a"), "bytes of a");
}

TEST_F(GitSshTest, AProxyIsNotUsed) {
  options.proxies = http::ProxyRules::always("http://127.0.0.1:1").value();
  new_client();

  EXPECT_THAT(fetch(request()), IsOk());
}

TEST_F(GitSshTest, APartIsFetchedByItself) {
  RepositoryMaker(server->repositories() / "site.git")
      .commit({{"public/index.html", "hello"}, {"videos/a", noise(1)}});
  auto wanted = request();
  wanted.sub_path = "public";

  const auto content = fetch(wanted);

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "index.html"), "hello");
  EXPECT_LT(bytes_in_cache(), 100'000U);
}

TEST_F(GitSshTest, AKeyWithAPassphraseIsUnlocked) {
  const auto locked = server->new_key("locked", kPassphrase);
  server->authorize("locked");

  EXPECT_THAT(fetch(with({{"identity", locked},
                          {"known_hosts", server->known_hosts()},
                          {"password", std::string(kPassphrase) + "\n"}})),
              IsOk());
}

struct RefusedHost {
  std::string name;
  std::function<std::string(const GitSshServer&)> known_hosts;
};

class GitSshHostIsRefused : public GitSshTest, public ::testing::WithParamInterface<RefusedHost> {};

TEST_P(GitSshHostIsRefused, BecauseNothingIsTrustedAtFirstSight) {
  (void)server->new_key("stranger");
  const auto content =
      fetch(with({{"identity", key}, {"known_hosts", GetParam().known_hosts(*server)}}));

  EXPECT_THAT(content, FailsWith(Errc::kUnauthorized,
                                 "the server's host key is not the one in known_hosts"));
  EXPECT_THAT(server->log(), Not(HasSubstr("Accepted publickey")));
}

INSTANTIATE_TEST_SUITE_P(
    All, GitSshHostIsRefused,
    ::testing::ValuesIn(std::vector<RefusedHost>{
        {"OfAnotherHost",
         [](const auto& server) {
           return server.known_hosts("git.example.com", server.public_key("host"));
         }},
        {"OfAnotherPort",
         [](const auto& server) {
           return server.known_hosts("127.0.0.1", server.public_key("host"));
         }},
        {"WithAnotherKey",
         [](const auto& server) {
           return server.known_hosts("[127.0.0.1]:" + std::to_string(server.port()),
                                     server.public_key("stranger"));
         }},
        {"WithARevokedKey", [](const auto& server) { return "@revoked " + server.known_hosts(); }},
        {"WithOnlyAComment", [](const auto&) { return std::string("# nothing yet\n"); }},
    }),
    [](const auto& test) { return test.param.name; });

struct RefusedKey {
  std::string name, passphrase, password;
  bool authorized;
};

class GitSshKeyIsRefused : public GitSshTest, public ::testing::WithParamInterface<RefusedKey> {};

TEST_P(GitSshKeyIsRefused, WithoutAPrompt) {
  const auto other = server->new_key("other", GetParam().passphrase);
  if (GetParam().authorized) server->authorize("other");
  Keys keys = {{"identity", other}, {"known_hosts", server->known_hosts()}};
  if (!GetParam().password.empty()) keys.emplace("password", GetParam().password);

  const auto content = fetch(with(keys));

  EXPECT_THAT(content, FailsWith(Errc::kUnauthorized, "does not take the credentials"));
  EXPECT_THAT(content.error().message, Not(HasSubstr("wrong horse")));
}

INSTANTIATE_TEST_SUITE_P(All, GitSshKeyIsRefused,
                         ::testing::ValuesIn(std::vector<RefusedKey>{
                             {"UnknownKey", "", "", false},
                             {"LockedKeyWithoutAPassphrase", kPassphrase, "", true},
                             {"LockedKeyWithTheWrongPassphrase", kPassphrase, "wrong horse", true},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(GitSshTest, WithoutAKeyNobodyIsAsked) {
  EXPECT_THAT(fetch(GitRequest(server->url("site.git"))),
              FailsWith(Errc::kUnauthorized, "name a Secret with identity and known_hosts"));
}

TEST_F(GitSshTest, ARepositoryThatIsNotThereIsNamedSo) {
  EXPECT_THAT(fetch(with({{"identity", key}, {"known_hosts", server->known_hosts()}}, "none.git")),
              FailsWith(Errc::kUnavailable, "the server has no such repository"));
}

TEST_F(GitSshTest, AnAgentAndItsKeysAreNotAsked) {
  TempDir folder = std::move(*TempDir::create("kiln-git-agent-"));
  ServerProcess agent({"/usr/bin/ssh-agent", "-D", "-a", (folder.path() / "agent").string()},
                      folder.path() / "log");
  agent.wait_for_file(folder.path() / "agent");
  Command add("ssh-add", {"-q", "-"});
  add.environment = {{"SSH_AUTH_SOCK", (folder.path() / "agent").string()}};
  ASSERT_TRUE(run_process(add, key)->status.ok());
  const auto unknown = server->new_key("unknown");
  ::setenv("SSH_AUTH_SOCK", (folder.path() / "agent").c_str(), 1);

  const auto content = fetch(with({{"identity", unknown}, {"known_hosts", server->known_hosts()}}));

  ::unsetenv("SSH_AUTH_SOCK");
  EXPECT_THAT(content, FailsWith(Errc::kUnauthorized, "does not take the credentials"));
}

TEST_F(GitSshTest, AServerThatHangsIsGivenUpAndSshGoesWithIt) {
  options.limits.resolve = seconds(1);
  new_client();
  server->stop();
  const SessionFolder sessions;

  const auto content = fetch(request());

  EXPECT_THAT(content, FailsWith(Errc::kTimeout, "git"));
  EXPECT_TRUE(sessions.becomes_empty());
  server->resume();
}

}  // namespace
}  // namespace kiln::source
