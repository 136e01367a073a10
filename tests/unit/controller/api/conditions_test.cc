#include "controller/api/conditions.h"

#include <gtest/gtest.h>

namespace kiln::api {
namespace {

constexpr WallTime kEarlier{std::chrono::seconds(1'767'225'600)};
constexpr WallTime kLater = kEarlier + std::chrono::seconds(60);

Condition ready(bool holds, std::string reason, std::string message, std::int64_t generation = 1) {
  return Condition("Ready", holds, generation, std::move(reason), std::move(message));
}

TEST(Conditions, KeepTheTimeWhileTheStatusStaysTheSame) {
  Conditions conditions;
  set_condition(conditions, ready(false, "Progressing", "one"), kEarlier);
  set_condition(conditions, ready(false, "Timeout", "two", 7), kLater);

  ASSERT_EQ(conditions.size(), 1u);
  EXPECT_EQ(conditions[0].last_transition_time, "2026-01-01T00:00:00Z");
  EXPECT_EQ(conditions[0].reason, "Timeout");
  EXPECT_EQ(conditions[0].message, "two");
  EXPECT_EQ(conditions[0].observed_generation, 7);
}

TEST(Conditions, TakeTheNewTimeWhenTheStatusChanges) {
  Conditions conditions;
  set_condition(conditions, ready(false, "Progressing", ""), kEarlier);
  set_condition(conditions, ready(true, "Succeeded", ""), kLater);
  EXPECT_EQ(conditions[0].last_transition_time, "2026-01-01T00:01:00Z");
}

TEST(Conditions, AreFoundAndRemovedByType) {
  Conditions conditions;
  set_condition(conditions, ready(true, "Succeeded", ""), kEarlier);
  EXPECT_EQ(find_condition(conditions, "Stalled"), nullptr);
  ASSERT_NE(find_condition(conditions, "Ready"), nullptr);
  remove_condition(conditions, "Ready");
  EXPECT_TRUE(conditions.empty());
}

}  // namespace
}  // namespace kiln::api
