#include "core/source/github_app.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/source/git_credentials.h"
#include "tests/support/json_web_token.h"
#include "tests/support/manual_clock.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/support/scripted_http.h"

namespace kiln::source {
namespace {

using fakes::ScriptedClient;
using kiln::testing::claims_of;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::MadeRsaKey;
using kiln::testing::run_task;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Keys = GitHubApp::Keys;

const MadeRsaKey& made_key() {
  static const MadeRsaKey kKey;
  return kKey;
}

GitUrl url(const std::string& text = "https://github.com/team/site") {
  return *GitUrl::parse(text);
}

/// The keys of an App, `changes` made: "" takes one away.
Keys keys_with(const Keys& changes = {}) {
  Keys keys = {{"githubAppID", "123\n"},
               {"githubAppInstallationID", "456"},
               {"githubAppPrivateKey", made_key().pem()}};
  for (const auto& [key, value] : changes) {
    keys[key] = value;
    if (value.empty()) keys.erase(key);
  }
  return keys;
}

Result<std::shared_ptr<const GitHubApp>> parse(const Keys& changes = {}, const GitUrl& at = url()) {
  return GitHubApp::parse(keys_with(changes), at, http::TlsOptions());
}

struct BadApp {
  std::string name;
  Keys changes;
  std::string message;
  std::string at = "https://github.com/team/site";
};
void PrintTo(const BadApp& bad, std::ostream* out) {
  *out << bad.name;
}

class GitHubAppRefuses : public ::testing::TestWithParam<BadApp> {};

TEST_P(GitHubAppRefuses, NamingTheKey) {
  EXPECT_THAT(parse(GetParam().changes, url(GetParam().at)),
              FailsWith(Errc::kInvalid, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Keys, GitHubAppRefuses,
    ::testing::ValuesIn(std::vector<BadApp>{
        {"NoId", {{"githubAppID", ""}}, "githubAppID is missing"},
        {"AName", {{"githubAppID", "my-app"}}, "githubAppID is no number: take the App ID"},
        {"NoKey", {{"githubAppPrivateKey", ""}}, "githubAppPrivateKey is missing"},
        {"AKeyThatIsNoPem", {{"githubAppPrivateKey", "abc"}}, "githubAppPrivateKey is no PEM"},
        {"NoInstallation",
         {{"githubAppInstallationID", ""}},
         "githubAppInstallationID is missing: write it, or in githubAppInstallationOwner"},
        {"TwoInstallations",
         {{"githubAppInstallationOwner", "team"}},
         "githubAppInstallationID and githubAppInstallationOwner: write one of them"},
        {"AnInstallationThatIsNoNumber",
         {{"githubAppInstallationID", "../../user"}},
         "githubAppInstallationID is no number"},
        {"AnOwnerThatIsAPath",
         {{"githubAppInstallationID", ""}, {"githubAppInstallationOwner", "a/../b"}},
         "githubAppInstallationOwner is no name of an organization or user"},
        {"ABaseThatIsNoUrl", {{"githubAppBaseURL", "github.example.com"}}, "githubAppBaseURL: "},
        {"ABaseWithAQuery",
         {{"githubAppBaseURL", "https://h.example/?a=b"}},
         "githubAppBaseURL must not have a query"},
        {"AnotherServerWithoutItsBase",
         {},
         "githubAppBaseURL is missing, and url is not on github.com: write the address of its "
         "API, https://git.example.com/api/v3",
         "https://git.example.com/team/site"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(GitHubApp, ProvesItselfForAFewMinutesWithRoomForClocksThatDiffer) {
  const fakes::ManualClock clock;
  const auto proof = (*parse())->proof(clock.now());

  ASSERT_THAT(proof, IsOk());
  const auto claims = claims_of(*proof, made_key().public_pem());
  ASSERT_TRUE(claims);
  const auto now = clock.now().time_since_epoch().count();
  EXPECT_EQ(*claims, (Json{{"iat", now - 60}, {"exp", now + 480}, {"iss", "123"}}));
}

TEST(GitHubApp, HasTheApiOfGitHubOrTheOneThatIsNamed) {
  EXPECT_EQ((*parse())->api("/app").str(), "https://api.github.com/app");
  EXPECT_EQ((*parse({{"githubAppBaseURL", "https://h.example/api/v3/"}}))->api("/app").str(),
            "https://h.example/api/v3/app");
}

TEST(GitHubApp, ShowsACertificateOfOnesOwnToTheRepositorysServerAlone) {
  http::TlsOptions tls;
  tls.ca_pem = "authority";
  tls.client_cert_pem = "certificate";
  tls.client_key_pem = "key";
  const Keys same = keys_with({{"githubAppBaseURL", "https://h.example/api/v3"}});

  const auto own = GitHubApp::parse(same, url("https://h.example/a"), tls).value();
  const auto other = GitHubApp::parse(same, url("https://other.example/a"), tls).value();

  EXPECT_EQ(own->tls()->client_cert_pem, "certificate");
  EXPECT_EQ(other->tls()->client_cert_pem + other->tls()->client_key_pem, "");
  EXPECT_EQ(other->tls()->ca_pem, "authority");
}

TEST(GitHubAppCredentials, AreTheSameOnesWithAnyToken) {
  const auto who = GitCredentials::parse(keys_with({{"password", "not used"}}), url()).value();
  const auto one = who.with_app_token("token-1");
  const auto other = who.with_app_token("token-2");

  EXPECT_EQ(who.authorization(), "");
  EXPECT_EQ(one.authorization(), "Basic " + base64_encode("x-access-token:token-1"));
  EXPECT_EQ(one.fingerprint(), other.fingerprint());
  EXPECT_EQ(one.without_secrets("of token-1 and " + base64_encode("x-access-token:token-1")),
            "of *** and ***");
}

TEST(GitHubAppCredentials, DifferFromThoseOfAnotherInstallation) {
  const auto one = GitCredentials::parse(keys_with(), url()).value();
  const auto other =
      GitCredentials::parse(keys_with({{"githubAppInstallationID", "7"}}), url()).value();

  EXPECT_NE(one.fingerprint(), other.fingerprint());
}

class GitHubTokensTest : public ::testing::Test {
 protected:
  Result<std::string> token(const Keys& changes = {}) {
    return run_task(tokens.token(parse(changes).value()));
  }
  /// A token that ends an hour after `date`, which the server takes for now.
  void give(const std::string& token, WallTime date) {
    http.answer(
        201,
        dump_json({{"token", token}, {"expires_at", format_rfc3339(date + std::chrono::hours(1))}}),
        {{"Date", http::format_http_date(date)}});
  }

  fakes::ManualClock clock;
  ScriptedClient http;
  GitHubTokens tokens{http, clock};
};

TEST_F(GitHubTokensTest, AreAskedForWithAProofOfTheApp) {
  give("abc", clock.now());

  EXPECT_EQ(*token(), "abc");

  ASSERT_THAT(http.seen_lines(),
              ElementsAre("POST https://api.github.com/app/installations/456/access_tokens"));
  const std::string sent(http.seen()[0].headers.get("Authorization"));
  ASSERT_TRUE(sent.starts_with("Bearer "));
  EXPECT_TRUE(claims_of(sent.substr(7), made_key().public_pem()));
  EXPECT_EQ(http.seen()[0].max_redirects, 0);
}

TEST_F(GitHubTokensTest, AreKeptUntilShortlyBeforeTheirEnd) {
  give("one", clock.now());
  ASSERT_EQ(*token(), "one");
  clock.advance(std::chrono::minutes(54));
  ASSERT_EQ(*token(), "one");

  give("two", clock.now());
  clock.advance(std::chrono::minutes(2));
  EXPECT_EQ(*token(), "two");
}

TEST_F(GitHubTokensTest, EndByTheServersClockWhereOursDiffers) {
  give("one", clock.now() - std::chrono::hours(3));
  ASSERT_EQ(*token(), "one");
  clock.advance(std::chrono::minutes(54));

  EXPECT_EQ(*token(), "one");
}

TEST_F(GitHubTokensTest, ThatDoNotSayWhenTheyEndAreUsedOnce) {
  http.answer(201, R"({"token": "one"})");
  ASSERT_EQ(*token(), "one");
  give("two", clock.now());

  EXPECT_EQ(*token(), "two");
}

TEST_F(GitHubTokensTest, OfOneAppAreNotThoseOfAnotherOrOfAnotherKey) {
  give("one", clock.now());
  give("two", clock.now());
  give("three", clock.now());
  const MadeRsaKey other;

  EXPECT_EQ(*token(), "one");
  EXPECT_EQ(*token({{"githubAppID", "124"}}), "two");
  EXPECT_EQ(*token({{"githubAppPrivateKey", other.pem()}}), "three");
}

TEST_F(GitHubTokensTest, ThatWereNotTakenAreForgotten) {
  give("one", clock.now());
  give("two", clock.now());
  ASSERT_EQ(*token(), "one");

  tokens.forget(*parse().value());

  EXPECT_EQ(*token(), "two");
}

TEST_F(GitHubTokensTest, OfAnOwnerComeFromTheInstallationThere) {
  http.answer(404, R"({"message": "Not Found"})");
  http.answer(200, R"({"id": 99, "account": {"login": "me"}})");
  give("abc", clock.now());

  EXPECT_EQ(*token({{"githubAppInstallationID", ""}, {"githubAppInstallationOwner", "me"}}), "abc");

  EXPECT_THAT(http.seen_lines(),
              ElementsAre("GET https://api.github.com/orgs/me/installation",
                          "GET https://api.github.com/users/me/installation",
                          "POST https://api.github.com/app/installations/99/access_tokens"));
}

struct BadAnswer {
  std::string name;
  int status;
  std::string body;
  fakes::HeaderList headers;
  Errc code;
  std::string message;
};
void PrintTo(const BadAnswer& bad, std::ostream* out) {
  *out << bad.name;
}

class NoGitHubToken : public GitHubTokensTest, public ::testing::WithParamInterface<BadAnswer> {};

TEST_P(NoGitHubToken, IsSaidWithoutASecret) {
  http.answer(GetParam().status, GetParam().body, GetParam().headers);

  const auto answer = token();

  ASSERT_THAT(answer, FailsWith(GetParam().code, GetParam().message));
  EXPECT_THAT(answer.error().message, Not(HasSubstr("eyJ")));
}

INSTANTIATE_TEST_SUITE_P(
    Answers, NoGitHubToken,
    ::testing::ValuesIn(std::vector<BadAnswer>{
        {"WrongKey",
         401,
         R"({"message": "A JSON web token could not be decoded"})",
         {},
         Errc::kUnauthorized,
         "api.github.com does not take the key of the GitHub App 123: githubAppPrivateKey is none "
         "of its keys (any more), or githubAppID is not its App's (A JSON web token could not be "
         "decoded, 401)"},
        {"AClockThatIsAhead",
         401,
         R"({"message": "'Expiration time' claim ('exp') is too far in the future"})",
         {{"Date", "Wed, 31 Dec 2025 23:00:00 GMT"}},
         Errc::kUnauthorized,
         "; this machine's clock is 1h ahead of the server's: set it right"},
        {"AClockThatIsBehind",
         401,
         "",
         {{"Date", "Thu, 01 Jan 2026 00:20:00 GMT"}},
         Errc::kUnauthorized,
         "; this machine's clock is 20m behind the server's: set it right"},
        {"NotInstalled",
         404,
         R"({"message": "Not Found"})",
         {},
         Errc::kUnauthorized,
         "the GitHub App 123 has no installation 456: correct githubAppInstallationID, or install "
         "it again"},
        {"Suspended",
         403,
         R"({"message": "This installation has been suspended"})",
         {},
         Errc::kDenied,
         "api.github.com forbids it to the GitHub App 123 (This installation has been suspended, "
         "403)"},
        {"TooOften", 429, "", {}, Errc::kRateLimited, "asked too often (429)"},
        {"TooOftenAs403",
         403,
         "",
         {{"X-RateLimit-Remaining", "0"}},
         Errc::kRateLimited,
         "asked too often (403)"},
        {"Moved",
         301,
         "",
         {{"Location", "https://elsewhere.example/"}},
         Errc::kInvalid,
         "redirects to another address, which is not followed: write that address as "
         "githubAppBaseURL (301)"},
        {"Refused", 422, "", {}, Errc::kUnauthorized, "gives the GitHub App 123 no token (422)"},
        {"Down", 502, "<html>", {}, Errc::kUnavailable, "api.github.com gives no token (502)"},
        {"NoJson", 201, "<html>", {}, Errc::kUnavailable, "something that is no token"},
        {"NoToken", 201, "{}", {}, Errc::kUnavailable, "something that is no token"},
        {"AHeaderInTheToken",
         201,
         R"({"token": "a\r\nX-Evil: 1"})",
         {},
         Errc::kUnavailable,
         "something that is no token"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(GitHubTokensTest, AnOwnerWithoutInstallationIsNamed) {
  http.answer(404);
  http.answer(404);

  EXPECT_THAT(token({{"githubAppInstallationID", ""}, {"githubAppInstallationOwner", "team"}}),
              FailsWith(Errc::kUnauthorized,
                        "the GitHub App 123 has no installation at team: install it there, or "
                        "correct githubAppInstallationOwner"));
}

TEST_F(GitHubTokensTest, AnAnswerAboutAnInstallationThatIsNoneIsNotTaken) {
  http.answer(200, R"({"id": "7/../8"})");

  EXPECT_THAT(token({{"githubAppInstallationID", ""}, {"githubAppInstallationOwner", "team"}}),
              FailsWith(Errc::kUnavailable, "something that is no installation"));
}

}  // namespace
}  // namespace kiln::source
