// How the client answers what registries and token servers ask for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const oci::Digest kBlob = oci::Digest::of("blob");
const std::string kHead = "HEAD " + blobs_of_shop(kBlob);
const std::string kTokenUrl = "https://auth.test/token?service=r.test";
const std::string kPullToken = "GET " + kTokenUrl + "&scope=repository%3Ashop%3Apull";

void challenge(Scripted& world, const std::string& value) {
  world.http.answer(401, "", {{"WWW-Authenticate", value}});
}

void token(Scripted& world, const std::string& value, int lifetime = 300) {
  world.http.answer(
      200, R"({"token":")" + value + R"(","expires_in":)" + std::to_string(lifetime) + "}");
}

/// Asks for a blob that is not there: one HEAD, of which nothing is remembered.
Result<bool> look(Scripted& world, Access access = {}) {
  return testing::run_task(world.client->has_blob(kShop, kBlob, std::move(access)));
}

TEST(RegistryAuth, AnonymousTokenIsAskedForOnceAndKept) {
  Scripted world;
  challenge(world, kBearer);
  token(world, "tok");
  world.http.answer(404);
  world.http.answer(404);

  ASSERT_TRUE(look(world));
  ASSERT_TRUE(look(world));

  EXPECT_THAT(world.lines(), ElementsAre(kHead, kPullToken, kHead, kHead));
  EXPECT_EQ(world.authorization(0), "");
  EXPECT_EQ(world.authorization(1), "");
  EXPECT_EQ(world.authorization(2), "Bearer tok");
  EXPECT_EQ(world.authorization(3), "Bearer tok");
}

TEST(RegistryAuth, TokenIsRenewedAtFourFifthsOfItsLifeWithoutAnother401) {
  Scripted world;
  challenge(world, kBearer);
  token(world, "one", 100);
  world.http.answer(404);
  ASSERT_TRUE(look(world));

  world.clock.advance(seconds(79));
  world.http.answer(404);
  ASSERT_TRUE(look(world));
  world.clock.advance(seconds(2));
  token(world, "two", 100);
  world.http.answer(404);
  ASSERT_TRUE(look(world));

  EXPECT_THAT(world.lines(), ElementsAre(kHead, kPullToken, kHead, kHead, kPullToken, kHead));
  EXPECT_EQ(world.authorization(3), "Bearer one");
  EXPECT_EQ(world.authorization(5), "Bearer two");
}

TEST(RegistryAuth, TokenThatIsRefusedEarlyIsRenewedAndTheRequestReplayedWithItsBody) {
  Scripted world;
  challenge(world, kBearer);
  token(world, "one");
  world.http.answer(201);
  challenge(world, kBearer);
  token(world, "two");
  world.http.answer(201);
  const oci::RawManifest manifest(std::string(oci::media_type::kOciManifest), "{}");

  for (int i = 0; i < 2; ++i) {
    const auto put = testing::run_task(world.client->put_manifest(kShop, "v1", manifest, {}));
    ASSERT_TRUE(put) << put.error().message;
  }

  EXPECT_EQ(world.authorization(3), "Bearer one");
  EXPECT_EQ(world.authorization(5), "Bearer two");
  EXPECT_EQ(fakes::body_text(world.http.seen()[5]), "{}");
}

TEST(RegistryAuth, BasicIsRememberedSoThatTheNextRequestIsOne) {
  Scripted world;
  challenge(world, R"(Basic realm="r")");
  world.http.answer(404);
  world.http.answer(404);
  const auto access = access_with({login("me", "secret")});

  ASSERT_TRUE(look(world, access));
  ASSERT_TRUE(look(world, access));

  EXPECT_THAT(world.lines(), ElementsAre(kHead, kHead, kHead));
  EXPECT_EQ(world.authorization(0), "");
  EXPECT_EQ(world.authorization(1), basic("me:secret"));
  EXPECT_EQ(world.authorization(2), basic("me:secret"));
}

TEST(RegistryAuth, BearerIsChosenOverBasic) {
  Scripted world;
  world.http.answer(401, "",
                    {{"WWW-Authenticate", "Basic realm=\"r\""}, {"WWW-Authenticate", kBearer}});
  token(world, "tok");
  world.http.answer(404);

  ASSERT_TRUE(look(world, access_with({login("me", "secret")})));

  EXPECT_EQ(world.lines()[1], kPullToken + "&account=me");
  EXPECT_EQ(world.authorization(1), basic("me:secret"));
  EXPECT_EQ(world.authorization(2), "Bearer tok");
}

