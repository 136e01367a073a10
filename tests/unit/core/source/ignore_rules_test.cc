#include "core/source/ignore_rules.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/layer/entry_path.h"
#include "tests/support/matchers.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using layer::testing_support::output_of;

struct Case {
  std::string name, rules, path;
  bool is_directory = false;
  bool ignored = false;
};

class IgnoreRulesTable : public ::testing::TestWithParam<Case> {};

TEST_P(IgnoreRulesTable, SaysWhatIsLeftOut) {
  const auto& test = GetParam();
  const auto rules = IgnoreRules::parse(test.rules);
  ASSERT_THAT(rules, IsOk());
  EXPECT_EQ(rules->ignores(test.path, test.is_directory), test.ignored);
}

constexpr bool kFile = false;
constexpr bool kDirectory = true;

INSTANTIATE_TEST_SUITE_P(
    Gitignore, IgnoreRulesTable,
    ::testing::ValuesIn(std::vector<Case>{
        {"NothingSaidNothingIgnored", "", "a", kFile, false},
        {"NameAtTheTop", "a\n", "a", kFile, true},
        {"NameAtAnyDepth", "a\n", "x/y/a", kFile, true},
        {"NameOfADirectoryAbove", "x\n", "x/y/a", kFile, true},
        {"NotPartOfAName", "a\n", "ab", kFile, false},
        {"CaseCounts", "a\n", "A", kFile, false},
        {"LastLineWithoutBreak", "b\na", "a", kFile, true},
        {"LeadingSlashAnchors", "/a\n", "x/a", kFile, false},
        {"LeadingSlashAtTheTop", "/a\n", "a", kFile, true},
        {"SlashInsideAnchors", "x/a\n", "y/x/a", kFile, false},
        {"SlashInsideAtTheTop", "x/a\n", "x/a", kFile, true},
        {"TrailingSlashIsForDirectories", "a/\n", "a", kFile, false},
        {"TrailingSlashMatchesADirectory", "a/\n", "x/a", kDirectory, true},
        {"TrailingSlashAndWhatIsBelow", "a/\n", "x/a/b", kFile, true},
        {"CommentIsNoPattern", "#a\n", "#a", kFile, false},
        {"EscapedHash", "\\#a\n", "#a", kFile, true},
        {"EscapedExclamationMark", "\\!a\n", "!a", kFile, true},
        {"Negation", "*.log\n!keep.log\n", "keep.log", kFile, false},
        {"NegationIsUndoneLater", "!keep.log\n*.log\n", "keep.log", kFile, true},
        {"NegationBelowAnIgnoredDirectory", "x/\n!x/keep\n", "x/keep", kFile, true},
        {"NegationBelowIgnoredContent", "x/*\n!x/keep\n", "x/keep", kFile, false},
        {"AllButOneDirectory", "/*\n!/x\n", "x/y", kFile, false},
        {"AllButOneDirectoryLeavesOutOthers", "/*\n!/x\n", "y", kFile, true},
        {"TrailingSpacesAreDropped", "a  \n", "a", kFile, true},
        {"EscapedTrailingSpaceStays", "a\\ \n", "a ", kFile, true},
        {"OneEscapedOneNot", "a\\  \n", "a ", kFile, true},
        {"LeadingSpacesStay", "  a\n", "a", kFile, false},
        {"TabsStay", "a\t\n", "a", kFile, false},
        {"LinesOfWindows", "a\r\nb\r\n", "a", kFile, true},
        {"CarriageReturnAtTheEnd", "a\r", "a", kFile, true},
        {"ByteOrderMark", "\xef\xbb\xbf#b\na\n", "a", kFile, true},
        {"ByteOrderMarkIsNoPartOfALine",
         "\xef\xbb\xbf"
         "a\n",
         "a", kFile, true},
        {"Star", "*.o\n", "x/a.o", kFile, true},
        {"StarWithAPathStopsAtSlash", "x/*.o\n", "x/y/a.o", kFile, false},
        {"TwoStarsInFront", "**/a/b\n", "x/y/a/b", kFile, true},
        {"TwoStarsBehind", "a/**\n", "a", kDirectory, false},
        {"TwoStarsBehindAllBelow", "a/**\n", "a/b", kFile, true},
        {"TwoStarsBetween", "a/**/b\n", "a/b", kFile, true},
        {"TwoStarsBehindAWord", "ab**/c\n", "abx/y/c", kFile, true},
        {"TwoSlashesMatchNothing", "a//b\n", "a/b", kFile, false},
        {"SlashAloneMatchesNothing", "/\n", "a", kDirectory, false},
        {"ExclamationMarkAlone", "a\n!\n", "a", kFile, true},
        {"SpacesAlone", "   \n", " ", kFile, false},
        {"BackslashAtTheEnd", "a\\\n", "a\\", kFile, false},
        {"BytesThatAreNotUtf8", "\xff*\n", "\xff\xfe", kFile, true},
        {"BracketLeftOpen", "[a\n", "[a", kFile, false},
    }),
    [](const auto& test) { return test.param.name; });

