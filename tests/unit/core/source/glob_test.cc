#include "core/source/glob.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kiln::source {
namespace {

struct Case {
  std::string name, pattern, text;
  bool matches = false;
};

class GlobMatches : public ::testing::TestWithParam<Case> {};

TEST_P(GlobMatches, AsWildmatchDoes) {
  EXPECT_EQ(Glob(GetParam().pattern).matches(GetParam().text), GetParam().matches)
      << GetParam().pattern << " and " << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(Table, GlobMatches,
                         ::testing::ValuesIn(std::vector<Case>{
                             {"EmptyMatchesEmpty", "", "", true},
                             {"EmptyMatchesNothingElse", "", "a", false},
                             {"Bytes", "abc", "abc", true},
                             {"CaseCounts", "abc", "Abc", false},
                             {"QuestionMark", "a?c", "abc", true},
                             {"QuestionMarkIsNoSlash", "a?c", "a/c", false},
                             {"QuestionMarkIsOneByte", "?", "\xc3\xa9", false},
                             {"Star", "a*c", "abbbc", true},
                             {"StarMayBeNothing", "a*c", "ac", true},
                             {"StarStopsAtSlash", "a*c", "a/c", false},
                             {"StarInsideOneDirectory", "a/*/c", "a/b/c", true},
                             {"StarIsOneDirectory", "a/*/d", "a/b/c/d", false},
                             {"TwoStarsInAWord", "a**c", "ab/c", false},
                             {"TwoStarsInAWordAreOne", "a**c", "abc", true},
                             {"LeadingTwoStars", "**/c", "a/b/c", true},
                             {"LeadingTwoStarsMayBeNothing", "**/c", "c", true},
                             {"LeadingTwoStarsKeepWholeNames", "**/c", "ac", false},
                             {"TwoStarsBetween", "a/**/c", "a/x/y/c", true},
                             {"TwoStarsBetweenMayBeNothing", "a/**/c", "a/c", true},
                             {"TwoStarsBetweenNeedBothSlashes", "a/**/c", "ac", false},
                             {"TrailingTwoStars", "a/**", "a/b/c", true},
                             {"TrailingTwoStarsNeedSomethingBelow", "a/**", "a", false},
                             {"ManyStarsAreTwo", "a/****/c", "a/x/y/c", true},
                             {"TwoStarsTwice", "**/**/c", "c", true},
                             {"TwoStarsBeforeAnEscapedSlash", "**\\/c", "a/b/c", true},
                             {"TwoStarsBeforeAnEscapedSlashAreNotNothing", "**\\/c", "c", false},
                             {"Class", "[abc]", "b", true},
                             {"ClassRange", "[a-c]", "b", true},
                             {"ClassRangeUpsideDown", "[c-a]", "b", false},
                             {"ClassNegated", "[!a-c]", "d", true},
                             {"ClassNegatedByCaret", "[^a-c]", "b", false},
                             {"ClassIsNoSlash", "a[!b]c", "a/c", false},
                             {"ClassNamesSlashInVain", "a[/]c", "a/c", false},
                             {"ClassWithBracketFirst", "[]]", "]", true},
                             {"ClassNegatedWithBracketFirst", "[!]]", "]", false},
                             {"ClassWithDashLast", "[a-]", "-", true},
                             {"ClassWithDashFirst", "[-a]", "-", true},
                             {"ClassWithDashAfterRange", "[a-c-e]", "d", false},
                             {"ClassEscape", "[\\]]", "]", true},
                             {"ClassRangeToEscape", "[a-\\c]", "b", true},
                             {"ClassByName", "[[:digit:]]", "7", true},
                             {"ClassByNameAndMore", "[x[:digit:]y]", "y", true},
                             {"ClassByNameNegated", "[![:alpha:]]", "a", false},
                             {"ClassOfUnknownName", "[[:nope:]a]", "a", false},
                             {"ClassThatOnlyLooksNamed", "[[:a]", ":", true},
                             {"ClassLeftOpen", "[a", "a", false},
                             {"ClassNameLeftOpen", "[[:alpha:", "a", false},
                             {"ClassIsOfBytes", "[\x80-\xff][\x80-\xff]", "\xc3\xa9", true},
                             {"SpaceIsNoVerticalTab", "[[:space:]]", "\v", false},
                             {"Escape", "\\*", "*", true},
                             {"EscapeIsOnlyItself", "\\*", "a", false},
                             {"EscapeOfALetter", "\\a", "a", true},
                             {"EscapeOfNothing", "a\\", "a\\", false},
                             {"StarsNeedToLookFurther", "*ab*cd", "abxabcxcd", true},
                             {"StarsNeedToLookFurtherInVain", "*ab*cd", "abxabcxce", false},
                         }),
                         [](const auto& test) { return test.param.name; });

// Backtracking would take longer than the universe has been there.
TEST(Glob, TakesNoLongerForAHostilePattern) {
  std::string stars;
  std::string directories;
  for (int i = 0; i < 400; ++i) stars += "*a*";
  for (int i = 0; i < 400; ++i) directories += "**/a*/";
  std::string path;
  for (int i = 0; i < 1000; ++i) path += "aaa/";

  EXPECT_FALSE(Glob(stars + "b").matches(std::string(4000, 'a')));
  EXPECT_FALSE(Glob(directories + "b").matches(path));
}

}  // namespace
}  // namespace kiln::source
