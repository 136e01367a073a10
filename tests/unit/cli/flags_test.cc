#include <gtest/gtest.h>

#include <cstdlib>

#include "cli/config_flags.h"
#include "cli/content_flags.h"
#include "tests/support/matchers.h"

namespace kiln::cli {
namespace {

using testing::FailsWith;
using testing::IsOk;
using Words = std::vector<std::string>;

struct WordsRow {
  std::string name;
  Words given, words;
};
void PrintTo(const WordsRow& row, std::ostream* out) {
  *out << row.name;
}
class WordsOf : public ::testing::TestWithParam<WordsRow> {};
TEST_P(WordsOf, AListFlag) {
  EXPECT_EQ(words_of(GetParam().given), GetParam().words);
}
INSTANTIATE_TEST_SUITE_P(
    Table, WordsOf,
    ::testing::Values(WordsRow{"OneWord", {"nginx"}, {"nginx"}},
                      WordsRow{"CommasPartWords", {"-g,daemon off;"}, {"-g", "daemon off;"}},
                      WordsRow{"RepeatedKeepsCommas", {"sh", "a,b"}, {"sh", "a,b"}},
                      WordsRow{"EmptyClears", {""}, {}},
                      WordsRow{"EmptyWordAtTheEnd", {"a,"}, {"a", ""}},
                      WordsRow{"EmptyWordInTheMiddle", {"a,,b"}, {"a", "", "b"}}),
    [](const auto& test) { return test.param.name; });

TEST(ConfigFlags, SaysWhichFlagIsWrong) {
  ConfigFlags flags;
  flags.env = {"novalue"};
  EXPECT_THAT(flags.patch(), FailsWith(Errc::kInvalid, "--env: \"novalue\": write NAME=VALUE"));

  flags.env = {"A=1"};
  flags.unset_env = {"A"};
  EXPECT_THAT(flags.patch(), FailsWith(Errc::kInvalid, "--env sets it"));

  flags.unset_env.clear();
  flags.ports = {"70000"};
  EXPECT_THAT(flags.patch(), FailsWith(Errc::kInvalid, "from 1 to 65535"));

  flags.ports = {"53/udp"};
  EXPECT_THAT(flags.patch(), IsOk());
}

TEST(ConfigFlags, AnUnsetEntrypointIsNotAnEmptyOne) {
  ConfigFlags flags;
  EXPECT_FALSE(flags.patch()->entrypoint.has_value());

  flags.entrypoint_given = true;
  flags.entrypoint = {""};
  EXPECT_EQ(flags.patch()->entrypoint, Words());
}

struct SplitRow {
  std::string name, text, fallback, source, destination;
};
void PrintTo(const SplitRow& row, std::ostream* out) {
  *out << row.text;
}
class SplitSource : public ::testing::TestWithParam<SplitRow> {};
TEST_P(SplitSource, AtTheColonBeforeAnAbsolutePath) {
  const auto parts = split_source(GetParam().text, GetParam().fallback);
  ASSERT_THAT(parts, IsOk());
  EXPECT_EQ(parts->source, GetParam().source);
  EXPECT_EQ(parts->destination, GetParam().destination);
}
INSTANTIATE_TEST_SUITE_P(
    Table, SplitSource,
    ::testing::Values(SplitRow{"Plain", "site:/srv", "", "site", "/srv"},
                      SplitRow{"ColonInTheName", "a:b:/srv", "", "a:b", "/srv"},
                      SplitRow{"Root", "site:/", "", "site", "/"},
                      SplitRow{"Fallback", "site.tar", "/", "site.tar", "/"},
                      SplitRow{"StandardInput", "-:/srv", "/", "-", "/srv"},
                      SplitRow{"AbsoluteSource", "/a/b:/srv", "", "/a/b", "/srv"}),
    [](const auto& test) { return test.param.name; });

TEST(SplitSource, SaysWhatToWrite) {
  EXPECT_THAT(split_source("site", ""), FailsWith(Errc::kInvalid, "write SRC:DEST"));
  EXPECT_THAT(split_source("site:srv", ""), FailsWith(Errc::kInvalid, "write SRC:DEST"));
  EXPECT_THAT(split_source(":/srv", ""), FailsWith(Errc::kInvalid, "nothing stands before"));
}

TEST(SplitImage, TakesTheLastTwoPaths) {
  const auto parts = split_image("r.io:5000/assets:1:/dist:/srv/www");
  ASSERT_THAT(parts, IsOk());
  EXPECT_EQ(parts->image, "r.io:5000/assets:1");
  EXPECT_EQ(parts->path, "/dist");
  EXPECT_EQ(parts->destination, "/srv/www");
  EXPECT_THAT(split_image("r.io/assets:1:/dist"), FailsWith(Errc::kInvalid, "IMAGE:PATH:DEST"));
}

class SourceDateEpoch : public ::testing::Test {
 protected:
  void TearDown() override { ::unsetenv("SOURCE_DATE_EPOCH"); }
};

TEST_F(SourceDateEpoch, IsTheTimeOfCreation) {
  ::setenv("SOURCE_DATE_EPOCH", "1700000000", 1);

  EXPECT_EQ(**ConfigFlags().created_time(), "2023-11-14T22:13:20Z");
}

TEST_F(SourceDateEpoch, GivesWayToTheFlag) {
  ::setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
  ConfigFlags flags;
  flags.created = "2024-01-01T00:00:00Z";

  EXPECT_EQ(**flags.created_time(), "2024-01-01T00:00:00Z");
}

TEST_F(SourceDateEpoch, MustBeSeconds) {
  ::setenv("SOURCE_DATE_EPOCH", "yesterday", 1);

  EXPECT_THAT(source_date_epoch(), FailsWith(Errc::kInvalid, "number of seconds"));
}

}  // namespace
}  // namespace kiln::cli
