#include "core/base/log.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::log {
namespace {

using kiln::testing::FailsWith;

/// Puts the level back, which all tests of a program share.
class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { set_level(before_); }

 private:
  Level before_ = level();
};

TEST_F(LogTest, EveryLevelHasANameThatLeadsBackToIt) {
  for (const auto* name : {"trace", "debug", "info", "warning", "error", "off"}) {
    const auto parsed = parse_level(name);
    ASSERT_TRUE(parsed.has_value()) << name;
    EXPECT_EQ(name_of(*parsed), name);
  }
}

TEST_F(LogTest, AnotherNameIsRefusedWithTheListOfNames) {
  EXPECT_THAT(parse_level("verbose"),
              FailsWith(Errc::kInvalid, "trace, debug, info, warning, error, off"));
}

TEST_F(LogTest, TheLevelMayChangeWhileItRuns) {
  set_level(Level::kError);
  EXPECT_EQ(level(), Level::kError);
  EXPECT_FALSE(enabled(Level::kWarning));

  set_level(Level::kTrace);
  EXPECT_EQ(level(), Level::kTrace);
  EXPECT_TRUE(enabled(Level::kTrace));
}

TEST_F(LogTest, OffSilencesErrorsToo) {
  set_level(Level::kOff);
  EXPECT_FALSE(enabled(Level::kError));
}

}  // namespace
}  // namespace kiln::log