struct Refusal {
  std::string name;
  bool with_credentials;
  std::string scheme;
  std::string message;
};

class RegistryRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(RegistryRefuses, SayingWhetherCredentialsWereGiven) {
  Scripted world;
  world.http.otherwise([](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    if (asked.url.host() == "auth.test")
      return fakes::ScriptedAnswer(401, R"({"details":"incorrect username or password"})");
    return fakes::ScriptedAnswer(401, "", {{"WWW-Authenticate", GetParam().scheme}});
  });
  std::vector<auth::Credential> credentials;
  if (GetParam().with_credentials) credentials.push_back(login("me", "hunter2"));

  const auto found = look(world, access_with(credentials));

  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().code, Errc::kUnauthorized);
  EXPECT_EQ(found.error().message, GetParam().message);
  EXPECT_LE(world.lines().size(), 3u);
}

INSTANTIATE_TEST_SUITE_P(
    Table, RegistryRefuses,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"BasicWithout", false, "Basic realm=\"r\"",
         "r.test asks for credentials and none were given (shop)"},
        {"BasicWith", true, "Basic realm=\"r\"", "r.test refused the credentials (shop)"},
        {"BearerWithout", false, kBearer,
         "r.test asks for credentials and none were given (shop): incorrect username or password"},
        {"BearerWith", true, kBearer,
         "r.test refused the credentials (shop): incorrect username or password"},
        {"NoChallenge", true, "Digest x=y", "r.test refused the credentials (shop)"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(RegistryAuth, FreshTokenThatIsRefusedIsTheEnd) {
  Scripted world;
  challenge(world, kBearer);
  token(world, "tok");
  challenge(world, kBearer + ",error=\"insufficient_scope\"");

  const auto found = look(world, access_with({login("me", "secret")}));

  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().code, Errc::kUnauthorized);
  EXPECT_EQ(world.http.seen().size(), 3u);
}

TEST(RegistryAuth, TheNextCredentialIsTriedAndThenPreferred) {
  Scripted world;
  world.http.otherwise([](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    if (asked.headers.get("Authorization") == basic("good:1")) return fakes::ScriptedAnswer(404);
    return fakes::ScriptedAnswer(401, "", {{"WWW-Authenticate", "Basic realm=\"r\""}});
  });
  const auto access = access_with({login("bad", "1"), login("good", "1")});

  ASSERT_TRUE(look(world, access));
  EXPECT_EQ(world.http.seen().size(), 4u);
  ASSERT_TRUE(look(world, access));

  EXPECT_EQ(world.http.seen().size(), 5u);
  EXPECT_EQ(world.authorization(4), basic("good:1"));
}

TEST(RegistryAuth, ACredentialThatMayNotIsFollowedByOneThatMay) {
  Scripted world;
  challenge(world, "Basic realm=\"r\"");
  world.http.answer(403);
  challenge(world, "Basic realm=\"r\"");
  world.http.answer(404);

  const auto found = look(world, access_with({login("reader", "1"), login("writer", "1")}));

  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(world.authorization(3), basic("writer:1"));
}

TEST(RegistryAuth, IdentityTokenIsPosted) {
  Scripted world;
  auth::Credential credential;
  credential.identity_token = "refresh";
  challenge(world, kBearer);
  world.http.answer(200, R"({"access_token":"tok"})");
  world.http.answer(404);

  ASSERT_TRUE(look(world, access_with({credential})));

  EXPECT_EQ(world.lines()[1], "POST https://auth.test/token");
  EXPECT_THAT(fakes::body_text(world.http.seen()[1]), EndsWith("&refresh_token=refresh"));
  EXPECT_EQ(world.authorization(1), "");
  EXPECT_EQ(world.authorization(2), "Bearer tok");
}

