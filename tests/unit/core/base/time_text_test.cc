#include "core/base/time_text.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln {
namespace {

using namespace std::chrono_literals;
using testing::FailsWith;

TEST(Rfc3339, RoundTrips) {
  for (const auto* text : {"2020-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2024-02-29T12:30:00Z"})
    EXPECT_EQ(format_rfc3339(*parse_rfc3339(text)), text);
}

TEST(Rfc3339, UnderstandsFractionsAndOffsets) {
  EXPECT_EQ(format_rfc3339(*parse_rfc3339("2020-01-01T02:00:00.123456+02:00")),
            "2020-01-01T00:00:00Z");
}

class Rfc3339Refuses : public ::testing::TestWithParam<std::string> {};
TEST_P(Rfc3339Refuses, WhatIsNoTime) {
  EXPECT_THAT(parse_rfc3339(GetParam()), FailsWith(Errc::kInvalid, "write it like"));
}
INSTANTIATE_TEST_SUITE_P(Text, Rfc3339Refuses,
                         ::testing::Values("", "2020-01-01", "2020-13-01T00:00:00Z",
                                           "2020-02-30T00:00:00Z", "2020-01-01T24:00:00Z",
                                           "2020-01-01T00:00:00", "2020-01-01T00:00:00Zx"));

struct Pair {
  std::string text;
  std::chrono::milliseconds value;
};
class Durations : public ::testing::TestWithParam<Pair> {};
TEST_P(Durations, AreReadAndWrittenAsGoDoes) {
  EXPECT_EQ(*parse_duration(GetParam().text), GetParam().value);
  EXPECT_EQ(format_duration(GetParam().value), GetParam().text);
}
INSTANTIATE_TEST_SUITE_P(Table, Durations,
                         ::testing::Values(Pair{"0s", 0ms}, Pair{"250ms", 250ms},
                                           Pair{"1.5s", 1500ms}, Pair{"10m", 10min},
                                           Pair{"1h30m", 90min}, Pair{"24h", 24h},
                                           Pair{"1h1.005s", 1h + 1005ms}),
                         [](const auto& test) { return "Row" + std::to_string(test.index); });

class DurationRefuses : public ::testing::TestWithParam<std::string> {};
TEST_P(DurationRefuses, WhatIsNoDuration) {
  EXPECT_THAT(parse_duration(GetParam()),
              FailsWith(Errc::kInvalid, "write it like 30s, 10m or 1h30m"));
}
INSTANTIATE_TEST_SUITE_P(Text, DurationRefuses,
                         ::testing::Values("", "10", "m", "1d", "-5s", "1h ", "99999999999h",
                                           ".s"));

}  // namespace
}  // namespace kiln