TEST(IgnoreRules, DeeperOnesWinAndSeeOnlyWhatIsBelowThem) {
  auto rules = *IgnoreRules::parse("*.log\n/top\n");
  rules.add("x", *IgnoreRules::parse("!keep.log\n/a\ny/b\n"));
  rules.add("x/y", *IgnoreRules::parse("keep.log\n"));

  EXPECT_TRUE(rules.ignores("keep.log", false));
  EXPECT_FALSE(rules.ignores("x/keep.log", false));
  EXPECT_TRUE(rules.ignores("x/y/keep.log", false));
  EXPECT_TRUE(rules.ignores("x/a", false));
  EXPECT_FALSE(rules.ignores("a", false));
  EXPECT_FALSE(rules.ignores("xx/a", false));
  EXPECT_TRUE(rules.ignores("x/y/b", false));
  EXPECT_FALSE(rules.ignores("x/top", false));
}

TEST(IgnoreRules, LookAtThePathAloneWhenTold) {
  const auto rules = *IgnoreRules::parse("x/\n");
  EXPECT_TRUE(rules.ignores("x/a", false));
  EXPECT_FALSE(rules.ignores_itself("x/a", false));
}

TEST(IgnoreRules, AreEmptyWithoutAPattern) {
  EXPECT_TRUE(IgnoreRules::parse("# nothing\n\n")->empty());
  EXPECT_FALSE(IgnoreRules::parse("a")->empty());
}

struct Bad {
  std::string name, text, why;
};

class IgnoreRulesReject : public ::testing::TestWithParam<Bad> {};

TEST_P(IgnoreRulesReject, WithTheLine) {
  EXPECT_THAT(IgnoreRules::parse(GetParam().text), FailsWith(Errc::kInvalid, GetParam().why));
}

