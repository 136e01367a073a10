#include "core/source/semver.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

TEST(Version, OrdersAsTheSpecificationSays) {
  // Ascending; the prereleases are the example of clause 11.
  const std::vector<std::string> ordered = {
      "0.0.1",      "0.1.0",        "1.0.0-alpha",   "1.0.0-alpha.1", "1.0.0-alpha.beta",
      "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",    "1.0.0",
      "v1.0.1",     "1.2.0",        "1.10.0",        "2.0.0",         "10.0.0"};

  for (std::size_t i = 0; i < ordered.size(); ++i)
    for (std::size_t j = 0; j < ordered.size(); ++j)
      EXPECT_EQ(Version::parse(ordered[i])->compare(*Version::parse(ordered[j])), i <=> j)
          << ordered[i] << " and " << ordered[j];
}

TEST(Version, ReadsTagsAsFluxDoes) {
  for (const auto* text : {"1.2.3", "v1.2.3", "1.2.3+build.7", "v2025.02.03-rc.1", "1.2.3--"})
    EXPECT_TRUE(Version::parse(text).has_value()) << text;
}

TEST(VersionRange, IsShownWithoutControlCharactersWhereItIsNone) {
  const auto range = VersionRange::parse("1.x\x1b[2J\n");

  ASSERT_TRUE(range.has_error());
  EXPECT_EQ(range.error().message.find_first_of("\x1b\n"), std::string::npos);
  EXPECT_NE(range.error().message.find("is no range of versions"), std::string::npos);
}

TEST(Version, PassesOverTagsThatAreNone) {
  for (const auto* text :
       {"", "v", "1", "1.2", "1.2.x", "1.2.3.4", "release-1.2.3", "1.2.3-", "1.2.3-a..b", "1.2.3+",
        "vv1.2.3", "1.2.-3", "1.2.3-rc_1", "1. 2.3", "99999999999999999999.0.0"})
    EXPECT_FALSE(Version::parse(text).has_value()) << text;
}

struct RangeCase {
  std::string range;
  std::vector<std::string> in, out;
};

class VersionRangeTable : public ::testing::TestWithParam<RangeCase> {};

TEST_P(VersionRangeTable, HoldsTheseAndNotThose) {
  const auto range = VersionRange::parse(GetParam().range);
  ASSERT_THAT(range, IsOk());
  for (const auto& version : GetParam().in)
    EXPECT_TRUE(range->matches(*Version::parse(version))) << version;
  for (const auto& version : GetParam().out)
    EXPECT_FALSE(range->matches(*Version::parse(version))) << version;
}

