#include "controller/obs/log_switch.h"

#include <gtest/gtest.h>

namespace kiln::obs {
namespace {

using log::Level;

/// Puts the level back, which all tests of a program share.
class LogSwitchTest : public ::testing::Test {
 protected:
  ~LogSwitchTest() override { log::set_level(before_); }

 private:
  Level before_ = log::level();
};

TEST_F(LogSwitchTest, TogglesBetweenDebugAndTheConfiguredLevel) {
  log::set_level(Level::kWarning);
  LogSwitch one(Level::kWarning);

  one.toggle_debug();
  EXPECT_EQ(log::level(), Level::kDebug);
  one.toggle_debug();
  EXPECT_EQ(log::level(), Level::kWarning);
}

TEST_F(LogSwitchTest, WhereDebugIsConfiguredTheOtherPositionIsInfo) {
  log::set_level(Level::kDebug);
  LogSwitch one(Level::kDebug);

  one.toggle_debug();
  EXPECT_EQ(log::level(), Level::kInfo);
  one.toggle_debug();
  EXPECT_EQ(log::level(), Level::kDebug);
}

TEST_F(LogSwitchTest, GoesBackFromALevelThatWasSetByHand) {
  LogSwitch one(Level::kError);
  one.set(Level::kTrace);
  EXPECT_EQ(log::level(), Level::kTrace);
  one.toggle_debug();
  EXPECT_EQ(log::level(), Level::kError);
}

TEST_F(LogSwitchTest, SaysThatItChangedEvenWhenTheNewLevelWouldHideIt) {
  log::set_level(Level::kInfo);
  ::testing::internal::CaptureStderr();
  LogSwitch(Level::kInfo).set(Level::kError);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("log level changed from=info to=error"),
            std::string::npos);
}

}  // namespace
}  // namespace kiln::obs
