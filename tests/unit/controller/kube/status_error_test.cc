#include "controller/kube/status_error.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::kube {
namespace {

std::string status(int code, const std::string& reason, const std::string& message) {
  return R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":)" + std::to_string(code) +
         R"(,"reason":")" + reason + R"(","message":")" + message + "\"}";
}

struct Case {
  std::string name;
  int code;
  std::string reason, message;
  Errc expected;
};

class StatusError : public ::testing::TestWithParam<Case> {};

TEST_P(StatusError, NamesTheNextStep) {
  const auto& test = GetParam();
  const auto error =
      status_error(test.code, status(test.code, test.reason, test.message), std::nullopt);
  EXPECT_EQ(name_of(error.code), name_of(test.expected));
  EXPECT_EQ(error.message, test.message);
}

INSTANTIATE_TEST_SUITE_P(
    Table, StatusError,
    ::testing::ValuesIn(std::vector<Case>{
        {"BadRequest", 400, "BadRequest", "no", Errc::kInvalid},
        {"Unauthorized", 401, "Unauthorized", "Unauthorized", Errc::kUnauthorized},
        {"Forbidden", 403, "Forbidden", "may not", Errc::kDenied},
        {"NotFound", 404, "NotFound", "not found", Errc::kNotFound},
        {"AlreadyExists", 409, "AlreadyExists", "already exists", Errc::kConflict},
        {"Conflict", 409, "Conflict", "has been modified", Errc::kConflict},
        {"Expired", 410, "Expired", "too old resource version", Errc::kGone},
        {"Gone", 410, "Gone", "too old resource version", Errc::kGone},
        {"TooLargeBody", 413, "RequestEntityTooLarge", "limit is 3145728", Errc::kInvalid},
        {"Invalid", 422, "Invalid", "spec is wrong", Errc::kInvalid},
        {"TooManyRequests", 429, "TooManyRequests", "try again", Errc::kRateLimited},
        {"Internal", 500, "InternalError", "an error", Errc::kUnavailable},
        {"TooLargeForEtcd", 500, "InternalError", "etcdserver: request is too large",
         Errc::kInvalid},
        {"Unavailable", 503, "ServiceUnavailable", "apiserver not ready", Errc::kUnavailable},
        {"Timeout", 504, "Timeout", "Timeout: request did not complete", Errc::kUnavailable},
        {"AheadOfServer", 504, "Timeout", "Timeout: Too large resource version: 9, current: 5",
         Errc::kGone},
    }),
    [](const auto& test) { return test.param.name; });

TEST(StatusErrorText, FallsBackToTheCodeWhereTheBodyIsNoStatus) {
  const auto error = status_error(502, "<html>Bad Gateway</html>", std::nullopt);
  EXPECT_EQ(error.code, Errc::kUnavailable);
  EXPECT_EQ(error.message, "the API server answered 502");
}

TEST(StatusErrorText, IsSanitized) {
  const auto error = status_error(
      400, status(400, "BadRequest", "bad\\nheader Authorization: Bearer abcdefghijklmnop"),
      std::nullopt);
  EXPECT_EQ(error.message.find("abcdefghijklmnop"), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find('\n'), std::string::npos);
}

TEST(StatusErrorHint, IsTheHeadersOrElseTheDetails) {
  const auto body =
      std::string(R"({"kind":"Status","code":429,"details":{"retryAfterSeconds":7}})");
  EXPECT_EQ(status_error(429, body, std::nullopt).retry_after, std::chrono::seconds(7));
  EXPECT_EQ(status_error(429, body, std::chrono::seconds(2)).retry_after, std::chrono::seconds(2));
}

TEST(StatusErrorCause, TellsThatTheServerIsBehind) {
  const auto error = status_error(
      504,
      R"({"kind":"Status","code":504,"reason":"Timeout","message":"Timeout: Too large resource version: 9",
          "details":{"causes":[{"reason":"ResourceVersionTooLarge"}],"retryAfterSeconds":1}})",
      std::nullopt);
  EXPECT_EQ(error.code, Errc::kGone);
  EXPECT_TRUE(is_ahead_of_server(error));
  EXPECT_FALSE(is_ahead_of_server(Error(Errc::kGone, "too old resource version")));
}

TEST(StatusErrorJson, SurvivesNonsense) {
  for (const auto* body : {"", "null", "[]", "{\"kind\":\"Status\",\"code\":\"x\",\"details\":[]}",
                           "{\"kind\":\"Status\",\"details\":{\"causes\":[1,null]}}"})
    EXPECT_EQ(status_error(404, body, std::nullopt).code, Errc::kNotFound) << body;
}

}  // namespace
}  // namespace kiln::kube
