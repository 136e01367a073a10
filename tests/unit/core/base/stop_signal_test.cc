#include "core/base/stop_signal.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <optional>

namespace kiln {
namespace {

bool readable(const StopSignal& signal) {
  pollfd asked{signal.fd(), POLLIN, 0};
  return ::poll(&asked, 1, 0) == 1;
}

TEST(StopSignal, IsReadableFromTheMomentAStopIsAskedFor) {
  std::stop_source stop;
  const StopSignal signal(stop.get_token());
  EXPECT_FALSE(readable(signal));

  stop.request_stop();

  EXPECT_TRUE(readable(signal));
  EXPECT_TRUE(readable(signal));
}

TEST(StopSignal, IsReadableAtOnceWhenItCameTooLate) {
  std::stop_source stop;
  stop.request_stop();

  const StopSignal signal(stop.get_token());

  EXPECT_TRUE(readable(signal));
}

TEST(StopSignal, HasNoDescriptorWhereNobodyCanAsk) {
  const StopSignal signal{std::stop_token()};

  EXPECT_EQ(signal.fd(), -1);
  EXPECT_FALSE(readable(signal));
}

TEST(StopSignal, IsNotToldAnyMoreOnceItIsGone) {
  std::stop_source stop;
  std::optional<StopSignal> signal(std::in_place, stop.get_token());
  const StopSignal other(stop.get_token());
  signal.reset();

  stop.request_stop();

  EXPECT_TRUE(readable(other));
}

}  // namespace
}  // namespace kiln
