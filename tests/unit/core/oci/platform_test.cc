#include "core/oci/platform.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::oci {
namespace {

using testing::FailsWith;

Platform platform(const char* text) {
  return *Platform::parse(text);
}

TEST(Platform, RoundTrips) {
  for (const auto* text : {"linux/amd64", "linux/arm/v7", "windows/amd64"})
    EXPECT_EQ(platform(text).str(), text);
}

TEST(Platform, RefusesWhatIsNone) {
  for (const auto* text :
       {"", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "Linux/amd64", "linux /amd64"})
    EXPECT_THAT(Platform::parse(text), FailsWith(Errc::kInvalid, "write it like linux/amd64"))
        << text;
}

TEST(Platform, ShowsWhatIsNoneWithoutItsControlCharacters) {
  EXPECT_THAT(Platform::parse("linux/\x1b[2J\n"),
              FailsWith(Errc::kInvalid, "platform \"linux/?[2J?\" is not valid"));
}

TEST(Platform, MatchesItsDefaultVariantsWhetherNamedOrNot) {
  EXPECT_TRUE(platform("linux/arm64").matches(platform("linux/arm64/v8")));
  EXPECT_TRUE(platform("linux/arm64/v8").matches(platform("linux/arm64")));
  EXPECT_TRUE(platform("linux/arm").matches(platform("linux/arm/v7")));
  EXPECT_FALSE(platform("linux/arm/v6").matches(platform("linux/arm/v7")));
  EXPECT_FALSE(platform("linux/amd64").matches(platform("windows/amd64")));
}

}  // namespace
}  // namespace kiln::oci