std::string lines(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += "a\n";
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    Parse, IgnoreRulesReject,
    ::testing::ValuesIn(std::vector<Bad>{
        {"Nul", std::string("a\nb\0c\n", 6), "line 2 has a NUL byte"},
        {"LongLine", std::string(4097, 'a'), "line 1 is longer than 4096 bytes"},
        {"ManyLines", lines(10'001), "line 10001 is one too many: write at most 10000"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(IgnoreRules, TakeAsMuchAsIsAllowed) {
  EXPECT_THAT(IgnoreRules::parse(lines(9'999) + std::string(4096, 'a') + "\n"), IsOk());
}

/// Random, but the same on every machine.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : state_(seed * 2654435761U + 1) {}
  std::size_t below(std::size_t limit) {
    state_ = state_ * 1664525U + 1013904223U;
    return (state_ >> 8) % limit;
  }
  const std::string& of(const std::vector<std::string>& choices) {
    return choices[below(choices.size())];
  }

 private:
  std::uint32_t state_;
};

const std::vector<std::string> kDirectoryNames = {"a", "foo", "a.b", "[x]", "d "};
const std::vector<std::string> kFileNames = {"b",  "bar", "foo.o", "a-c",  "#h", "!n",
                                             " s", "t ",  "]",     "\xff", "A1", "back\\slash"};

std::string random_pattern(Dice& dice) {
  static const std::vector<std::string> kFragments = {
      "a",   "b",   "foo", "bar", ".o",         "1",           "*",      "*",          "**",
      "**/", "/**", "/",   "/",   "?",          "[ab]",        "[!a]",   "[^b-f]",     "[a-c]",
      "]",   "[",   "-",   "\\",  "\\*",        " ",           "!",      "#",          "\xff",
      "[]]", "h",   "s",   "***", "[[:alpha:]", "[[:alpha:]]", "[x\\]]", "[[:upper:]", "\\/"};
  std::string pattern = dice.below(5) == 0 ? "!" : "";
  for (auto left = 1 + dice.below(5); left > 0; --left) pattern += dice.of(kFragments);
  if (dice.below(4) == 0) pattern += "/";
  if (dice.below(8) == 0) pattern += "  ";
  return pattern;
}

std::string random_rules(Dice& dice) {
  std::string text = dice.below(20) == 0 ? "\xef\xbb\xbf" : "";
  for (auto left = 1 + dice.below(5); left > 0; --left)
    text += random_pattern(dice) + (dice.below(10) == 0 ? "\r\n" : "\n");
  if (dice.below(10) == 0) text.pop_back();
  return text;
}

/// A repository without commits, in which git is asked what it would ignore.
class IgnoreRulesAndGit : public ::testing::Test {
 protected:
  static constexpr std::string_view kGit =
      "env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE GIT_CONFIG_GLOBAL=/dev/null "
      "GIT_CONFIG_NOSYSTEM=1 git -c core.ignoreCase=false -c core.excludesFile=/dev/null -C ";

  void SetUp() override {
    std::filesystem::create_directory(repository_);
    ASSERT_TRUE(git("init -q --template=").has_value()) << "git is needed to build Kiln";
    add_directory("", 3);
    std::string list;
    for (const auto& [path, is_directory] : paths_) list += path + '\0';
    ASSERT_THAT(write_file_atomically(list_, list), IsOk());
  }

  void add_directory(const std::string& path, int deeper) {
    if (!path.empty()) paths_[path] = true;
    std::filesystem::create_directory(repository_ / path);
    for (const auto& name : kFileNames) {
      const auto file = layer::join_path(path, name);
      ASSERT_THAT(write_file_atomically(repository_ / file, ""), IsOk());
      paths_[file] = false;
    }
    for (const auto& name : kDirectoryNames)
      if (deeper > 0) add_directory(layer::join_path(path, name), deeper - 1);
  }

  std::optional<std::string> git(const std::string& command) const {
    return output_of(std::string(kGit) + repository_.string() + " " + command);
  }

  /// Writes the rules where git looks for them, and gives them to ours.
  IgnoreRules rules_of(const std::map<std::string, std::string>& texts) {
    IgnoreRules rules;
    for (const auto& [directory, text] : texts) {
      EXPECT_THAT(write_file_atomically(repository_ / directory / ".gitignore", text), IsOk());
      rules.add(directory, *IgnoreRules::parse(text));
    }
    return rules;
  }

  /// All of paths_ that git ignores.
  std::set<std::string> ignored_by_git() const {
    // It answers 1 when that is nothing.
    const auto answer =
        output_of("sh -c '" + std::string(kGit) + repository_.string() +
                  " check-ignore --no-index -z --stdin <" + list_.string() + "; test $? -le 1'");
    std::set<std::string> ignored;
    EXPECT_TRUE(answer.has_value()) << "git check-ignore failed";
    const auto text = answer.value_or("");
    std::string_view rest = text;
    while (!rest.empty()) {
      const auto end = rest.find('\0');
      ignored.emplace(rest.substr(0, end));
      rest.remove_prefix(end + 1);
    }
    return ignored;
  }

  std::set<std::string> ignored_by(const IgnoreRules& rules) const {
    std::set<std::string> ignored;
    for (const auto& [path, is_directory] : paths_)
      if (rules.ignores(path, is_directory)) ignored.insert(path);
    return ignored;
  }

  TempDir directory_ = *TempDir::create("kiln-ignore-test");
  std::filesystem::path repository_ = directory_.path() / "repository";
  std::filesystem::path list_ = directory_.path() / "list";
  std::map<std::string, bool> paths_;  ///< To whether it is a directory.
};

TEST_F(IgnoreRulesAndGit, AgreeOnRandomRulesAtTheTop) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    Dice dice(seed);
    const auto text = random_rules(dice);
    const auto rules = rules_of({{"", text}});
    EXPECT_EQ(ignored_by(rules), ignored_by_git()) << "seed " << seed << ":\n" << text;
  }
}

TEST_F(IgnoreRulesAndGit, AgreeOnRandomRulesAtSeveralLevels) {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    Dice dice(seed + 1000);
    const std::map<std::string, std::string> texts = {{"", random_rules(dice)},
                                                      {"a", random_rules(dice)},
                                                      {"a/foo", random_rules(dice)},
                                                      {"foo", random_rules(dice)}};
    const auto rules = rules_of(texts);
    std::string all;
    for (const auto& [directory, text] : texts) all += "[" + directory + "]\n" + text;
    EXPECT_EQ(ignored_by(rules), ignored_by_git()) << "seed " << seed << ":\n" << all;
  }
}

}  // namespace
}  // namespace kiln::source
