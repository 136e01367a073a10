#include "core/registry/protocol/error_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::registry::protocol {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

http::Response answer(int status, std::string body) {
  http::ResponseHead head(*http::Url::parse("https://r.test/v2/shop"));
  head.status = status;
  return http::Response(std::move(head), std::move(body));
}

std::string registry_error(const std::string& code, const std::string& message,
                           const std::string& detail = "null") {
  return R"({"errors":[{"code":")" + code + R"(","message":")" + message + R"(","detail":)" +
         detail + "}]}";
}

struct Case {
  std::string name;
  int status;
  std::string body;
  Errc code;
  std::string message;
};

class ErrorFrom : public testing::TestWithParam<Case> {};

TEST_P(ErrorFrom, SaysWhatToDoNext) {
  const auto& param = GetParam();
  const auto error = error_from(answer(param.status, param.body), "r.test/shop", {});
  EXPECT_EQ(name_of(error.code), name_of(param.code));
  EXPECT_EQ(error.message, param.message);
}

INSTANTIATE_TEST_SUITE_P(
    Statuses, ErrorFrom,
    testing::ValuesIn(std::vector<Case>{
        {"Denied", 403, registry_error("DENIED", "requested access to the resource is denied"),
         Errc::kDenied,
         "r.test/shop: the registry answered 403: DENIED: requested access to the resource is "
         "denied"},
        {"DeniedUnderAnotherStatus", 400, registry_error("DENIED", "no"), Errc::kDenied,
         "r.test/shop: the registry answered 400: DENIED: no"},
        {"NoRepository", 404, registry_error("NAME_UNKNOWN", "repository name not known"),
         Errc::kNotFound, "r.test/shop was not found: NAME_UNKNOWN: repository name not known"},
        {"NotFoundWithoutWords", 404, "", Errc::kNotFound, "r.test/shop was not found"},
        {"MissingBlob", 400, registry_error("MANIFEST_BLOB_UNKNOWN", "blob unknown"),
         Errc::kConflict,
         "r.test/shop: the registry answered 400: MANIFEST_BLOB_UNKNOWN: blob unknown"},
        {"TooMany", 429, registry_error("TOOMANYREQUESTS", "slow down"), Errc::kRateLimited,
         "r.test/shop: the registry answered 429 (too many requests): TOOMANYREQUESTS: slow down"},
        {"WrongDigest", 400, registry_error("DIGEST_INVALID", "does not match"), Errc::kCorrupt,
         "r.test/shop: the registry answered 400: DIGEST_INVALID: does not match"},
        {"BadGateway", 502, "<html><head><title>502 Bad\nGateway</title></head></html>",
         Errc::kUnavailable, "r.test/shop: the registry answered 502: 502 Bad Gateway"},
        {"HtmlWithoutTitle", 500, "<html>", Errc::kUnavailable,
         "r.test/shop: the registry answered 500: an HTML page"},
        {"TooLargeForTheProxy", 413, "<html><title>413 Request Entity Too Large</title></html>",
         Errc::kInvalid,
         "r.test/shop: the registry answered 413 (too large): 413 Request Entity Too Large; "
         "a proxy before it may limit the size of a request's body"},
        {"DiskFull", 500,
         registry_error("UNKNOWN", "unknown error",
                        R"({"Op":"write","Path":"/var/x","Err":"no space left on device"})"),
         Errc::kNoSpace,
         "r.test/shop: the registry answered 500: UNKNOWN: unknown error: no space left on device"},
        {"DiskFullInPlainText", 500, "filesystem: write /x: No space left on device\n",
         Errc::kNoSpace,
         "r.test/shop: the registry answered 500: filesystem: write /x: No space left on device"},
        {"PlainText", 400, "  what?\r\n  no  ", Errc::kInvalid,
         "r.test/shop: the registry answered 400: what? no"},
        {"OtherJson", 400, R"({"details": "incorrect username"})", Errc::kInvalid,
         "r.test/shop: the registry answered 400: incorrect username"},
        {"JsonList", 400, "[1]", Errc::kInvalid, "r.test/shop: the registry answered 400: [1]"},
        {"TwoErrors", 400,
         R"({"errors":[{"code":"A","message":"x"},{"code":"B"},"junk",{"code":"<b>","message":"y"}]})",
         Errc::kInvalid, "r.test/shop: the registry answered 400: A: x; B; y"},
        {"RequestTimeout", 408, "", Errc::kUnavailable, "r.test/shop: the registry answered 408"},
        {"UnexpectedRedirect", 307, "", Errc::kInvalid, "r.test/shop: the registry answered 307"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(ErrorFrom, TakesTheServersHint) {
  auto busy = answer(429, "");
  busy.head.headers.set("Retry-After", "120");
  EXPECT_EQ(error_from(busy, "r.test", {}).retry_after, std::chrono::seconds(120));
}

TEST(ErrorFrom, NeverShowsSecretsNorMoreThanALine) {
  const auto error = error_from(
      answer(400,
             registry_error("DENIED", "Bearer s3cret\\u0000\\nis bad " + std::string(5000, 'x'))),
      "r.test/shop", {});
  EXPECT_THAT(error.message, Not(HasSubstr("s3cret")));
  EXPECT_THAT(error.message, Not(HasSubstr("\n")));
  EXPECT_LT(error.message.size(), 500u);
}

TEST(ErrorFrom, SaysWhereHttpsMayBeWhatIsSpoken) {
  http::ResponseHead head(*http::Url::parse("http://127.0.0.1:5000/v2/shop"));
  head.status = 400;
  const std::string hint = "; a server that speaks TLS answers so to plain http";

  EXPECT_EQ(error_from(http::Response(head), "shop", {}).message,
            "shop: the registry answered 400" + hint);
  EXPECT_THAT(error_from(http::Response(head,
                                        "<title>400 The plain HTTP request was sent to HTTPS "
                                        "port</title>"),
                         "shop", {})
                  .message,
              HasSubstr("HTTPS port" + hint));
  EXPECT_THAT(error_from(http::Response(head, "bad name"), "shop", {}).message,
              Not(HasSubstr(hint)));
  EXPECT_THAT(error_from(answer(400, ""), "shop", {}).message, Not(HasSubstr(hint)));
}

TEST(ErrorBody, CollectsTheDigestsThatAreMissing) {
  const auto one = "sha256:" + std::string(64, 'a');
  const auto two = "sha256:" + std::string(64, 'b');
  const auto body =
      parse_error_body(R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"digest":")" + one +
                       R"("}},{"code":"MANIFEST_BLOB_UNKNOWN","detail":")" + two + R"("}]})");
  EXPECT_TRUE(body.has("MANIFEST_BLOB_UNKNOWN"));
  EXPECT_THAT(body.digests, ElementsAre(*oci::Digest::parse(one), *oci::Digest::parse(two)));
}

TEST(ErrorBody, SurvivesHugeAndDeepBodies) {
  EXPECT_LT(parse_error_body(std::string(10'000'000, 'x')).words.size(), 400u);
  EXPECT_LT(parse_error_body(std::string(10'000, '[')).words.size(), 400u);
  EXPECT_EQ(parse_error_body(" \r\n").words, "");
}

}  // namespace
}  // namespace kiln::registry::protocol
