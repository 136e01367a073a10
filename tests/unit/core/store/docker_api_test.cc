#include "core/store/docker_api.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kiln::store {
namespace {

std::string prefix_for(const std::string& version) {
  http::Headers headers;
  if (!version.empty()) headers.set("Api-Version", version);
  return api_prefix(headers);
}

TEST(DockerApi, SpeaksTheVersionThatTheDaemonTells) {
  EXPECT_EQ(prefix_for("1.41"), "/v1.41");
  EXPECT_EQ(prefix_for("1.52"), "/v1.52");
}

TEST(DockerApi, LeavesOutAVersionThatIsNone) {
  for (const auto* version : {"", "1", "1.", ".41", "1.41/../x", "latest", "1.4 1", "1.99999"})
    EXPECT_EQ(prefix_for(version), "") << version;
}

TEST(DockerApi, KeepsImageNamesAsTheyAreInPaths) {
  EXPECT_EQ(docker_url("/v1.41/images/r.example.com:5000/team/site:1/get").target(),
            "/v1.41/images/r.example.com:5000/team/site:1/get");
}

struct Refusal {
  std::string name;
  int status;
  std::string body;
  Errc code;
  std::string message;
};

class DockerApiErrors : public ::testing::TestWithParam<Refusal> {};

TEST_P(DockerApiErrors, SayWhatTheDaemonSays) {
  http::ResponseHead head(docker_url("/"));
  head.status = GetParam().status;
  const auto error = api_error(http::Response(head, GetParam().body));
  EXPECT_EQ(error.code, GetParam().code);
  EXPECT_EQ(error.message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Of, DockerApiErrors,
    ::testing::ValuesIn(std::vector<Refusal>{
        {"BadRequest", 400, R"({"message":"client version 1.99 is too new"})", Errc::kInvalid,
         "the Docker daemon answers 400: client version 1.99 is too new"},
        {"Forbidden", 403, R"({"message":"denied by plugin"})", Errc::kDenied,
         "the Docker daemon answers 403: denied by plugin"},
        {"NotFound", 404, "", Errc::kNotFound, "the Docker daemon answers 404"},
        {"Broken", 500, "not JSON\x1b[2J", Errc::kUnavailable,
         "the Docker daemon answers 500: not JSON [2J"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(DockerApi, FindsNoErrorWhereALoadWentWell) {
  for (const auto* body :
       {"", "{\"stream\":\"Loaded image: site:1\\n\"}\r\n",
        "{\"status\":\"Loading layer\",\"id\":\"1\"}\r\n{\"stream\":\"Loaded image: x\"}\r\n",
        "no JSON at all\n", "[\"error\"]\n"})
    EXPECT_FALSE(load_error(body).has_value()) << body;
}

TEST(DockerApi, FindsTheErrorInALoadThatWasAnsweredWith200) {
  const auto error = load_error(
      "{\"stream\":\"Loading\"}\r\n"
      "{\"errorDetail\":{\"message\":\"invalid diffID for layer 1\"},\"error\":\"short\"}\r\n");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, Errc::kInvalid);
  EXPECT_EQ(error->message,
            "the Docker daemon does not take the image: invalid diffID for layer 1");
}

TEST(DockerApi, FindsAnErrorWithoutDetailsToo) {
  EXPECT_EQ(load_error(R"({"error":"x"})")->message,
            "the Docker daemon does not take the image: x");
  EXPECT_TRUE(load_error(R"({"errorDetail":{}})").has_value());
}

TEST(DockerApi, KnowsAFullDisk) {
  EXPECT_EQ(load_error(R"({"error":"write /x: no space left on device"})")->code, Errc::kNoSpace);
}

}  // namespace
}  // namespace kiln::store
