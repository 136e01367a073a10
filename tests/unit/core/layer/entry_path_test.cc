#include "core/layer/entry_path.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kiln::layer {
namespace {

struct GoodPath {
  std::string name, text, clean;
};

struct BadPath {
  std::string name, text, why;
};

class AbsolutePathAccepts : public testing::TestWithParam<GoodPath> {};
class AbsolutePathRejects : public testing::TestWithParam<BadPath> {};
class RelativePathAccepts : public testing::TestWithParam<GoodPath> {};
class RelativePathRejects : public testing::TestWithParam<BadPath> {};

TEST_P(AbsolutePathAccepts, AndMakesItRelativeToTheRoot) {
  const auto path = clean_absolute_path(GetParam().text);
  ASSERT_TRUE(path.has_value()) << path.error().message;
  EXPECT_EQ(*path, GetParam().clean);
}

INSTANTIATE_TEST_SUITE_P(Table, AbsolutePathAccepts,
                         testing::ValuesIn(std::vector<GoodPath>{
                             {"Root", "/", ""},
                             {"Directory", "/usr/share/", "usr/share"},
                             {"File", "/usr/share/x.html", "usr/share/x.html"},
                             {"DotFile", "/etc/.hidden", "etc/.hidden"},
                             {"ThreeDots", "/etc/...", "etc/..."},
                             {"Backslash", "/a\\b", "a\\b"},
                             {"Utf8", "/caf\xc3\xa9", "caf\xc3\xa9"},
                             {"NotUtf8", "/caf\xe9", "caf\xe9"},
                             {"LongestPart", "/" + std::string(255, 'a'), std::string(255, 'a')},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_P(AbsolutePathRejects, AndSaysWhatToWriteInstead) {
  const auto path = clean_absolute_path(GetParam().text);
  ASSERT_TRUE(path.has_error());
  EXPECT_EQ(path.error().code, Errc::kInvalid);
  EXPECT_EQ(path.error().message, GetParam().why);
}

INSTANTIATE_TEST_SUITE_P(
    Table, AbsolutePathRejects,
    testing::ValuesIn(std::vector<BadPath>{
        {"Empty", "", "path \"\" is empty; write \"/\" for the root"},
        {"Relative", "usr/x", "path \"usr/x\" must be absolute; write \"/usr/x\""},
        {"RelativeAndAbove", "../x",
         "path \"../x\" must be absolute; write it from \"/\" on, without \".\", \"..\" and "
         "\"//\""},
        {"RelativeAndHere", "./x",
         "path \"./x\" must be absolute; write it from \"/\" on, without \".\", \"..\" and \"//\""},
        {"RelativeWithTwoSlashesAtTheEnd", "x//",
         "path \"x//\" must be absolute; write it from \"/\" on, without \".\", \"..\" and \"//\""},
        {"RelativeDirectory", "x/", "path \"x/\" must be absolute; write \"/x/\""},
        {"DotDot", "/usr/../etc",
         "path \"/usr/../etc\" has a \"..\" part; write the path it leads to"},
        {"DotDotAlone", "/..", "path \"/..\" has a \"..\" part; write the path it leads to"},
        {"Dot", "/usr/./x", "path \"/usr/./x\" has a \".\" part; leave it out"},
        {"TwoSlashes", "/usr//x", "path \"/usr//x\" has two slashes in a row; write one"},
        {"TwoSlashesAtTheEnd", "/usr//", "path \"/usr//\" has two slashes in a row; write one"},
        {"OnlyTwoSlashes", "//", "path \"//\" has two slashes in a row; write one"},
        {"Nul", std::string("/a\0b", 4),
         "path \"/a?b\" has a control character (shown as \"?\"); rename the file"},
        {"Newline", "/a\nb",
         "path \"/a?b\" has a control character (shown as \"?\"); rename the file"},
        {"Delete", "/a\x7f",
         "path \"/a?\" has a control character (shown as \"?\"); rename the file"},
        {"LongPart", "/x/" + std::string(256, 'a'),
         "path \"/x/" + std::string(157, 'a') +
             "…\" has a part of more than 255 bytes; shorten it"},
        {"TooLong", "/" + std::string(4095, 'a'),
         "path \"/" + std::string(159, 'a') + "…\" is longer than 4095 bytes; shorten it"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_P(RelativePathAccepts, AndDropsATrailingSlash) {
  const auto path = clean_relative_path(GetParam().text);
  ASSERT_TRUE(path.has_value()) << path.error().message;
  EXPECT_EQ(*path, GetParam().clean);
}

INSTANTIATE_TEST_SUITE_P(Table, RelativePathAccepts,
                         testing::ValuesIn(std::vector<GoodPath>{
                             {"File", "css/site.css", "css/site.css"},
                             {"OnePart", "x", "x"},
                             {"Directory", "css/", "css"},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_P(RelativePathRejects, AndSaysWhatToWriteInstead) {
  const auto path = clean_relative_path(GetParam().text);
  ASSERT_TRUE(path.has_error());
  EXPECT_EQ(path.error().code, Errc::kInvalid);
  EXPECT_EQ(path.error().message, GetParam().why);
}

INSTANTIATE_TEST_SUITE_P(
    Table, RelativePathRejects,
    testing::ValuesIn(std::vector<BadPath>{
        {"Empty", "", "path \"\" is empty; write a relative one, like \"css/site.css\""},
        {"Absolute", "/css", "path \"/css\" must be relative; write it without the leading \"/\""},
        {"OnlySlash", "/", "path \"/\" must be relative; write it without the leading \"/\""},
        {"DotDot", "../x", "path \"../x\" has a \"..\" part; write the path it leads to"},
        {"DotDotAtTheEnd", "a/..", "path \"a/..\" has a \"..\" part; write the path it leads to"},
        {"Dot", "./x", "path \"./x\" has a \".\" part; leave it out"},
        {"TwoSlashes", "a//b", "path \"a//b\" has two slashes in a row; write one"},
        {"TwoSlashesAtTheEnd", "a//", "path \"a//\" has two slashes in a row; write one"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(WhiteoutNames, AreRefusedInEveryPartOfAPath) {
  for (const auto* path :
       {".wh.x", "a/.wh.x", "a/.wh.x/b", ".wh.", ".wh..wh..opq", "a/.wh..wh.plnk"}) {
    const auto refused = refuse_whiteout_names(path);
    ASSERT_TRUE(refused.has_error()) << path;
    EXPECT_EQ(refused.error().code, Errc::kInvalid);
    EXPECT_NE(refused.error().message.find("means \"delete\" in an image layer"),
              std::string::npos);
  }
}

TEST(WhiteoutNames, AreOnlyThoseThatBeginWithThePrefix) {
  for (const auto* path : {"", "x", "x.wh.y", "wh.x", ".wh", "a/.whx/b"})
    EXPECT_FALSE(refuse_whiteout_names(path).has_error()) << path;
}

TEST(PathParts, AreSplitAndJoined) {
  EXPECT_EQ(parent_of("usr/share/x"), "usr/share");
  EXPECT_EQ(parent_of("usr"), "");
  EXPECT_EQ(parent_of(""), "");
  EXPECT_EQ(name_of_path("usr/share/x"), "x");
  EXPECT_EQ(name_of_path("usr"), "usr");
  EXPECT_EQ(join_path("usr", "x"), "usr/x");
  EXPECT_EQ(join_path("", "x"), "x");
  EXPECT_EQ(join_path("usr", ""), "usr");
}

}  // namespace
}  // namespace kiln::layer
