// Repositories that are read as a GitHub App: its key gives a token, the token the repository.
#include "tests/integration/git/fake_github.h"
#include "tests/integration/git/git_fixture.h"
#include "tests/integration/git/seen_processes.h"
#include "tests/integration/http/certificates.h"
#include "tests/support/json_web_token.h"

namespace kiln::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using Keys = std::map<std::string, std::string>;

const kiln::testing::MadeRsaKey& made_key() {
  static const kiln::testing::MadeRsaKey kKey;
  return kKey;
}

class GitHubAppTest : public GitHttpTest {
 protected:
  void SetUp() override {
    github.emplace(made_key().public_pem());
    auth_port = github->check_port();
    GitHttpTest::SetUp();
    if (server) repository().commit({{"a", "bytes of a"}});
  }
  void TearDown() override { client.reset(); }

  GitRequest request_with(const Keys& changes = {}) const {
    Keys keys = {{"githubAppID", "123"},
                 {"githubAppInstallationID", "456"},
                 {"githubAppPrivateKey", made_key().pem()},
                 {"githubAppBaseURL", github->url()}};
    for (const auto& [key, value] : changes) {
      keys[key] = value;
      if (value.empty()) keys.erase(key);
    }
    GitRequest request(server->url("/app/site.git"));
    request.credentials = who(keys, request.url);
    return request;
  }

  std::optional<FakeGitHub> github;
};

TEST_F(GitHubAppTest, ReadsARepositoryWithOneTokenForAsLongAsItHolds) {
  const auto content = fetch(request_with());
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a"), "bytes of a");

  repository().commit({{"a", "other bytes"}});
  ASSERT_THAT(fetch(request_with()), IsOk());

  EXPECT_THAT(github->requests(), ElementsAre("POST /api/v3/app/installations/456/access_tokens"));
}

TEST_F(GitHubAppTest, WithoutATokenTheRepositoryIsNotThere) {
  EXPECT_THAT(fetch(GitRequest(server->url("/app/site.git"))),
              FailsWith(Errc::kUnauthorized, "wants some and there are none"));
}

TEST_F(GitHubAppTest, IsFoundByWhereItIsInstalled) {
  for (const auto* owner : {"team", "me"})
    EXPECT_THAT(fetch(request_with(
                    {{"githubAppInstallationID", ""}, {"githubAppInstallationOwner", owner}})),
                IsOk())
        << owner;
  EXPECT_THAT(
      fetch(request_with(
          {{"githubAppInstallationID", ""}, {"githubAppInstallationOwner", "strangers"}})),
      FailsWith(Errc::kUnauthorized, "the GitHub App 123 has no installation at strangers"));
}

struct RefusedApp {
  std::string name;
  Keys changes;
  std::string message;
};
void PrintTo(const RefusedApp& refused, std::ostream* out) {
  *out << refused.name;
}

class GitHubAppIsRefused : public GitHubAppTest,
                           public ::testing::WithParamInterface<RefusedApp> {};

TEST_P(GitHubAppIsRefused, BeforeTheServerOfTheRepositoryIsAsked) {
  const auto content = fetch(request_with(GetParam().changes));

  EXPECT_THAT(content, FailsWith(Errc::kUnauthorized, GetParam().message));
  EXPECT_THAT(server->requests(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(All, GitHubAppIsRefused,
                         ::testing::ValuesIn(std::vector<RefusedApp>{
                             {"KeyOfSomebodyElse",
                              {{"githubAppPrivateKey", kiln::testing::MadeRsaKey().pem()}},
                              "does not take the key of the GitHub App 123"},
                             {"KeyOfAnotherApp",
                              {{"githubAppID", "124"}},
                              "githubAppID is not its App's (Integration not found, 401)"},
                             {"NotInstalled",
                              {{"githubAppInstallationID", "9"}},
                              "the GitHub App 123 has no installation 9"},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(GitHubAppTest, ATokenThatIsTakenBackIsReplacedAndTheCacheIsStillThere) {
  ASSERT_THAT(fetch(request_with()), IsOk());
  const auto packs = packs_in_cache();
  github->revoke_tokens();

  EXPECT_THAT(fetch(request_with()),
              FailsWith(Errc::kUnauthorized, "does not take the credentials"));
  EXPECT_THAT(fetch(request_with()), IsOk());

  EXPECT_THAT(github->tokens(), SizeIs(2));
  EXPECT_EQ(packs_in_cache(), packs);
}

TEST_F(GitHubAppTest, NeitherKeyNorTokenIsToBeSeenWhileGitRuns) {
  const SessionFolder sessions;
  server->stop();
  std::vector<SeenProcess> seen;
  std::thread watcher([&] { seen = watch_then_resume(sessions, *server); });

  const auto content = fetch(request_with());

  watcher.join();
  ASSERT_THAT(content, IsOk());
  ASSERT_FALSE(seen.empty());
  const auto token = github->tokens().at(0);
  for (const auto& process : seen)
    for (const auto& text : {process.command_line, process.environment}) {
      EXPECT_THAT(text, Not(HasSubstr(token)));
      EXPECT_THAT(text, Not(HasSubstr(base64_encode("x-access-token:" + token))));
      EXPECT_THAT(text, Not(HasSubstr("PRIVATE KEY")));
    }
}

TEST_F(GitHubAppTest, AnApiThatRedirectsIsNotFollowed) {
  http::ScriptedServer stranger([](http::Peer& peer) { peer.read(); });
  github->redirect_to(stranger.url("/app/installations/456/access_tokens").str());

  EXPECT_THAT(fetch(request_with()),
              FailsWith(Errc::kInvalid, "write that address as githubAppBaseURL"));
  EXPECT_EQ(stranger.connections(), 0);
}

TEST_F(GitHubAppTest, TheApiIsTrustedByTheAuthorityOfTheSecretAlone) {
  const auto& made = *http::Certificates::get();
  const FakeGitHub secure(made_key().public_pem(),
                          http::ServerTls{made.server.cert_pem, made.server.key_pem, ""});

  EXPECT_THAT(fetch(request_with({{"githubAppBaseURL", secure.url()}})),
              FailsWith(Errc::kUnavailable, "certificate"));
  EXPECT_THAT(secure.tokens(), IsEmpty());
  // Its tokens are not those that the server of the repository knows.
  EXPECT_THAT(fetch(request_with({{"githubAppBaseURL", secure.url()}, {"ca.crt", made.ca_pem}})),
              FailsWith(Errc::kUnauthorized, "does not take the credentials"));
  EXPECT_THAT(secure.tokens(), SizeIs(1));
}

TEST_F(GitHubAppTest, AnApiThatTheEgressPolicyDeniesIsNeverAsked) {
  http::EgressPolicy::Rules rules;
  rules.deny_loopback = true;
  http_options.egress = http::EgressPolicy(rules);
  new_client();

  EXPECT_THAT(fetch(request_with()), FailsWith(Errc::kEgressDenied, "127.0.0.1"));
  EXPECT_THAT(github->requests(), IsEmpty());
}

}  // namespace
}  // namespace kiln::source
