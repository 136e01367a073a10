#include "controller/hooks/delivery_memory.h"

#include <gtest/gtest.h>

namespace kiln::hooks {
namespace {

class Memory : public ::testing::Test {
 protected:
  static Sha256Sum id(std::size_t number) { return sha256(std::to_string(number)); }
  DeliveryMemory memory_;
  DeliveryMemory::Time now_{std::chrono::hours(1)};
};

TEST_F(Memory, KnowsWhatItHasSeen) {
  EXPECT_TRUE(memory_.remember(id(1), now_));
  EXPECT_TRUE(memory_.remember(id(2), now_));
  EXPECT_FALSE(memory_.remember(id(1), now_ + std::chrono::minutes(59)));
}

TEST_F(Memory, ForgetsAfterAnHour) {
  memory_.remember(id(1), now_);
  EXPECT_TRUE(memory_.remember(id(1), now_ + std::chrono::minutes(60)));
}

TEST_F(Memory, ForgetsWhatCameToNothing) {
  memory_.remember(id(1), now_);
  memory_.forget(id(1));
  EXPECT_TRUE(memory_.remember(id(1), now_ + std::chrono::minutes(30)));
  EXPECT_FALSE(memory_.remember(id(1), now_ + std::chrono::minutes(61)))
      << "its second hour had just begun";
}

TEST_F(Memory, KeepsABoundedNumberAndForgetsTheOldest) {
  for (std::size_t i = 0; i <= DeliveryMemory::kHowMany; ++i)
    EXPECT_TRUE(memory_.remember(id(i), now_));
  EXPECT_EQ(memory_.size(), DeliveryMemory::kHowMany);
  for (int attempts = 0; attempts < 3; ++attempts)
    EXPECT_FALSE(memory_.remember(id(1), now_)) << "what is refused pushes nothing out";
  EXPECT_TRUE(memory_.remember(id(0), now_));
}

}  // namespace
}  // namespace kiln::hooks