INSTANTIATE_TEST_SUITE_P(
    Masterminds, VersionRangeTable,
    ::testing::ValuesIn(std::vector<RangeCase>{
        {"1.2.3", {"1.2.3", "v1.2.3+build"}, {"1.2.4", "1.2.3-rc.1"}},
        {"=1.2.3", {"1.2.3"}, {"1.2.2"}},
        {"v1.2.3", {"1.2.3"}, {"1.2.2"}},
        {"1.2", {"1.2.0", "1.2.9"}, {"1.3.0", "1.1.9"}},
        {"1", {"1.0.0", "1.9.9"}, {"2.0.0", "0.9.0"}},
        {"1.4.x", {"1.4.0", "1.4.7"}, {"1.5.0", "1.4.0-rc.1"}},
        {"1.X", {"1.0.0", "1.9.0"}, {"2.0.0"}},
        {"*", {"0.0.0", "99.1.2"}, {"1.0.0-alpha"}},
        {">=*", {"0.0.0", "99.1.2"}, {}},
        {"!=1.2.3", {"1.2.4", "0.1.0"}, {"1.2.3"}},
        {"!=1.2.x", {"1.3.0"}, {"1.2.0", "1.2.9"}},
        {">1.2.3", {"1.2.4", "2.0.0"}, {"1.2.3", "1.2.2"}},
        {">1.2", {"1.3.0", "2.0.0"}, {"1.2.9", "1.1.0"}},
        {">1", {"2.0.0"}, {"1.9.9"}},
        {"<2.0.0", {"1.9.9", "0.0.1"}, {"2.0.0", "2.0.0-rc.1"}},
        {"<2", {"1.9.9"}, {"2.0.0"}},
        {">=1.0.0", {"1.0.0", "3.0.0"}, {"0.9.9", "1.0.0-rc.1", "2.0.0-rc.1"}},
        {"=>1.0.0", {"1.0.0"}, {"0.9.9"}},
        {"<=1.2.3", {"1.2.3", "1.0.0"}, {"1.2.4"}},
        {"<=1.2", {"1.2.9"}, {"1.3.0", "2.0.0"}},
        {"=<1", {"1.9.9"}, {"2.0.0"}},
        {"~1.2.3", {"1.2.3", "1.2.9"}, {"1.3.0", "1.2.2"}},
        {"~>1.2.3", {"1.2.9"}, {"1.3.0"}},
        {"~1.2", {"1.2.0"}, {"1.3.0"}},
        {"~1", {"1.9.0"}, {"2.0.0"}},
        {"^1.2.3", {"1.2.3", "1.9.0"}, {"2.0.0", "1.2.2"}},
        {"^1.4", {"1.4.0", "1.9.0"}, {"2.0.0", "1.3.9"}},
        {"^1", {"1.0.0", "1.9.0"}, {"2.0.0"}},
        {"^0.2.3", {"0.2.3", "0.2.9"}, {"0.3.0", "1.0.0"}},
        {"^0.2", {"0.2.0", "0.2.9"}, {"0.3.0"}},
        {"^0.0.3", {"0.0.3"}, {"0.0.4", "0.1.0"}},
        {"^0.0", {"0.0.0", "0.0.9"}, {"0.1.0"}},
        {"^0", {"0.0.0", "0.9.0"}, {"1.0.0"}},
        {"^*", {"0.1.0", "7.0.0"}, {}},
        {">=1.0.0 <2.0.0", {"1.0.0", "1.9.9"}, {"2.0.0", "0.9.9"}},
        {">= 1.0.0, < 2.0.0", {"1.0.0", "1.9.9"}, {"2.0.0", "0.9.9"}},
        {">=1.0.0,<2.0.0", {"1.5.0"}, {"2.0.0"}},
        {"1.2 - 1.4.5", {"1.2.0", "1.4.5"}, {"1.4.6", "1.1.9"}},
        {"1.x || 3.x", {"1.1.0", "3.2.0"}, {"2.0.0"}},
        {"^1.0||^3.0", {"1.1.0", "3.2.0"}, {"2.0.0"}},
        {">=1.0.0-0", {"1.0.0-rc.1", "1.0.0", "2.0.0-beta"}, {"0.9.0"}},
        {"~1.2.0-0 <1.2.5", {"1.2.0-rc.1", "1.2.4-rc.1"}, {"1.2.5"}},
        {">1.0.0-beta.1 <2.0.0", {"1.0.0-beta.2", "1.5.0-rc.1"}, {"1.0.0-beta.1", "2.0.0"}},
    }));

struct BadRange {
  std::string text, message;
};

class BadVersionRange : public ::testing::TestWithParam<BadRange> {};

TEST_P(BadVersionRange, IsRefusedNamingThePart) {
  EXPECT_THAT(VersionRange::parse(GetParam().text), FailsWith(Errc::kInvalid, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(All, BadVersionRange,
                         ::testing::ValuesIn(std::vector<BadRange>{
                             {"", "\"\" is no range of versions; write for example 1.4.x"},
                             {"   ", "is no range"},
                             {"newest", "\"newest\" is no range of versions"},
                             {">=", "\">=\" is no range of versions"},
                             {">==1.0.0", "\">==1.0.0\" is no range"},
                             {"1.2.3.4", "\"1.2.3.4\" is no range"},
                             {"1.x ||", "\"\" is no range"},
                             {"1.0.0 - ", "is no range"},
                             {"<1.0.0 >a", "\">a\" is no range"},
                             {std::string(256, '1'), "at most 255 characters"},
                         }));

TEST(HighestTag, IsTheHighestInTheRangeWhateverTheOrder) {
  const auto range = *VersionRange::parse("1.x");

  EXPECT_EQ(highest_tag(range, {"v1.9.0", "v1.10.0", "latest", "v2.0.0", "v1.2.0"}), "v1.10.0");
}

TEST(HighestTag, OfEquallyHighOnesIsTheLastByName) {
  const auto range = *VersionRange::parse("1.x");

  EXPECT_EQ(highest_tag(range, {"v1.0.0", "1.0.0", "1.0.0+b"}), "v1.0.0");
}

TEST(HighestTag, IsNoneWhereNoTagIsInTheRange) {
  EXPECT_EQ(highest_tag(*VersionRange::parse(">=3"), {"v1.0.0", "nightly"}), std::nullopt);
}

}  // namespace
}  // namespace kiln::source
