#include "core/auth/docker_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/encoding.h"

namespace kiln::auth {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string one_entry(const std::string& key, const std::string& fields) {
  return R"({"auths": {")" + key + R"(": {)" + fields + "}}}";
}

std::string auth_field(const std::string& user_and_password) {
  return R"("auth": ")" + base64_encode(user_and_password) + R"(")";
}

Credential login(std::string username, std::string password) {
  Credential credential;
  credential.username = std::move(username);
  credential.password = std::move(password);
  return credential;
}

oci::Repository repository(std::string registry, std::string path) {
  return {std::move(registry), std::move(path)};
}

// --- Which key fits which repository -------------------------------------------------------------

struct Match {
  std::string name, key, registry, path;
  bool fits;
};

class DockerConfigMatches : public testing::TestWithParam<Match> {};

TEST_P(DockerConfigMatches, ExactHostsAndWholePathsOnly) {
  const auto& param = GetParam();
  const auto config = DockerConfig::parse(one_entry(param.key, auth_field("me:secret")));

  ASSERT_TRUE(config) << config.error().message;
  const auto found = config->find(repository(param.registry, param.path));

  if (param.fits)
    EXPECT_THAT(found, ElementsAre(login("me", "secret")));
  else
    EXPECT_THAT(found, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Keys, DockerConfigMatches,
    testing::ValuesIn(std::vector<Match>{
        {"PlainHost", "ghcr.io", "ghcr.io", "team/shop", true},
        {"HostInUpperCase", "GHCR.io", "ghcr.io", "team/shop", true},
        {"WithScheme", "https://ghcr.io", "ghcr.io", "team/shop", true},
        {"WithPlainScheme", "http://localhost:5000", "localhost:5000", "shop", true},
        {"WithSchemeAndApiPath", "https://r.example.com/v2/", "r.example.com", "shop", true},
        {"WithSchemeAndOldApiPath", "https://r.example.com/v1", "r.example.com", "shop", true},
        {"ApiPathThenRepository", "r.example.com/v2/team", "r.example.com", "team/shop", true},
        {"WithPort", "r.example.com:5000", "r.example.com:5000", "shop", true},
        {"HubsLegacyUrl", "https://index.docker.io/v1/", "index.docker.io", "library/nginx", true},
        {"HubsShortName", "docker.io", "index.docker.io", "library/nginx", true},
        {"HubsServerName", "registry-1.docker.io", "index.docker.io", "me/shop", true},
        {"PathItself", "ghcr.io/team", "ghcr.io", "team", true},
        {"BelowThePath", "ghcr.io/team/", "ghcr.io", "team/a/b", true},
        {"StarForOnePart", "*.azurecr.io", "shop.azurecr.io", "web", true},
        {"StarInsideOnePart", "1234.dkr.ecr.*-1.amazonaws.com",
         "1234.dkr.ecr.eu-west-1.amazonaws.com", "web", true},
        {"StarWithPort", "*.example.com:5000", "r.example.com:5000", "web", true},
        // Attack A14: a secret meant for one host must not reach another.
        {"HostAsPrefixOfAnother", "gcr.io", "gcr.io.evil.com", "shop", false},
        {"HostAsSuffixOfAnother", "gcr.io", "evilgcr.io", "shop", false},
        {"HostIsASubdomain", "gcr.io", "eu.gcr.io", "shop", false},
        {"HostIsAParent", "eu.gcr.io", "gcr.io", "shop", false},
        {"AnotherPort", "r.example.com:5000", "r.example.com:5001", "shop", false},
        {"PortOnlyInTheKey", "r.example.com:5000", "r.example.com", "shop", false},
        {"PortOnlyInTheReference", "r.example.com", "r.example.com:5000", "shop", false},
        {"KeyIsThePathOfAnotherHost", "gcr.io", "evil.com", "gcr.io/shop", false},
        {"HubIsNotItsLookalike", "docker.io", "index.docker.io.evil.com", "library/nginx", false},
        {"PathAsPrefixOfAName", "ghcr.io/team", "ghcr.io", "teamster/shop", false},
        {"PathBelowTheRepository", "ghcr.io/team/shop", "ghcr.io", "team", false},
        {"StarIsNotTwoParts", "*.azurecr.io", "a.b.azurecr.io", "web", false},
        {"StarIsNotNoPart", "*.azurecr.io", "azurecr.io", "web", false},
        {"StarIsNotAPrefix", "*.azurecr.io", "shop.azurecr.io.evil.com", "web", false},
        {"StarDoesNotReachThePort", "*.example.com", "r.example.com:5000", "web", false},
        {"ManyStarsAreNotSlow", "*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "web", false},
    }),
    [](const auto& test) { return test.param.name; });

// --- What an entry may hold ----------------------------------------------------------------------

struct GoodEntry {
  std::string name, fields;
  Credential expected;
};

Credential tokens(std::string username, std::string identity, std::string registry_token) {
  Credential credential;
  credential.username = std::move(username);
  credential.identity_token = std::move(identity);
  credential.registry_token = std::move(registry_token);
  return credential;
}

class DockerConfigReads : public testing::TestWithParam<GoodEntry> {};

TEST_P(DockerConfigReads, EveryFormOfACredential) {
  const auto config = DockerConfig::parse(one_entry("r.test", GetParam().fields));
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->find(repository("r.test", "shop")), ElementsAre(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    Entries, DockerConfigReads,
    testing::ValuesIn(std::vector<GoodEntry>{
        {"Auth", R"("auth": "bWU6c2VjcmV0")", login("me", "secret")},
        {"AuthWinsOverFields", R"("username": "x", "password": "y", "auth": "bWU6c2VjcmV0")",
         login("me", "secret")},
        {"Fields", R"("username": "me", "password": "secret", "email": "me@example.com")",
         login("me", "secret")},
        {"PasswordWithColons", auth_field("me:a:b:c"), login("me", "a:b:c")},
        {"LineBreakInsideAuth", auth_field("me:secret\n"), login("me", "secret")},
        {"LineBreakAfterAuth", R"("auth": "bWU6c2VjcmV0\n")", login("me", "secret")},
        {"AuthWithoutPadding", R"("auth": "bWU6c2VjcmV0ZQ")", login("me", "secrete")},
        {"NullsAreAbsent", R"("username": "me", "password": "secret", "auth": null)",
         login("me", "secret")},
        {"IdentityToken", R"("auth": "bWU6", "identitytoken": "refresh")",
         tokens("me", "refresh", "")},
        {"RegistryToken", R"("registrytoken": "bearer")", tokens("", "", "bearer")},
        {"UnknownFieldsAreIgnored", R"("username": "me", "password": "secret", "future": {})",
         login("me", "secret")},
    }),
    [](const auto& test) { return test.param.name; });

// --- What is refused -----------------------------------------------------------------------------

struct BadConfig {
  std::string name, json, why;
};

class DockerConfigRejects : public testing::TestWithParam<BadConfig> {};

TEST_P(DockerConfigRejects, NamingTheKeyAndNeverAValue) {
  const auto config = DockerConfig::parse(GetParam().json);
  ASSERT_TRUE(config.has_error());
  EXPECT_EQ(config.error().code, Errc::kInvalid);
  EXPECT_THAT(config.error().message, HasSubstr(GetParam().why));
  EXPECT_THAT(config.error().message, Not(HasSubstr("hunter2")));
  EXPECT_THAT(config.error().message, Not(HasSubstr(base64_encode("hunter2"))));
}

INSTANTIATE_TEST_SUITE_P(
    Parse, DockerConfigRejects,
    testing::ValuesIn(std::vector<BadConfig>{
        {"NotJson", "hunter2", "reading the docker config: not valid JSON (at byte 1)"},
        {"NotAnObject", R"(["hunter2"])", "the docker config must be a JSON object"},
        {"AuthsIsAList", R"({"auths": ["hunter2"]})", "\"auths\" must be an object"},
        {"EntryIsAString", R"({"auths": {"r.test": "hunter2"}})",
         "the credentials for \"r.test\" must be an object"},
        {"AuthIsNoBase64", one_entry("r.test", R"("auth": "me:hunter2")"),
         "the credentials for \"r.test\": auth is not base64 of \"user:password\""},
        {"AuthHasNoColon", one_entry("r.test", auth_field("hunter2")), "there is no colon"},
        {"PasswordIsANumber", one_entry("r.test", R"("password": 1)"),
         "the credentials for \"r.test\": password must be a string"},
        {"UsernameWithColon", one_entry("r.test", R"("username": "a:hunter2")"),
         "username must not have a colon"},
        {"TokenWithLineBreak", one_entry("r.test", R"("registrytoken": "hunter2\r\nX: y")"),
         "registrytoken has a line break"},
        {"KeyWithoutHost", one_entry("https:///v1/", auth_field("me:hunter2")), "has no host"},
        {"EmptyKey", one_entry("", auth_field("me:hunter2")), "has no host"},
        {"KeyWithPassword", one_entry("https://me:hunter2@r.test", auth_field("me:x")),
         "\"https://r.test\" has characters that no registry name has"},
        {"KeyWithPasswordAndNoScheme", one_entry("me:hunter2@r.test", auth_field("me:x")),
         "\"r.test\" has characters that no registry name has"},
        {"KeyWithPasswordThatHasASlash",
         one_entry("https://me:hunter2/x@r.test", auth_field("me:x")),
         "\"https://r.test\" has characters that no registry name has"},
        {"KeyWithOtherScheme", one_entry("ftp://r.test", auth_field("me:x")), "unknown scheme"},
        {"OlderFormInTheNewerPlace", R"({"r.test": {"auth": "bWU6aHVudGVyMg=="}})",
         "has no \"auths\": put the registries inside {\"auths\": {…}}"},
        {"DeepNesting", std::string(100, '[') + std::string(100, ']'), "nested deeper than"},
        {"TooLarge", std::string(2 * 1024 * 1024, ' '), "larger than 1 MiB"},
    }),
    [](const auto& test) { return test.param.name; });

// --- The whole -----------------------------------------------------------------------------------

TEST(DockerConfig, PrefersLongerPathsThenExactHosts) {
  const auto config = DockerConfig::parse(R"({"auths": {"*.example.com":            {)" +
                                          auth_field("pattern:1") + R"(},
                    "r.example.com":            {)" +
                                          auth_field("host:2") + R"(},
                    "r.example.com/team":       {)" +
                                          auth_field("team:3") + R"(},
                    "r.example.com/team/inner": {)" +
                                          auth_field("inner:4") + R"(}}})");
  ASSERT_TRUE(config) << config.error().message;

  EXPECT_THAT(config->find(repository("r.example.com", "team/inner/shop")),
              ElementsAre(login("inner", "4"), login("team", "3"), login("host", "2"),
                          login("pattern", "1")));
}

TEST(DockerConfig, SameCredentialUnderTwoNamesIsGivenOnce) {
  const auto config =
      DockerConfig::parse(R"({"auths": {"docker.io": {)" + auth_field("me:x") + R"(},
                    "https://index.docker.io/v1/": {)" +
                          auth_field("me:x") + "}}}");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->find(repository("index.docker.io", "me/shop")),
              ElementsAre(login("me", "x")));
}

TEST(DockerConfig, KnowsNoCredentialOfAHelper) {
  const auto config =
      DockerConfig::parse(R"({"auths": {"r.test": {}}, "credsStore": "../../bin/touch"})");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_TRUE(config->empty());
  EXPECT_THAT(config->find(repository("r.test", "shop")), IsEmpty());
}

// --- Which helper a registry has -----------------------------------------------------------------

struct HelperRow {
  std::string name, json, registry, helper;
};

class DockerConfigNames : public testing::TestWithParam<HelperRow> {};

TEST_P(DockerConfigNames, TheHelperOfARegistry) {
  const auto config = DockerConfig::parse(GetParam().json);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->helper_for(GetParam().registry), GetParam().helper);
}

INSTANTIATE_TEST_SUITE_P(
    Helpers, DockerConfigNames,
    testing::ValuesIn(std::vector<HelperRow>{
        {"None", R"({"auths": {}})", "r.test", ""},
        {"Store", R"({"credsStore": "pass"})", "r.test", "pass"},
        {"OfTheHost", R"({"credHelpers": {"gcr.io": "gcloud"}})", "gcr.io", "gcloud"},
        {"OfAnotherHost", R"({"credHelpers": {"gcr.io": "gcloud"}})", "eu.gcr.io", ""},
        {"OfAnotherPort", R"({"credHelpers": {"r.test:5000": "a"}})", "r.test", ""},
        {"HostBeforeStore", R"({"credHelpers": {"gcr.io": "gcloud"}, "credsStore": "pass"})",
         "gcr.io", "gcloud"},
        {"StoreForTheRest", R"({"credHelpers": {"gcr.io": "gcloud"}, "credsStore": "pass"})",
         "r.test", "pass"},
        {"NoneOnPurpose", R"({"credHelpers": {"r.test": ""}, "credsStore": "pass"})", "r.test", ""},
        {"HubByItsUrl", R"({"credHelpers": {"https://index.docker.io/v1/": "hub"}})",
         "index.docker.io", "hub"},
        {"HubByItsName", R"({"credHelpers": {"docker.io": "hub"}})", "index.docker.io", "hub"},
        {"NotForAPath", R"({"credHelpers": {"r.test/team": "a"}})", "r.test", ""},
        {"NotForAPattern", R"({"credHelpers": {"*.test": "a"}})", "r.test", ""},
        {"NotAString", R"({"credHelpers": {"r.test": 1}, "credsStore": 2})", "r.test", ""},
        {"NotAnObject", R"({"credHelpers": ["r.test"]})", "r.test", ""},
        {"AnyNameIsLeftToWhoeverRunsIt", R"({"credsStore": "../../bin/touch"})", "r.test",
         "../../bin/touch"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(DockerKeys, OfDockerHubAreItsOldUrl) {
  EXPECT_EQ(docker_key("index.docker.io"), "https://index.docker.io/v1/");
  EXPECT_EQ(docker_key("r.test:5000"), "r.test:5000");
}

TEST(DockerKeys, StandForARegistryAsAWholeOrForNone) {
  EXPECT_EQ(registry_of_key("https://index.docker.io/v1/"), "index.docker.io");
  EXPECT_EQ(registry_of_key("docker.io"), "index.docker.io");
  EXPECT_EQ(registry_of_key("https://R.test:5000/v2/"), "r.test:5000");
  for (const auto* key : {"r.test/team", "*.test", "", "ftp://r.test", "me@r.test"})
    EXPECT_EQ(registry_of_key(key), std::nullopt) << key;
}

TEST(DockerConfig, ReadsTheOlderForm) {
  const auto config =
      DockerConfig::parse_legacy(R"({"https://r.test/v1/": {"auth": "bWU6c2VjcmV0"}})");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_THAT(config->find(repository("r.test", "shop")), ElementsAre(login("me", "secret")));
}

TEST(KeychainChain, JoinsInOrderWithoutRepeating) {
  const auto chained = [](const std::string& first) {
    return std::make_shared<const DockerConfig>(
        *DockerConfig::parse(R"({"auths": {"r.test": {)" + auth_field(first) + "}}}"));
  };
  const KeychainChain chain({chained("a:1"), nullptr, std::make_shared<AnonymousKeychain>(),
                             chained("b:2"), chained("a:1")});
  EXPECT_THAT(chain.find(repository("r.test", "shop")),
              ElementsAre(login("a", "1"), login("b", "2")));
  EXPECT_THAT(chain.find(repository("other.test", "shop")), IsEmpty());
}

}  // namespace
}  // namespace kiln::auth
