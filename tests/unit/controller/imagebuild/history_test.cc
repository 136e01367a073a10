#include "controller/imagebuild/history.h"

#include <gtest/gtest.h>

namespace kiln::imagebuild {
namespace {

api::HistoryEntry entry(const std::string& digest, const std::string& time = "t") {
  api::HistoryEntry one;
  one.digest = digest;
  one.input_key = "key of " + digest;
  one.completed_at = time;
  return one;
}

History of(const std::vector<std::string>& digests) {
  History history;
  for (const auto& digest : digests) history.push_back(entry(digest));
  return history;
}

std::vector<std::string> digests(const History& history) {
  std::vector<std::string> all;
  for (const auto& one : history) all.push_back(one.digest);
  return all;
}
using Digests = std::vector<std::string>;

TEST(History, PutsWhatIsNewInFront) {
  auto history = of({"b", "a"});
  remember(history, entry("c"));
  EXPECT_EQ(digests(history), (Digests{"c", "b", "a"}));
}

TEST(History, HoldsEachDigestOnce) {
  auto history = of({"c", "b", "a"});
  remember(history, entry("a", "later"));
  EXPECT_EQ(digests(history), (Digests{"a", "c", "b"}));
  EXPECT_EQ(history.front().completed_at, "later");
}

TEST(History, OfWhatIsInFrontKeepsTheTimeAndTakesTheNewKey) {
  auto history = of({"b", "a"});
  auto again = entry("b", "later");
  again.input_key = "another";
  remember(history, again);
  EXPECT_EQ(digests(history), (Digests{"b", "a"}));
  EXPECT_EQ(history.front().completed_at, "t");
  EXPECT_EQ(history.front().input_key, "another");
}

TEST(History, IsFoundByDigestAndByInputKey) {
  const auto history = of({"b", "a"});
  EXPECT_EQ(with_digest(history, "a")->input_key, "key of a");
  EXPECT_EQ(with_input_key(history, "key of b")->digest, "b");
  EXPECT_EQ(with_digest(history, "x"), nullptr);
  EXPECT_EQ(with_input_key(history, "x"), nullptr);
}

struct Shortening {
  std::string name;
  std::size_t limit;
  Digests needed;
  Digests kept;
};
void PrintTo(const Shortening& row, std::ostream* out) {
  *out << row.name;
}
class HistoryShortened : public ::testing::TestWithParam<Shortening> {};
TEST_P(HistoryShortened, KeepsTheNewestAndWhatIsNeeded) {
  EXPECT_EQ(digests(shortened(of({"d", "c", "b", "a"}), GetParam().limit, GetParam().needed)),
            GetParam().kept);
}
INSTANTIATE_TEST_SUITE_P(Table, HistoryShortened,
                         ::testing::Values(Shortening{"EnoughRoom", 3, {}, {"d", "c", "b", "a"}},
                                           Shortening{"OneEarlier", 1, {}, {"d", "c"}},
                                           Shortening{"NoneEarlier", 0, {}, {"d"}},
                                           Shortening{"ThePinStays", 1, {"a"}, {"d", "c", "a"}},
                                           Shortening{"ThePinCountsOnce", 1, {"c"}, {"d", "c"}},
                                           Shortening{
                                               "AnUnknownPinIsNotInvented", 0, {"x", ""}, {"d"}}),
                         [](const auto& test) { return test.param.name; });

TEST(History, NeverHoldsMoreThanAStatusMayEvenWithAPinAtItsEnd) {
  Digests many;
  for (int i = 0; i < 120; ++i) many.push_back(std::to_string(i));
  const auto kept = digests(shortened(of(many), 100, {"119"}));
  EXPECT_EQ(kept.size(), 101u);
  EXPECT_EQ(kept.front(), "0");
  EXPECT_EQ(kept.back(), "119");
}

}  // namespace
}  // namespace kiln::imagebuild
