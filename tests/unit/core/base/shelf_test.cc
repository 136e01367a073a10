#include "core/base/shelf.h"

#include <gtest/gtest.h>

#include <string>

namespace kiln {
namespace {

std::string names_on(Shelf<int>& shelf) {
  std::string names;
  for (const auto* name : {"a", "b", "c", "d"})
    if (shelf.find(name) != nullptr) names += name;
  return names;
}

TEST(Shelf, GivesWhatWasPut) {
  Shelf<int> shelf(10);
  shelf.put("a", 7, 1);
  ASSERT_NE(shelf.find("a"), nullptr);
  EXPECT_EQ(*shelf.find("a"), 7);
  EXPECT_EQ(shelf.find("b"), nullptr);
}

TEST(Shelf, DropsWhatWasAskedForLongestAgoWhenAllWeighTooMuch) {
  Shelf<int> shelf(10);
  shelf.put("a", 1, 5);
  shelf.put("b", 2, 5);
  shelf.find("a");
  shelf.put("c", 3, 5);
  EXPECT_EQ(names_on(shelf), "ac");
}

TEST(Shelf, DropsWhatWasAskedForLongestAgoWhenThereAreTooMany) {
  Shelf<int> shelf(100, 2);
  for (const auto* name : {"a", "b", "c"}) shelf.put(name, 0, 1);
  EXPECT_EQ(names_on(shelf), "bc");
}

TEST(Shelf, KeepsTheNewestWhateverItWeighs) {
  Shelf<int> shelf(10);
  shelf.put("a", 1, 1);
  shelf.put("b", 2, 1000);
  EXPECT_EQ(names_on(shelf), "b");
  shelf.put("c", 3, 10);
  EXPECT_EQ(names_on(shelf), "c");
}

TEST(Shelf, ReplacesWhatHasTheNameAndItsWeight) {
  Shelf<int> shelf(10);
  shelf.put("a", 1, 9);
  shelf.put("a", 2, 1);
  shelf.put("b", 3, 9);
  EXPECT_EQ(names_on(shelf), "ab");
  EXPECT_EQ(*shelf.find("a"), 2);
}

}  // namespace
}  // namespace kiln
