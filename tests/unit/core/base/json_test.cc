#include "core/base/json.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;
using testing::IsOk;

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(ParseJson, TakesNestingUpToTheLimitAndNoMore) {
  EXPECT_THAT(parse_json(nested(64)), IsOk());
  EXPECT_THAT(parse_json(nested(65)), FailsWith(Errc::kInvalid, "nested deeper than 64"));
  EXPECT_THAT(parse_json(nested(1'000'000)), FailsWith(Errc::kInvalid, "nested deeper"));
}

TEST(ParseJson, DoesNotCountBracketsInStrings) {
  EXPECT_THAT(parse_json("\"" + std::string(1000, '[') + "\\\"[[\""), IsOk());
}

TEST(ParseJson, SaysWhereItBreaksButNotWhatStandsThere) {
  const auto result = parse_json(R"({"password": "hunter2",,})");
  ASSERT_THAT(result, FailsWith(Errc::kInvalid, "at byte 24"));
  EXPECT_EQ(result.error().message.find("hunter2"), std::string::npos);
}

TEST(ParseJson, RefusesWhatFollowsTheValue) {
  EXPECT_THAT(parse_json("{} x"), FailsWith(Errc::kInvalid, "not valid JSON"));
}

TEST(ParseJson, RefusesBrokenUtf8) {
  EXPECT_THAT(parse_json("\"\xff\""), FailsWith(Errc::kInvalid, "not valid JSON"));
}

TEST(DumpJson, SortsKeysAndAddsNoSpace) {
  EXPECT_EQ(dump_json(Json{{"b", 1}, {"a", {1, 2}}}), R"({"a":[1,2],"b":1})");
}

TEST(JsonString, IsEmptyForWhatIsNoString) {
  const Json object = {{"a", 1}};
  EXPECT_EQ(json_string(object, "a"), "");
  EXPECT_EQ(json_string(object, "b"), "");
  EXPECT_EQ(json_string(Json("text"), "a"), "");
}

}  // namespace
}  // namespace kiln