TEST(RegistryAuth, IdentityTokenFallsBackToGet) {
  for (const int status : {404, 405}) {
    Scripted world;
    auth::Credential credential;
    credential.username = "me";
    credential.identity_token = "refresh";
    challenge(world, kBearer);
    world.http.answer(status);
    token(world, "tok");
    world.http.answer(404);

    ASSERT_TRUE(look(world, access_with({credential})));

    EXPECT_EQ(world.lines()[2], kPullToken + "&account=me");
    EXPECT_EQ(world.authorization(2), basic("me:refresh"));
  }
}

TEST(RegistryAuth, RegistryTokenGoesAsItIs) {
  Scripted world;
  auth::Credential credential;
  credential.registry_token = "ready";
  world.http.answer(404);

  ASSERT_TRUE(look(world, access_with({credential})));

  EXPECT_EQ(world.authorization(0), "Bearer ready");
}

TEST(RegistryAuth, ScopesOfARepositoryOnlyGrow) {
  Scripted world;
  challenge(world, kBearer);
  token(world, "pull");
  world.http.answer(404);
  token(world, "push");
  world.http.answer(201);
  world.http.answer(404);

  ASSERT_TRUE(look(world));
  const oci::RawManifest manifest(std::string(oci::media_type::kOciManifest), "{}");
  ASSERT_TRUE(testing::run_task(world.client->put_manifest(kShop, "v1", manifest, {})));
  ASSERT_TRUE(look(world));

  EXPECT_EQ(world.lines()[3], "GET " + kTokenUrl + "&scope=repository%3Ashop%3Apush%2Cpull");
  EXPECT_EQ(world.authorization(4), "Bearer push");
  EXPECT_EQ(world.authorization(5), "Bearer push");
}

TEST(RegistryAuth, ParallelRequestsShareOneQuestionToTheTokenServer) {
  Scripted world;
  int tokens = 0;
  world.http.otherwise([&](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    if (asked.url.host() == "auth.test")
      return fakes::ScriptedAnswer(200, R"({"token":"t)" + std::to_string(++tokens) + "\"}");
    if (asked.headers.has("Authorization")) return fakes::ScriptedAnswer(404);
    return fakes::ScriptedAnswer(401, "", {{"WWW-Authenticate", kBearer}});
  });

  std::vector<Task<Result<bool>>> looks;
  for (int i = 0; i < 5; ++i)
    looks.push_back(world.client->has_blob(kShop, oci::Digest::of(std::to_string(i)), {}));
  for (const auto& found : run_together(std::move(looks))) EXPECT_TRUE(found);

  EXPECT_EQ(tokens, 1);
}

TEST(RegistryAuth, UsersDoNotShareTokens) {
  Scripted world;
  for (const auto user : {"a", "b"}) {
    challenge(world, kBearer);
    token(world, user);
    world.http.answer(404);
    ASSERT_TRUE(look(world, access_with({login(user, "1")})));
  }
  EXPECT_EQ(world.authorization(2), "Bearer a");
  EXPECT_EQ(world.authorization(3), "");
  EXPECT_EQ(world.authorization(5), "Bearer b");
}

// --- Attacks -------------------------------------------------------------------------------------

TEST(RegistryAuth, ARealmWithoutTlsIsNotSpokenTo) {
  Scripted world;
  challenge(world, R"(Bearer realm="http://169.254.169.254/latest/meta-data")");

  const auto found = look(world, access_with({login("me", "secret")}));

  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().code, Errc::kEgressDenied);
  EXPECT_EQ(world.http.seen().size(), 1u);
}

TEST(RegistryAuth, ARealmOnAnotherHostIsMarkedForTheConnector) {
  Scripted world;
  fakes::ScriptedAnswer unauthorized(401, "", {{"WWW-Authenticate", kBearer}});
  unauthorized.peer = http::AddressKind::kPrivate;
  world.http.answer(unauthorized);
  token(world, "tok");
  world.http.answer(404);

  ASSERT_TRUE(look(world));

  EXPECT_EQ(world.http.seen()[1].named_by, http::AddressKind::kPrivate);
  EXPECT_EQ(world.http.seen()[2].named_by, std::nullopt);
}

