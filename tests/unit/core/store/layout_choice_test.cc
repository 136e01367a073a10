#include "core/store/layout_choice.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::store {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

oci::Descriptor entry(const std::string& content, const std::string& name = "",
                      const std::string& containerd_name = "") {
  oci::Descriptor made(std::string(oci::media_type::kOciManifest), oci::Digest::of(content),
                       content.size());
  if (!name.empty()) made.annotations[kRefName] = name;
  if (!containerd_name.empty()) made.annotations["io.containerd.image.name"] = containerd_name;
  return made;
}

oci::Index index_of(std::vector<oci::Descriptor> entries) {
  oci::Index index{std::string(oci::media_type::kOciIndex)};
  index.manifests = std::move(entries);
  return index;
}

struct Good {
  std::string name;
  std::vector<oci::Descriptor> entries;
  LayoutChoice choice;
  std::string content;  // Of the one that is meant.
};

class LayoutChoiceFinds : public ::testing::TestWithParam<Good> {};

TEST_P(LayoutChoiceFinds, TheOneThatIsMeant) {
  const auto found = choose_entry(index_of(GetParam().entries), GetParam().choice);
  ASSERT_THAT(found, IsOk());
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->digest, oci::Digest::of(GetParam().content));
}

INSTANTIATE_TEST_SUITE_P(
    Choose, LayoutChoiceFinds,
    ::testing::ValuesIn(std::vector<Good>{
        {"TheOnlyOne", {entry("a")}, LayoutChoice(), "a"},
        {"TheOnlyOneUnderTwoTags", {entry("a", "1"), entry("a", "2")}, LayoutChoice(), "a"},
        {"ByTag", {entry("a", "1"), entry("b", "2")}, LayoutChoice("2"), "b"},
        {"ByTheTagOfAWholeName",
         {entry("a", "localhost/site:1"), entry("b", "localhost/site:2")},
         LayoutChoice("2"),
         "b"},
        {"ATagBeforeAWholeName", {entry("a", "r.io/x:1"), entry("b", "1")}, LayoutChoice("1"), "b"},
        {"ByName",
         {entry("a", "docker.io/library/site:1"), entry("b", "docker.io/library/other:1")},
         LayoutChoice("site:1"),
         "a"},
        {"ByContainerdsName",
         {entry("a", "1", "docker.io/library/site:1"), entry("b", "1", "docker.io/library/x:1")},
         LayoutChoice("x:1"),
         "b"},
        {"ByDigest", {entry("a", "1"), entry("b")}, LayoutChoice("", oci::Digest::of("b")), "b"},
        {"ByDigestWhateverTheTag",
         {entry("a", "1"), entry("b", "2")},
         LayoutChoice("1", oci::Digest::of("b")),
         "b"},
    }),
    [](const auto& test) { return test.param.name; });

struct Bad {
  std::string name;
  std::vector<oci::Descriptor> entries;
  std::string tag;
  Errc code;
  std::string why;
};

class LayoutChoiceRefuses : public ::testing::TestWithParam<Bad> {};

TEST_P(LayoutChoiceRefuses, NamingThoseThereAre) {
  const auto found = choose_entry(index_of(GetParam().entries), LayoutChoice(GetParam().tag));
  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().code, GetParam().code);
  EXPECT_EQ(found.error().message, GetParam().why);
}

std::vector<oci::Descriptor> many() {
  std::vector<oci::Descriptor> entries;
  for (int i = 10; i < 30; ++i) entries.push_back(entry(std::to_string(i), std::to_string(i)));
  return entries;
}

INSTANTIATE_TEST_SUITE_P(
    Choose, LayoutChoiceRefuses,
    ::testing::ValuesIn(std::vector<Bad>{
        {"AnEmptyLayout", {}, "", Errc::kNotFound, "there is no image in it"},
        {"ATagInAnEmptyLayout", {}, "1", Errc::kNotFound, "there is no image with the tag 1"},
        {"AnUnknownTag",
         {entry("a", "1"), entry("b", "2")},
         "3",
         Errc::kNotFound,
         "there is no image with the tag 3; it has 1, 2"},
        {"NoTagWhereThereAreSeveral",
         {entry("a", "1"), entry("b")},
         "",
         Errc::kInvalid,
         "there are 2 images in it; choose one by its tag or digest: 1, @" +
             oci::Digest::of("b").str()},
        {"ATagThatTwoHave",
         {entry("a", "1"), entry("b", "1")},
         "1",
         Errc::kInvalid,
         "2 images have the tag 1; choose one by its digest: @" + oci::Digest::of("a").str() +
             ", @" + oci::Digest::of("b").str()},
        {"MoreThanCanBeShown", many(), "", Errc::kInvalid,
         "there are 20 images in it; choose one by its tag or digest: 10, 11, 12, 13, 14, 15, 16, "
         "17, 18, 19, 20, 21 and 8 more"},
        {"TagsWithControlCharacters",
         {entry("a", "x\x1b[31m")},
         "3",
         Errc::kNotFound,
         "there is no image with the tag 3; it has x [31m"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(LayoutChoice, LeavesADigestThatIndexJsonDoesNotNameToItsCaller) {
  const auto found =
      choose_entry(index_of({entry("a")}), LayoutChoice("", oci::Digest::of("child")));
  ASSERT_THAT(found, IsOk());
  EXPECT_FALSE(found->has_value());
}

}  // namespace
}  // namespace kiln::store
