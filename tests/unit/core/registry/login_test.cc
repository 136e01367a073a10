// Whether a registry lets somebody in, before anything is done there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Result<bool> check_login(Scripted& world, std::vector<auth::Credential> credentials) {
  return testing::run_task(
      world.client->check_login("r.test", access_with(std::move(credentials))));
}

TEST(RegistryLogin, IsCheckedByTheTokenServerThatTheRegistryNames) {
  Scripted world;
  world.http.answer(
      401, "",
      {{"WWW-Authenticate", R"(Bearer realm="https://auth.test/token",service="r.test")"}});
  world.http.answer(200, R"({"token":"tok"})");
  world.http.answer(200, "{}");

  const auto asked = check_login(world, {login("me", "secret")});

  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_TRUE(*asked);
  EXPECT_THAT(world.lines(), ElementsAre("GET https://r.test/v2/",
                                         "GET https://auth.test/token?service=r.test&account=me",
                                         "GET https://r.test/v2/"));
  EXPECT_EQ(world.authorization(1), basic("me:secret"));
  EXPECT_EQ(world.authorization(2), "Bearer tok");
}

TEST(RegistryLogin, IsNotCheckedByARegistryThatAsksNobody) {
  Scripted world;
  world.http.answer(200, "{}");

  const auto asked = check_login(world, {login("me", "secret")});

  ASSERT_TRUE(asked) << asked.error().message;
  EXPECT_FALSE(*asked);
  EXPECT_EQ(world.authorization(0), "");
}

struct FailedLogin {
  std::string name;
  int status;
  std::string body;
  Errc code;
  std::string message;
};

class RegistryLoginFails : public ::testing::TestWithParam<FailedLogin> {};

TEST_P(RegistryLoginFails, NamingTheRegistryAndNoSecret) {
  Scripted world;
  const auto& row = GetParam();
  world.http.answer(401, "", {{"WWW-Authenticate", "Basic realm=\"r\""}});
  world.http.answer(row.status, row.body, {{"WWW-Authenticate", "Basic realm=\"r\""}});

  const auto asked = check_login(world, {login("me", "hunter2")});

  ASSERT_TRUE(asked.has_error());
  EXPECT_EQ(asked.error().code, row.code);
  EXPECT_THAT(asked.error().message, StartsWith(row.message));
  EXPECT_THAT(asked.error().message, Not(HasSubstr("hunter2")));
}

INSTANTIATE_TEST_SUITE_P(Table, RegistryLoginFails,
                         ::testing::ValuesIn(std::vector<FailedLogin>{
                             {"WrongPassword", 401, "", Errc::kUnauthorized,
                              "r.test refused the credentials"},
                             {"Locked", 403, R"({"errors":[{"code":"DENIED","message":"locked"}]})",
                              Errc::kDenied, "r.test"},
                             {"AnotherService", 404, "<html>", Errc::kUnsupported,
                              "r.test is no registry: GET /v2/ was answered with 404"},
                             {"BadRequest", 400, "", Errc::kInvalid, "r.test"},
                         }),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::registry
