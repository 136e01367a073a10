#include "core/source/number_slots.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kiln::source {
namespace {

class Slots : public testing::Test {
 protected:
  /// Their hash is their length, so that many have the same.
  static std::uint64_t hash_of(const std::string& text) { return text.size(); }
  std::uint32_t add(NumberSlots& slots, std::uint32_t number) const {
    return slots.find_or_add(hash_of(texts_[number]), number,
                             [&](std::uint32_t at) { return texts_[at] == texts_[number]; });
  }
  std::uint32_t find(const NumberSlots& slots, const std::string& text) const {
    return slots.find(hash_of(text), [&](std::uint32_t at) { return texts_[at] == text; });
  }

  std::vector<std::string> texts_ = {"one", "two", "three", "one", "six", "seven", "two"};
};

TEST_F(Slots, GiveTheFirstOfThoseThatAreTheSame) {
  NumberSlots slots(texts_.size());
  std::vector<std::uint32_t> firsts;
  for (std::uint32_t i = 0; i < texts_.size(); ++i) firsts.push_back(add(slots, i));
  EXPECT_EQ(firsts, (std::vector<std::uint32_t>{0, 1, 2, 0, 4, 5, 1}));
}

TEST_F(Slots, FindNothingThatWasNotAdded) {
  NumberSlots slots(2);
  add(slots, 0);
  add(slots, 2);
  EXPECT_EQ(find(slots, "one"), 0U);
  EXPECT_EQ(find(slots, "three"), 2U);
  EXPECT_EQ(find(slots, "two"), NumberSlots::kNone);
  EXPECT_EQ(find(NumberSlots(), "one"), NumberSlots::kNone);
}

}  // namespace
}  // namespace kiln::source
