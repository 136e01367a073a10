#include "core/registry/protocol/notices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::registry::protocol {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

http::Headers limits(const std::string& limit, const std::string& remaining) {
  http::Headers headers;
  if (!limit.empty()) headers.set("ratelimit-limit", limit);
  if (!remaining.empty()) headers.set("ratelimit-remaining", remaining);
  return headers;
}

TEST(RateLimit, IsReadAsDockerHubWritesIt) {
  const auto found = parse_rate_limit(limits("100;w=21600", "76;w=21600"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->limit, 100u);
  EXPECT_EQ(found->remaining, 76u);
  EXPECT_EQ(found->window, std::chrono::hours(6));
}

TEST(RateLimit, NeedsNoWindowButBothNumbers) {
  EXPECT_EQ(parse_rate_limit(limits("100", "0"))->window.count(), 0);
  EXPECT_FALSE(parse_rate_limit(limits("", "76")));
  EXPECT_FALSE(parse_rate_limit(limits("100", "")));
  EXPECT_FALSE(parse_rate_limit(limits("many", "few")));
  EXPECT_EQ(parse_rate_limit(limits("1;w=99999999999999999999", "1"))->window.count(), 0);
}

TEST(Warnings, AreTheTextsOfCode299) {
  http::Headers headers;
  headers.add("Warning", R"(299 - "Your \"token\" ends soon.")");
  headers.add("Warning", R"(299 - "Deprecated")");
  headers.add("Warning", R"(110 anderson/1.3 "Response is stale")");
  headers.add("Warning", R"(299 - "")");
  EXPECT_THAT(parse_warnings(headers), ElementsAre("Your \"token\" ends soon.", "Deprecated"));
}

TEST(Warnings, AreCappedAndShowNoSecrets) {
  http::Headers headers;
  headers.add("Warning", "299 - \"see https://x.test/?sig=c2VjcmV0 bearer abc\"");
  for (int i = 0; i < 100; ++i) headers.add("Warning", "299 - \"" + std::string(400, 'w') + "\"");
  const auto warnings = parse_warnings(headers);
  ASSERT_FALSE(warnings.empty());
  EXPECT_LE(warnings.size(), 11u);
  EXPECT_EQ(warnings[0], "see https://x.test/?sig=*** bearer ***");
}

TEST(Warnings, AreNoneWithoutTheField) {
  EXPECT_THAT(parse_warnings({}), IsEmpty());
}

}  // namespace
}  // namespace kiln::registry::protocol
