#include "core/source/git_history.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kiln::source {
namespace {

/// "c:b a" = the commit c has the parents b and a; "a:" = a has none.
CommitParents graph(const std::vector<std::string>& commits) {
  CommitParents parents;
  for (const auto& text : commits) {
    auto& named = parents[text.substr(0, 1)];
    for (std::size_t i = 2; i < text.size(); i += 2) named.push_back(text.substr(i, 1));
  }
  return parents;
}

struct History {
  std::string claim;
  std::vector<std::string> commits;  ///< From "b" (before) to "n" (now).
  Descent descent;
};
void PrintTo(const History& history, std::ostream* out) {
  *out << history.claim;
}

class GitHistory : public ::testing::TestWithParam<History> {};

TEST_P(GitHistory, TellsWhetherOneCommitDescendsFromAnother) {
  EXPECT_EQ(descent_of("n", "b", graph(GetParam().commits)), GetParam().descent);
}

INSTANTIATE_TEST_SUITE_P(
    Graphs, GitHistory,
    ::testing::ValuesIn(std::vector<History>{
        {"TheNextCommit", {"n:b"}, Descent::kYes},
        {"SomeCommitsLater", {"n:2", "2:1", "1:b"}, Descent::kYes},
        {"AMergeOfIt", {"n:m b", "m:"}, Descent::kYes},
        {"AMergeOfItAmongUnknownOnes", {"n:? b"}, Descent::kYes},
        {"ANewBeginning", {"n:"}, Descent::kNo},
        {"ANewBeginningWhereTheOtherIsKnown", {"n:", "b:a"}, Descent::kNo},
        {"AnotherOneInItsPlace", {"n:a", "b:a"}, Descent::kNo},
        {"SeveralOthersInThePlaceOfSeveral", {"n:2", "2:a", "b:1", "1:a"}, Descent::kNo},
        {"BackToAnOlderOne", {"n:a", "b:1", "1:n"}, Descent::kNo},
        {"WhereTheWayBackIsCutOff", {"n:2", "2:1"}, Descent::kUnknown},
        {"OneWayBackOfTwoCutOff", {"n:a ?", "b:a"}, Descent::kUnknown},
        {"NothingKnown", {}, Descent::kUnknown},
        {"ACircleEnds", {"n:2", "2:n"}, Descent::kNo},
    }),
    [](const auto& test) { return test.param.claim; });

TEST(GitHistoryText, ParentsAreThoseOfTheHeaderAlone) {
  const std::string a(40, 'a'), b(40, 'b');

  EXPECT_EQ(parents_named_in("tree " + a + "\nparent " + a + "\nparent " + b +
                             "\nauthor x\n\nparent " + a + "\n"),
            (std::vector<std::string>{a, b}));
  EXPECT_TRUE(parents_named_in("tree " + a + "\nparent --upload-pack=x\n").empty());
  EXPECT_TRUE(parents_named_in("").empty());
}

TEST(GitHistoryText, WhatIsCutOffHasNoKnownParents) {
  EXPECT_EQ(read_parents("n 2 b\n2 1\n1\nb\n", "1\n"), graph({"n:2 b", "2:1", "b:"}));
  EXPECT_EQ(read_parents("", ""), CommitParents());
}

}  // namespace
}  // namespace kiln::source
