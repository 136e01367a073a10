#include "core/source/git_credentials.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/encoding.h"
#include "tests/support/matchers.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using Keys = std::map<std::string, std::string>;

constexpr const char* kKey = "-----BEGIN OPENSSH PRIVATE KEY-----\r\nAAAA\r\n-----END";
constexpr const char* kPem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

GitUrl url(const char* text = "https://git.example.com/a") {
  return *GitUrl::parse(text);
}

TEST(GitCredentials, UserAndPasswordBecomeBasic) {
  const auto who = GitCredentials::parse({{"username", "me\n"}, {"password", "p:w\r\n"}}, url());

  ASSERT_THAT(who, IsOk());
  EXPECT_EQ(who->authorization(), "Basic " + base64_encode("me:p:w"));
}

TEST(GitCredentials, ABearerTokenGoesBeforeUserAndPassword) {
  const auto who = GitCredentials::parse(
      {{"bearerToken", "abc.def\n"}, {"username", "me"}, {"password", "pw"}}, url());

  ASSERT_THAT(who, IsOk());
  EXPECT_EQ(who->authorization(), "Bearer abc.def");
}

TEST(GitCredentials, AnEmptySecretIsNobody) {
  EXPECT_EQ(GitCredentials::parse({}, url())->authorization(), "");
}

TEST(GitCredentials, AuthoritiesAreTakenFromFluxsOldKeyToo) {
  EXPECT_EQ(GitCredentials::parse({{"caFile", kPem}}, url())->tls().ca_pem, kPem);
  EXPECT_EQ(GitCredentials::parse({{"ca.crt", kPem}, {"caFile", "x"}}, url())->tls().ca_pem, kPem);
}

TEST(GitCredentials, FilesForSshEndTheirLinesAsSshWantsThem) {
  const auto who = GitCredentials::parse(
      {{"identity", kKey}, {"known_hosts", "h ssh-ed25519 AAAA"}, {"password", "pass\n"}},
      url("ssh://git@h/a"));

  ASSERT_THAT(who, IsOk());
  EXPECT_EQ(who->identity(), "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END\n");
  EXPECT_EQ(who->known_hosts(), "h ssh-ed25519 AAAA\n");
  EXPECT_EQ(who->passphrase(), "pass");
  EXPECT_EQ(who->authorization(), "");
}

struct Bad {
  std::string claim;
  Keys keys;
  std::string scheme, message;
};

class BadCredentials : public ::testing::TestWithParam<Bad> {};

TEST_P(BadCredentials, AreRefusedNamingTheKey) {
  const auto& test = GetParam();

  EXPECT_THAT(GitCredentials::parse(test.keys, url((test.scheme + "://h.example/a").c_str())),
              FailsWith(Errc::kInvalid, test.message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadCredentials,
    ::testing::ValuesIn(std::vector<Bad>{
        {"HeaderInToken",
         {{"bearerToken", "a\r\nX-Evil: 1"}},
         "https",
         "bearerToken holds a line break"},
        {"TwoLinesOfPassword",
         {{"username", "a"}, {"password", "b\nc"}},
         "https",
         "password holds a line break"},
        {"ColonInUser",
         {{"username", "a:b"}, {"password", "c"}},
         "https",
         "username must not hold \":\""},
        {"PasswordAlone", {{"password", "c"}}, "https", "username is missing"},
        {"AuthorityIsNoPem", {{"ca.crt", "MIIB"}}, "https", "ca.crt is no PEM"},
        {"CertificateWithoutKey", {{"tls.crt", kPem}}, "https", "tls.key is missing"},
        {"KeyWithoutCertificate", {{"tls.key", kPem}}, "https", "tls.crt is missing"},
        {"SshWithoutKey", {{"known_hosts", "h k v"}}, "ssh", "identity is missing"},
        {"SshWithAPublicKey",
         {{"identity", "ssh-ed25519 AAAA"}, {"known_hosts", "h"}},
         "ssh",
         "identity is no PEM"},
        {"SshWithoutKnownHosts",
         {{"identity", kKey}},
         "ssh",
         "known_hosts is missing: no host key is trusted at first sight"},
        {"Huge",
         {{"identity", std::string(300 * 1024, 'a')}},
         "ssh",
         "identity is larger than 256 KiB"},
    }),
    [](const auto& one) { return one.param.claim; });

TEST(GitCredentials, EverySecretIsMaskedInTexts) {
  const auto who = *GitCredentials::parse({{"username", "me"}, {"password", "hunter2"}}, url());

  const auto text = who.without_secrets("hunter2 hunter2, " + base64_encode("me:hunter2") + "!");

  EXPECT_EQ(text, "*** ***, ***!");
}

TEST(GitCredentials, DifferentOnesHaveDifferentFingerprints) {
  const auto one = *GitCredentials::parse({{"username", "me"}, {"password", "a"}}, url());
  const auto other = *GitCredentials::parse({{"username", "me"}, {"password", "b"}}, url());

  EXPECT_NE(one.fingerprint(), other.fingerprint());
  EXPECT_NE(one.fingerprint(), GitCredentials().fingerprint());
  EXPECT_EQ(one.fingerprint(), GitCredentials(one).fingerprint());
}

}  // namespace
}  // namespace kiln::source
