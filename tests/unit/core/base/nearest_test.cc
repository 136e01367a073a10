#include "core/base/nearest.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

const std::vector<std::string> kCommands = {"build", "append", "copy",   "cat",  "tag",
                                            "ls",    "diff",   "digest", "login"};
const std::vector<std::string> kFlags = {"kubeconfig", "dry-run", "tag", "compression"};

struct Row {
  std::string name;
  std::string word;
  const std::vector<std::string>& known;
  std::string nearest;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.word;
}

class NearestWord : public ::testing::TestWithParam<Row> {};
TEST_P(NearestWord, IsTheOneThatWasMeant) {
  EXPECT_EQ(nearest_word(GetParam().word, GetParam().known), GetParam().nearest);
}
INSTANTIATE_TEST_SUITE_P(Table, NearestWord,
                         ::testing::Values(Row{"Swapped", "buidl", kCommands, "build"},
                                           Row{"OneLess", "cpy", kCommands, "copy"},
                                           Row{"OneMore", "diffs", kCommands, "diff"},
                                           Row{"OneOther", "digezt", kCommands, "digest"},
                                           Row{"TheNearerOfTwo", "logn", kCommands, "login"},
                                           Row{"Abbreviated", "kubecfg", kFlags, "kubeconfig"},
                                           Row{"ItsBeginning", "dry", kFlags, "dry-run"},
                                           Row{"TwoLettersAreNoBeginning", "co", kFlags, ""},
                                           Row{"NothingLikeIt", "push", kCommands, ""},
                                           Row{"ShortWordsAreNotAllAlike", "rm", kCommands, ""},
                                           Row{"Empty", "", kCommands, ""},
                                           Row{"VeryLong", std::string(100000, 'b'), kCommands,
                                               ""}),
                         [](const auto& test) { return test.param.name; });

TEST(NearestWord, IsOfferedAsAQuestion) {
  EXPECT_EQ(did_you_mean("tags", kFlags, "--"), "; did you mean --tag?");
  EXPECT_EQ(did_you_mean("buidl", kCommands), "; did you mean build?");
  EXPECT_EQ(did_you_mean("wipe", kFlags, "--"), "");
}

TEST(SortByLikeness, PutsTheMostSimilarFirstAndElseKeepsTheOrder) {
  std::vector<std::string> names = {"a", "dev", "main", "next"};
  sort_by_likeness(names, "mian");
  EXPECT_EQ(names, (std::vector<std::string>{"main", "a", "dev", "next"}));
}

TEST(SortByLikeness, LeavesVeryManyNamesAsTheyAre) {
  std::vector<std::string> names(2000, "other");
  names.emplace_back("main");
  const auto before = names;
  sort_by_likeness(names, "main");
  EXPECT_EQ(names, before);
}

}  // namespace
}  // namespace kiln
