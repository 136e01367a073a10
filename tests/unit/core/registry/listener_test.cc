// What a registry says besides its answers, and what it must not get us to say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::run_task;

class Notes final : public Listener {
 public:
  void rate_limit(const std::string& registry, const protocol::RateLimit& limit) override {
    lines.push_back(registry + " " + std::to_string(limit.remaining) + "/" +
                    std::to_string(limit.limit));
  }
  void warning(const std::string& registry, const std::string& words) override {
    lines.push_back(registry + " says " + words);
  }
  std::vector<std::string> lines;
};

const oci::Reference kLatest = *oci::Reference::parse("r.test/shop:latest");
const std::string kManifest = R"({"config":{},"layers":[]})";

Access with(const std::shared_ptr<Notes>& notes, Access access = {}) {
  access.listener = notes;
  return access;
}

TEST(Listener, HearsOfLimitsAndWarnings) {
  Scripted world;
  world.http.answer(200, kManifest,
                    {{"RateLimit-Limit", "100;w=21600"},
                     {"RateLimit-Remaining", "76;w=21600"},
                     {"Warning", "299 - \"moves to q.test\""}});
  const auto notes = std::make_shared<Notes>();
  ASSERT_TRUE(run_task(world.client->fetch_manifest(kLatest, with(notes))));
  EXPECT_THAT(notes->lines, ElementsAre("r.test 76/100", "r.test says moves to q.test"));
}

TEST(Listener, HearsOfLimitsFromRefusalsToo) {
  Scripted world;
  world.http.answer(429, "",
                    {{"RateLimit-Limit", "100;w=21600"},
                     {"RateLimit-Remaining", "0;w=21600"},
                     {"Retry-After", "3600"}});
  const auto notes = std::make_shared<Notes>();
  const auto fetched = run_task(world.client->fetch_manifest(kLatest, with(notes)));
  EXPECT_EQ(fetched.error().code, Errc::kRateLimited);
  EXPECT_EQ(fetched.error().retry_after, std::chrono::hours(1));
  EXPECT_THAT(notes->lines, ElementsAre("r.test 0/100"));
}

TEST(Listener, HearsNothingOfOtherServers) {
  Scripted world;
  world.http.answer(404);
  world.http.answer(202, "", {{"Location", "https://store.test/up/1"}});
  world.http.answer(201, "", {{"Warning", "299 - \"buy now\""}});
  const auto notes = std::make_shared<Notes>();
  const std::string bytes = "x";
  const oci::Descriptor descriptor("t", oci::Digest::of(bytes), 1);
  const layer::Blob blob(descriptor, [&] {
    return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>(bytes));
  });
  const auto pushed = run_task(world.client->ensure_blob(kShop, blob, {}, with(notes)));
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_THAT(notes->lines, ElementsAre());
}

TEST(Secrets, ThatARegistryRepeatsAreNotRepeatedByUs) {
  Scripted world;
  const auto echo = basic("me:canary-password");
  world.http.answer(401, "", {{"WWW-Authenticate", "Basic realm=\"r\""}});
  world.http.answer(403,
                    R"({"errors":[{"code":"DENIED","message":"you sent )" + echo +
                        " and canary-password and " + echo.substr(6) + "\"}]}",
                    {{"Warning", "299 - \"canary-password is weak\""}});
  const auto notes = std::make_shared<Notes>();
  const auto fetched = run_task(world.client->fetch_manifest(
      kLatest, with(notes, access_with({login("me", "canary-password")}))));
  ASSERT_TRUE(fetched.has_error());
  EXPECT_THAT(fetched.error().message, HasSubstr("you sent Basic *** and *** and ***"));
  EXPECT_THAT(fetched.error().message, Not(HasSubstr("canary")));
  EXPECT_THAT(notes->lines, ElementsAre("r.test says *** is weak"));
}

TEST(Secrets, ThatATokenServerRepeatsAreNotRepeatedByUs) {
  Scripted world;
  world.http.answer(401, "", {{"WWW-Authenticate", kBearer}});
  world.http.answer(401, R"({"details":"wrong: canary-password"})");
  const auto fetched = run_task(
      world.client->fetch_manifest(kLatest, access_with({login("me", "canary-password")})));
  ASSERT_TRUE(fetched.has_error());
  EXPECT_THAT(fetched.error().message, HasSubstr("wrong: ***"));
}

}  // namespace
}  // namespace kiln::registry
