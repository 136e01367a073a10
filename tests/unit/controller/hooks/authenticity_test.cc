#include "controller/hooks/authenticity.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/encoding.h"
#include "tests/support/matchers.h"

namespace kiln::hooks {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// The key of GitHub's and Bitbucket's own examples.
const std::string kToken = "It's a Secret to Everybody";
constexpr WallTime kNow{std::chrono::seconds(1'767'225'600)};
const std::string kNowText = "1767225600";

Tokens tokens_of(const std::vector<std::string>& tokens) {
  std::string data;
  for (const auto& token : tokens)
    data += (data.empty() ? "\"" : ",\"") + std::to_string(data.size()) + "\":\"" +
            base64_encode(token) + "\"";
  return *Tokens::read(R"({"data":{)" + data + "}}");
}

http::ServerRequest request(const Fields& fields, std::string body) {
  http::ServerRequest made;
  made.method = "POST";
  for (const auto& [name, value] : fields) made.headers.add(name, value);
  made.body = std::move(body);
  return made;
}

std::string hmac(const std::string& token, const std::string& text) {
  return to_hex(hmac_sha256(token, text));
}

/// What a sender sends that knows kToken, and the same with something wrong.
struct Case {
  std::string name;
  std::string path;
  Fields fields;
  std::string body;
  WallTime now = kNow;
  std::string token = kToken;
};

std::string name_of_case(const ::testing::TestParamInfo<Case>& test) {
  return test.param.name;
}

bool judge(const Case& one) {
  return is_authentic(*find_endpoint("/hooks/" + one.path), request(one.fields, one.body),
                      tokens_of({"another token that is used", one.token}), one.now);
}

class Authentic : public ::testing::TestWithParam<Case> {};

TEST_P(Authentic, IsWhoKnowsAToken) {
  EXPECT_TRUE(judge(GetParam()));
}

// The first three sums are the senders' own examples, not ours.
INSTANTIATE_TEST_SUITE_P(
    Senders, Authentic,
    ::testing::ValuesIn(std::vector<Case>{
        {"GitHub",
         "github",
         {{"X-Hub-Signature-256",
           "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
          {"X-Hub-Signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"}},
         "Hello, World!"},
        {"Bitbucket",
         "bitbucket",
         {{"X-Hub-Signature",
           "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"}},
         "Hello World!"},
        {"GitLabThatSigns",
         "gitlab",
         {{"webhook-id", "msg_loFOjxBNrRLzqYUf"},
          {"webhook-timestamp", "1731705121"},
          {"webhook-signature", "v1,AAAA v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="}},
         R"({"event_type":"ping","data":{"success":true}})",
         WallTime(std::chrono::seconds(1'731'705'200)),
         "whsec_plJ3nmyCDGBKInavdOK15jsl"},
        {"GitLab", "gitlab", {{"X-Gitlab-Token", kToken}}, "{}"},
        {"Gitea",
         "gitea",
         {{"X-Gitea-Signature", hmac(kToken, "{}")},
          {"X-Hub-Signature-256", "sha256=" + hmac(kToken, "{}")}},
         "{}"},
        {"Forgejo",
         "forgejo",
         {{"X-Forgejo-Signature", hmac(kToken, "{}")}, {"X-Gitea-Signature", hmac(kToken, "{}")}},
         "{}"},
        {"ForgejoAlone", "forgejo", {{"X-Forgejo-Signature", hmac(kToken, "{}")}}, "{}"},
        {"Generic",
         "generic",
         {{"X-Timestamp", kNowText}, {"X-Signature", "sha256=" + hmac(kToken, kNowText + ".{}")}},
         "{}"},
        {"GenericWithAFraction",
         "generic",
         {{"X-Timestamp", "1767225600.25"},
          {"X-Signature", "sha256=" + hmac(kToken, "1767225600.25.{}")}},
         "{}"},
        {"GenericFiveMinutesAgo",
         "generic",
         {{"X-Timestamp", "1767225300"},
          {"X-Signature", "sha256=" + hmac(kToken, "1767225300.{}")}},
         "{}"},
        {"DistributionByBearer", "distribution", {{"Authorization", "Bearer " + kToken}}, "{}"},
        {"DistributionByBasic",
         "distribution",
         {{"Authorization", "basic " + base64_encode("kiln:" + kToken)}},
         "{}"},
        {"HarborByTheTokenAlone", "harbor", {{"Authorization", kToken}}, "{}"},
        {"QuayByItsURL",
         "quay/6b8aae93b17a25b9c91374d8b8527202807b8379237ba7a6b6bb9efe76bba35f",
         {},
         "{}"},
    }),
    name_of_case);

class NotAuthentic : public ::testing::TestWithParam<Case> {};

TEST_P(NotAuthentic, IsWhoKnowsNoneOrSaysSomethingElse) {
  EXPECT_FALSE(judge(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(
    Senders, NotAuthentic,
    ::testing::ValuesIn(std::vector<Case>{
        {"WithoutASignature", "github", {}, "Hello, World!"},
        {"WithAnEmptyOne", "github", {{"X-Hub-Signature-256", "sha256="}}, "Hello, World!"},
        {"WithTheWeakOneAlone",
         "github",
         {{"X-Hub-Signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59"}},
         "Hello, World!"},
        {"WithoutThePrefix", "github", {{"X-Hub-Signature-256", hmac(kToken, "{}")}}, "{}"},
        {"WithAnotherBody",
         "github",
         {{"X-Hub-Signature-256", "sha256=" + hmac(kToken, "{}")}},
         "{ }"},
        {"WithAnotherToken",
         "github",
         {{"X-Hub-Signature-256", "sha256=" + hmac("a token of somebody else", "{}")}},
         "{}"},
        {"WithTwoSignatures",
         "github",
         {{"X-Hub-Signature-256", "sha256=" + hmac(kToken, "{}")},
          {"X-Hub-Signature-256", "sha256=" + hmac("a token of somebody else", "{}")}},
         "{}"},
        {"WithAnEmptyKey", "github", {{"X-Hub-Signature-256", "sha256=" + hmac("", "{}")}}, "{}"},
        {"WithTheHeaderOfAnotherSender",
         "bitbucket",
         {{"X-Hub-Signature-256", "sha256=" + hmac(kToken, "{}")}},
         "{}"},
        {"WithAProofWhereASignatureIsDue", "github/" + proof_of(Kind::kGitHub, kToken), {}, "{}"},
        {"WithAProofBesideASignature",
         "github/" + proof_of(Kind::kGitHub, kToken),
         {{"X-Hub-Signature-256", "sha256=" + hmac(kToken, "{}")}},
         "{}"},
        {"GitLabWithoutAToken", "gitlab", {}, "{}"},
        {"GitLabWithAPrefixOfTheToken", "gitlab", {{"X-Gitlab-Token", "It's a Secret"}}, "{}"},
        {"GitLabWithAnOldSignature",
         "gitlab",
         {{"webhook-id", "msg_loFOjxBNrRLzqYUf"},
          {"webhook-timestamp", "1731705121"},
          {"webhook-signature", "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="}},
         R"({"event_type":"ping","data":{"success":true}})",
         kNow,
         "whsec_plJ3nmyCDGBKInavdOK15jsl"},
        {"GitLabWithAWrongSignatureAndAToken",
         "gitlab",
         {{"webhook-id", "m"},
          {"webhook-timestamp", kNowText},
          {"webhook-signature", "v1,AAAA"},
          {"X-Gitlab-Token", kToken}},
         "{}"},
        {"GiteaWithAPrefix",
         "gitea",
         {{"X-Gitea-Signature", "sha256=" + hmac(kToken, "{}")}},
         "{}"},
        {"GenericWithoutATime", "generic", {{"X-Signature", "sha256=" + hmac(kToken, "{}")}}, "{}"},
        {"GenericWithATimeThatIsNotSigned",
         "generic",
         {{"X-Timestamp", kNowText}, {"X-Signature", "sha256=" + hmac(kToken, "{}")}},
         "{}"},
        {"GenericOfLongAgo",
         "generic",
         {{"X-Timestamp", "1767225299"},
          {"X-Signature", "sha256=" + hmac(kToken, "1767225299.{}")}},
         "{}"},
        {"GenericOfTheFuture",
         "generic",
         {{"X-Timestamp", "1767225901"},
          {"X-Signature", "sha256=" + hmac(kToken, "1767225901.{}")}},
         "{}"},
        {"GenericWithATimeThatIsNone",
         "generic",
         {{"X-Timestamp", "now"}, {"X-Signature", "sha256=" + hmac(kToken, "now.{}")}},
         "{}"},
        {"GenericWithATimeBeyondNumbers",
         "generic",
         {{"X-Timestamp", "99999999999999999999"},
          {"X-Signature", "sha256=" + hmac(kToken, "99999999999999999999.{}")}},
         "{}"},
        {"GenericWithTheSmallestTime",
         "generic",
         {{"X-Timestamp", "-9223372036854775808"},
          {"X-Signature", "sha256=" + hmac(kToken, "-9223372036854775808.{}")}},
         "{}"},
        {"DistributionWithoutAnything", "distribution", {}, "{}"},
        {"DistributionWithAnEmptyBearer", "distribution", {{"Authorization", "Bearer "}}, "{}"},
        {"DistributionWithTheTokenAsUser",
         "distribution",
         {{"Authorization", "Basic " + base64_encode(kToken + ":kiln")}},
         "{}"},
        {"DistributionWithBrokenBasic", "distribution", {{"Authorization", "Basic %%%"}}, "{}"},
        {"QuayWithTheProofOfAnother", "quay/" + proof_of(Kind::kHarbor, kToken), {}, "{}"},
        {"QuayWithTheTokenInTheURL", "quay/" + kToken, {}, "{}"},
    }),
    name_of_case);

TEST(IsAuthentic, NobodyIsWithoutTokens) {
  const auto asked = request({{"Authorization", "Bearer "}, {"X-Gitlab-Token", ""}}, "{}");
  for (const auto* path : {"/hooks/gitlab", "/hooks/distribution", "/hooks/github"})
    EXPECT_FALSE(is_authentic(*find_endpoint(path), asked, Tokens(), kNow)) << path;
}

TEST(DeliveryId, IsTheSameHoweverHeadersThatNobodySignedDiffer) {
  const auto first = request({{"X-GitHub-Delivery", "1"}}, "{}");
  const auto second = request({{"X-GitHub-Delivery", "2"}}, "{}");
  EXPECT_EQ(delivery_id(Kind::kGitHub, first), delivery_id(Kind::kGitHub, second));
  EXPECT_NE(delivery_id(Kind::kGitHub, first),
            delivery_id(Kind::kGitHub, request({{"X-GitHub-Delivery", "1"}}, "{ }")));
  EXPECT_NE(delivery_id(Kind::kGitHub, first), delivery_id(Kind::kGitea, first));
}

TEST(DeliveryId, HasTheTimeOfTheGenericForm) {
  EXPECT_NE(delivery_id(Kind::kGeneric, request({{"X-Timestamp", "1"}}, "{}")),
            delivery_id(Kind::kGeneric, request({{"X-Timestamp", "2"}}, "{}")));
}

TEST(DeliveryId, OfGitLabIsTheOneThatAttemptsShare) {
  const auto id = [](const Fields& fields) {
    return delivery_id(Kind::kGitLab, request(fields, "{}"));
  };
  EXPECT_EQ(id({}), std::nullopt);
  EXPECT_EQ(id({{"Idempotency-Key", "k"}, {"X-Gitlab-Event-UUID", "1"}}),
            id({{"Idempotency-Key", "k"}, {"X-Gitlab-Event-UUID", "2"}}));
  EXPECT_NE(id({{"Idempotency-Key", "k"}}), id({{"Idempotency-Key", "l"}}));
  EXPECT_NE(id({{"X-Gitlab-Event-UUID", "1"}}), id({{"X-Gitlab-Event-UUID", "2"}}));
}

TEST(DeliveryId, IsNoneForQuayWhoseBodiesLookAlike) {
  EXPECT_EQ(delivery_id(Kind::kQuay, request({}, "{}")), std::nullopt);
}

}  // namespace
}  // namespace kiln::hooks
