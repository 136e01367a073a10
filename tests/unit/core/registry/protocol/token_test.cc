#include "core/registry/protocol/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/encoding.h"

namespace kiln::registry::protocol {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

http::ResponseHead answer_from(const std::string& url,
                               http::AddressKind peer = http::AddressKind::kPublic) {
  http::ResponseHead head(*http::Url::parse(url));
  head.status = 401;
  head.peer = peer;
  return head;
}

Challenge bearer(const std::string& realm) {
  Challenge challenge;
  challenge.scheme = "bearer";
  challenge.params = {{"realm", realm}, {"service", "svc"}};
  return challenge;
}

// --- Attack A1: what a registry may name as its token server -------------------------------------

struct RealmCase {
  std::string name, registry, realm;
  std::string url;  ///< "" = refused.
  bool credentials = false;
  bool foreign = false;  ///< named_by is set, so that the connector judges the address.
};

class Realms : public testing::TestWithParam<RealmCase> {};

TEST_P(Realms, AreJudged) {
  const auto& param = GetParam();
  const auto realm = judge_realm(
      bearer(param.realm), answer_from(param.registry + "/v2/x", http::AddressKind::kPrivate));

  if (param.url.empty()) {
    ASSERT_TRUE(realm.has_error());
    EXPECT_THAT(realm.error().message, Not(HasSubstr("secret-query")));
    return;
  }
  ASSERT_TRUE(realm) << realm.error().message;
  EXPECT_EQ(realm->url.str(), param.url);
  EXPECT_EQ(realm->service, "svc");
  EXPECT_EQ(realm->may_see_credentials, param.credentials);
  EXPECT_EQ(realm->named_by,
            param.foreign ? std::optional(http::AddressKind::kPrivate) : std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(
    Judge, Realms,
    testing::ValuesIn(std::vector<RealmCase>{
        {"AnotherHostOverHttps", "https://r.test", "https://auth.test/token",
         "https://auth.test/token", true, true},
        {"SameOrigin", "https://r.test", "https://r.test/token", "https://r.test/token", true,
         false},
        {"Relative", "https://r.test", "/token?a=b", "https://r.test/token?a=b", true, false},
        {"SameHostOtherPort", "https://r.test", "https://r.test:8443/t", "https://r.test:8443/t",
         true, true},
        {"MetadataService", "https://r.test", "http://169.254.169.254/latest?secret-query", ""},
        {"WithoutTls", "https://r.test", "http://auth.test/token?secret-query", ""},
        {"WithoutTlsOnTheSameHost", "https://r.test", "http://r.test/token", ""},
        {"OtherScheme", "https://r.test", "file:///etc/passwd", ""},
        {"NotAUrl", "https://r.test", "https://", ""},
        {"PlainRegistryPlainSameHost", "http://localhost:5000", "http://localhost:5001/t",
         "http://localhost:5001/t", true, true},
        {"PlainRegistryPlainOtherHost", "http://r.test", "http://auth.test/t", "http://auth.test/t",
         false, true},
        {"PlainRegistryHttpsOtherHost", "http://r.test", "https://auth.test/t",
         "https://auth.test/t", true, true},
    }),
    [](const auto& test) { return test.param.name; });

// --- Questions -----------------------------------------------------------------------------------

Realm realm_at(const std::string& url) {
  Realm realm(*http::Url::parse(url));
  realm.service = "registry.docker.io";
  realm.may_see_credentials = true;
  return realm;
}

Scopes push_and_mount() {
  auto scopes = Scopes::push("me/shop");
  scopes.add_all(Scopes::pull("library/nginx"));
  return scopes;
}

TEST(TokenGet, NamesServiceScopesAndAccount) {
  const auto request =
      token_get(realm_at("https://auth.test/token?keep=%2F"), push_and_mount(), "me", "pass:word");
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url.str(),
            "https://auth.test/token?keep=%2F&service=registry.docker.io"
            "&scope=repository%3Ame%2Fshop%3Apush%2Cpull&scope=repository%3Alibrary%2Fnginx%3Apull"
            "&account=me");
  EXPECT_EQ(request.headers.get("Authorization"), "Basic " + base64_encode("me:pass:word"));
  EXPECT_EQ(request.max_redirects, 0);
  EXPECT_EQ(request.response_limit_bytes, 64u * 1024);
}

TEST(TokenGet, AnonymouslyCarriesNeitherAccountNorAuthorization) {
  const auto request = token_get(realm_at("https://auth.test/token"), Scopes::pull("x"), "", "");
  EXPECT_FALSE(request.headers.has("Authorization"));
  EXPECT_THAT(request.url.query(), Not(HasSubstr("account")));
}

TEST(TokenGet, ATokenWithoutNameGoesUnderTheCustomaryOne) {
  const auto request = token_get(realm_at("https://auth.test/token"), Scopes::pull("x"), "", "idt");
  EXPECT_EQ(request.headers.get("Authorization"), "Basic " + base64_encode("<token>:idt"));
}

TEST(TokenGet, PassesOnWhoNamedTheRealm) {
  auto realm = realm_at("https://auth.test/token");
  realm.named_by = http::AddressKind::kPublic;
  EXPECT_EQ(token_get(realm, Scopes::pull("x"), "", "").named_by, http::AddressKind::kPublic);
  EXPECT_EQ(token_post(realm, Scopes::pull("x"), "idt").named_by, http::AddressKind::kPublic);
}

TEST(TokenPost, IsTheOauthForm) {
  const auto request =
      token_post(realm_at("https://auth.test/token"), push_and_mount(), "refresh&token");
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.headers.get("Content-Type"), "application/x-www-form-urlencoded");
  auto source = request.body.open();
  ASSERT_TRUE(source);
  EXPECT_EQ(*read_all(**source, 4096),
            "grant_type=refresh_token&client_id=kiln&service=registry.docker.io"
            "&scope=repository%3Ame%2Fshop%3Apush%2Cpull%20repository%3Alibrary%2Fnginx%3Apull"
            "&refresh_token=refresh%26token");
}

// --- Answers -------------------------------------------------------------------------------------

struct GoodToken {
  std::string name, body, value;
  seconds lifetime;
};

class TokenReads : public testing::TestWithParam<GoodToken> {};

TEST_P(TokenReads, EveryForm) {
  const auto token = parse_token(GetParam().body);
  ASSERT_TRUE(token) << token.error().message;
  EXPECT_EQ(token->value, GetParam().value);
  EXPECT_EQ(token->lifetime, GetParam().lifetime);
}

INSTANTIATE_TEST_SUITE_P(
    Parse, TokenReads,
    testing::ValuesIn(std::vector<GoodToken>{
        {"Token", R"({"token": "t", "expires_in": 300})", "t", seconds(300)},
        {"AccessToken", R"({"access_token": "a", "expires_in": 300})", "a", seconds(300)},
        {"TokenBeforeAccessToken", R"({"access_token": "a", "token": "t"})", "t", seconds(60)},
        {"EmptyTokenIsNone", R"({"access_token": "a", "token": ""})", "a", seconds(60)},
        {"WithoutExpiry", R"({"token": "t"})", "t", seconds(60)},
        {"ShortLives", R"({"token": "t", "expires_in": 5})", "t", seconds(60)},
        {"Negative", R"({"token": "t", "expires_in": -5})", "t", seconds(60)},
        {"Eternal", R"({"token": "t", "expires_in": 1e300})", "t", seconds(86400)},
        {"ExpiryAsText", R"({"token": "t", "expires_in": "300"})", "t", seconds(60)},
    }),
    [](const auto& test) { return test.param.name; });

struct BadToken {
  std::string name, body, why;
};

class TokenRejects : public testing::TestWithParam<BadToken> {};

TEST_P(TokenRejects, WithoutACopyOfIt) {
  const auto token = parse_token(GetParam().body);
  ASSERT_TRUE(token.has_error());
  EXPECT_EQ(token.error().code, Errc::kUnavailable);
  EXPECT_EQ(token.error().message, "the token server's answer " + GetParam().why);
}

INSTANTIATE_TEST_SUITE_P(Parse, TokenRejects,
                         testing::ValuesIn(std::vector<BadToken>{
                             {"Html", "<html>", "is not a JSON object"},
                             {"Null", "null", "is not a JSON object"},
                             {"NoToken", "{}", "has no token"},
                             {"TokenIsANumber", R"({"token": 5})", "has no token"},
                             {"LineBreak", R"({"token": "a\r\nX-Evil: b"})",
                              "has a token that no header may carry"},
                             {"TooLarge", R"({"token": ")" + std::string(65 * 1024, 'x') + "\"}",
                              "is larger than 64 KiB"},
                         }),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::registry::protocol