TEST(RegistryAuth, CredentialsDoNotGoToAnotherHostWithoutTls) {
  Scripted world;
  challenge(world, R"(Bearer realm="http://auth.test/token?a=secretquery")");
  const oci::Repository local{"localhost:5000", "shop"};

  const auto found =
      testing::run_task(world.client->has_blob(local, kBlob, access_with({login("me", "secret")})));

  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().code, Errc::kEgressDenied);
  EXPECT_THAT(found.error().message,
              HasSubstr("http://auth.test/token is another host without TLS"));
  EXPECT_THAT(found.error().message, Not(HasSubstr("secretquery")));
  EXPECT_EQ(world.http.seen().size(), 1u);
}

TEST(RegistryAuth, AnOversizedTokenAnswerIsRefused) {
  Scripted world;
  challenge(world, kBearer);
  world.http.answer(200, R"({"token":")" + std::string(70 * 1024, 'x') + "\"}");

  const auto found = look(world);

  ASSERT_TRUE(found.has_error());
  EXPECT_THAT(found.error().message,
              StartsWith("asking for a token for r.test: the response is larger"));
}

TEST(RegistryAuth, SkippingVerificationHoldsForTheRegistryAloneAndNotForItsTokenServer) {
  Scripted world;
  Access access;
  access.insecure = true;
  challenge(world, kBearer);
  token(world, "tok");
  world.http.answer(404);

  ASSERT_TRUE(look(world, access));

  ASSERT_TRUE(world.http.seen()[0].tls);
  EXPECT_TRUE(world.http.seen()[0].tls->insecure_skip_verify);
  ASSERT_TRUE(world.http.seen()[1].tls);
  EXPECT_FALSE(world.http.seen()[1].tls->insecure_skip_verify);
  EXPECT_TRUE(world.http.seen()[2].tls->insecure_skip_verify);
}

// --- Ways to the registry ------------------------------------------------------------------------

TEST(RegistryAccess, InsecureTriesHttpsFirstAndRemembersWhatAnswers) {
  Scripted world;
  Access access;
  access.insecure = true;
  world.http.fail(Error(Errc::kUnavailable, "not TLS"));
  world.http.answer(404);
  world.http.answer(404);

  ASSERT_TRUE(look(world, access));
  ASSERT_TRUE(look(world, access));

  const auto path = "/v2/shop/blobs/" + kBlob.str();
  EXPECT_THAT(world.lines(), ElementsAre("HEAD https://r.test" + path, "HEAD http://r.test" + path,
                                         "HEAD http://r.test" + path));
  EXPECT_THAT(world.waits, ElementsAre());
}

TEST(RegistryAccess, OthersNeverFallBackToPlainHttp) {
  Scripted world;
  for (int i = 0; i < 3; ++i) world.http.fail(Error(Errc::kUnavailable, "not TLS"));

  const auto found = look(world);

  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().message, "r.test/shop: not TLS");
  for (const auto& line : world.lines()) EXPECT_THAT(line, StartsWith("HEAD https://"));
}

TEST(RegistryAccess, DockerHubHasAHostOfItsOwn) {
  Scripted world;
  world.http.answer(404);
  const oci::Repository nginx{"index.docker.io", "library/nginx"};

  ASSERT_TRUE(testing::run_task(world.client->has_blob(nginx, kBlob, {})));

  EXPECT_EQ(world.lines()[0],
            "HEAD https://registry-1.docker.io/v2/library/nginx/blobs/" + kBlob.str());
}

TEST(RegistryAccess, RetriesWhatMayPass) {
  Scripted world;
  world.http.answer(503);
  world.http.fail(Error(Errc::kUnavailable, "connection was cut"));
  world.http.answer(404);

  ASSERT_TRUE(look(world));

  EXPECT_THAT(world.waits, ElementsAre(milliseconds(1000), milliseconds(3000)));
}

TEST(RegistryAccess, LongWaitsAreTheCallers) {
  Scripted world;
  world.http.answer(429, R"({"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]})",
                    {{"Retry-After", "3600"}});
  const auto reference = *oci::Reference::parse("r.test/shop:v1");

  const auto manifest = testing::run_task(world.client->fetch_manifest(reference, {}));

  ASSERT_TRUE(manifest.has_error());
  EXPECT_EQ(manifest.error().code, Errc::kRateLimited);
  EXPECT_EQ(manifest.error().retry_after, seconds(3600));
  EXPECT_THAT(world.waits, ElementsAre());
}

}  // namespace
}  // namespace kiln::registry
