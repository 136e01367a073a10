#include "controller/imagebuild/tag_fight.h"

#include <gtest/gtest.h>

namespace kiln::imagebuild {
namespace {

using std::chrono::minutes;

const WallTime kNow = *parse_rfc3339("2026-01-01T12:00:00Z");

api::LastBuild put_back(std::size_t times, std::chrono::seconds ago) {
  api::LastBuild last;
  last.completed_at = format_rfc3339(kNow - ago);
  for (std::size_t i = 0; i < times; ++i)
    last.reasons.emplace_back("Restored", "sha256:theirs", "sha256:ours");
  return last;
}

struct Fight {
  std::string name;
  std::size_t times;
  std::chrono::seconds ago;
  std::chrono::seconds wait;
};
void PrintTo(const Fight& row, std::ostream* out) {
  *out << row.name;
}
class TagFight : public ::testing::TestWithParam<Fight> {};
TEST_P(TagFight, MakesTheNextTurnWaitLonger) {
  EXPECT_EQ(wait_before_putting_back(put_back(GetParam().times, GetParam().ago), kNow),
            GetParam().wait);
}
INSTANTIATE_TEST_SUITE_P(Table, TagFight,
                         ::testing::Values(Fight{"TheFirstTime", 0, minutes(0), minutes(0)},
                                           Fight{"AFewTimes", 4, minutes(0), minutes(0)},
                                           Fight{"TooOften", 5, minutes(0), minutes(1)},
                                           Fight{"TooOftenAndAWhileAgo", 5,
                                                 std::chrono::seconds(45),
                                                 std::chrono::seconds(15)},
                                           Fight{"TheWaitIsOver", 5, minutes(2), minutes(0)},
                                           Fight{"MoreOften", 8, minutes(0), minutes(8)},
                                           Fight{"ForHours", 32, minutes(0), minutes(30)},
                                           Fight{"LongAgo", 32, minutes(61), minutes(0)}),
                         [](const auto& test) { return test.param.name; });

TEST(TagFight, IsNoneWhereTheLastBuildWasAnother) {
  auto last = put_back(6, minutes(0));
  EXPECT_EQ(times_put_back(last, kNow), 6u);
  last.reasons.emplace_back("ContentChanged", "a", "b");
  EXPECT_EQ(times_put_back(last, kNow), 0u);
  EXPECT_EQ(times_put_back(std::nullopt, kNow), 0u);
}

TEST(TagFight, IsNoneWhereTagsWereDeleted) {
  api::LastBuild last = put_back(0, minutes(0));
  for (int i = 0; i < 6; ++i) last.reasons.emplace_back("Restored", "", "sha256:ours");
  EXPECT_EQ(times_put_back(last, kNow), 0u);
}

}  // namespace
}  // namespace kiln::imagebuild
