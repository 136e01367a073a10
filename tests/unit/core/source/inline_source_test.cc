#include "core/source/inline_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using ::testing::ElementsAre;

Result<Content> fetch(std::vector<NamedFile> files) {
  InlineSource source("ConfigMap web/site", "7", std::move(files));
  return kiln::testing::run_task(source.fetch());
}

std::vector<std::string> paths_of(const Content& content) {
  std::vector<std::string> paths;
  for (const auto& [path, entry] : content.tree.entries()) paths.push_back(path);
  return paths;
}

TEST(Inline, GivesItsFilesWithTheirBytesAndTheRevision) {
  const auto content = fetch({{"index.html", "<h1>"}, {"css/site.css", "h1 {}"}});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre("css/site.css", "index.html"));
  EXPECT_EQ(*content->tree.find("css/site.css")->content.in_memory(), "h1 {}");
  EXPECT_EQ(content->revision, "7");
}

TEST(Inline, KeepsNamesApartThatDifferInCaseOrUnicodeForm) {
  const auto content =
      fetch({{"README", "1"}, {"readme", "2"}, {"caf\xc3\xa9", "3"}, {"cafe\xcc\x81", "4"}});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre("README", "cafe\xcc\x81", "caf\xc3\xa9", "readme"));
  EXPECT_EQ(*content->tree.find("readme")->content.in_memory(), "2");
}

struct Bad {
  std::string name;
  std::vector<NamedFile> files;
  std::string why;
};

void PrintTo(const Bad& row, std::ostream* out) {
  *out << row.name;
}

class InlineRefuses : public ::testing::TestWithParam<Bad> {};

TEST_P(InlineRefuses, NamingWhoseFileItIs) {
  const auto content = fetch(GetParam().files);
  EXPECT_THAT(content, FailsWith(Errc::kInvalid, "ConfigMap web/site: "));
  EXPECT_THAT(content, FailsWith(Errc::kInvalid, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Table, InlineRefuses,
    ::testing::ValuesIn(std::vector<Bad>{
        {"OnePathTwice", {{"a", "1"}, {"a", "2"}}, "the path a is given twice"},
        {"OnePathTwiceInTwoSpellings", {{"a/", "1"}, {"a", "2"}}, "the path a is given twice"},
        {"AFileThatIsAFolderToo",
         {{"a", "1"}, {"a/b", "2"}},
         "\"/a/b\" cannot be a file: \"/a\" is a file in the same layer"},
        {"AFolderThatIsAFileToo",
         {{"a/b", "1"}, {"a", "2"}},
         "\"/a\" cannot be a file: \"/a/b\" is below it in the same layer"},
        {"Empty", {{"", "1"}}, "is empty"},
        {"Absolute", {{"/etc/passwd", "1"}}, "must be relative"},
        {"Up", {{"../a", "1"}}, "has a \"..\" part"},
        {"UpInside", {{"a/../../b", "1"}}, "has a \"..\" part"},
        {"Here", {{".", "1"}}, "has a \".\" part"},
        {"Nul", {{std::string("a\0b", 3), "1"}}, "has a control character"},
        {"TooLong", {{std::string(256, 'a'), "1"}}, "a part of more than 255 bytes"},
        {"Whiteout", {{".wh.a", "1"}}, "means \"delete\" in an image layer"},
        {"OpaqueMark", {{"a/.wh..wh..opq", "1"}}, "means \"delete\" in an image layer"},
        {"WhiteoutOfNothing", {{".wh.", "1"}}, "means \"delete\" in an image layer"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::source
