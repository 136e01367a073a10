#include "core/image/merged_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"
#include "tests/unit/core/image/random_layers.h"

namespace kiln::image {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using layer::EntryKind;
using ::testing::ElementsAre;
using namespace layer::testing_support;

layer::Blob layer_of(const std::vector<layer::Entry>& entries) {
  return layer::Blob::of("", tar_of(entries));
}

MergedTree merged(const std::vector<std::vector<layer::Entry>>& layers) {
  MergedTree tree;
  for (const auto& entries : layers) {
    const auto applied = tree.apply(layer_of(entries));
    EXPECT_THAT(applied, IsOk());
  }
  return tree;
}

std::vector<std::string> paths_of(const MergedTree& tree) {
  std::vector<std::string> paths;
  tree.for_each([&](const std::string& path, const MergedTree::File&) { paths.push_back(path); });
  return paths;
}

TEST(MergedTree, KnowsWhereEachFileStandsInItsLayer) {
  const auto tree = merged({{whiteout("x"), directory("a"), file("a/f", "one")},
                            {file("a/g", "four"), hardlink_to("h", "a/f")}});
  EXPECT_EQ(tree.find("a/f")->layer, 0U);
  EXPECT_EQ(tree.find("a/f")->number, 2U);  // Whiteouts count.
  EXPECT_EQ(tree.find("a/f")->size_bytes, 3U);
  EXPECT_EQ(tree.find("a/g")->layer, 1U);
  EXPECT_EQ(tree.find("a/g")->number, 0U);
  EXPECT_EQ(tree.find("h"), tree.find("a/f"));
  EXPECT_EQ(tree.find("h")->first_path, "a/f");
  EXPECT_EQ(tree.find("none"), nullptr);
}

TEST(MergedTree, TellsDirectoriesThatNoLayerNames) {
  const auto tree = merged({{file("a/b/f", "x"), directory("a")}});
  EXPECT_TRUE(tree.find("a")->named);
  EXPECT_FALSE(tree.find("a/b")->named);
  EXPECT_EQ(tree.find("a/b")->mode, 0755U);
  EXPECT_EQ(tree.find("a/b")->mtime, std::nullopt);
  EXPECT_EQ(tree.find(""), nullptr);
}

TEST(MergedTree, IsListedByPath) {
  const auto tree = merged({{file("b", ""), directory(""), file("a/x", ""), file("a.b", "")}});
  EXPECT_THAT(paths_of(tree), ElementsAre("", "a", "a.b", "a/x", "b"));
}

TEST(MergedTree, CopiesAreIndependentAndShareTheirFiles) {
  const auto before = merged({{file("f", "x")}});
  auto after = before;
  ASSERT_THAT(after.apply(layer_of({whiteout("f"), file("g", "y")})), IsOk());
  EXPECT_THAT(paths_of(before), ElementsAre("f"));
  EXPECT_THAT(paths_of(after), ElementsAre("g"));
}

struct BadLayer {
  std::string name;
  std::vector<layer::Entry> lower, upper;
  std::string why;
};

class MergedTreeRefuses : public ::testing::TestWithParam<BadLayer> {};

TEST_P(MergedTreeRefuses, HardLinksToNoFile) {
  auto tree = merged({GetParam().lower});
  EXPECT_THAT(tree.apply(layer_of(GetParam().upper)),
              FailsWith(Errc::kCorrupt, "\"/h\" is a hard link to " + GetParam().why +
                                            ", which is no file of this layer or a lower one"));
}

INSTANTIATE_TEST_SUITE_P(
    Table, MergedTreeRefuses,
    ::testing::ValuesIn(std::vector<BadLayer>{
        {"NothingThere", {}, {hardlink_to("h", "f")}, "\"/f\""},
        {"ComesLater", {}, {hardlink_to("h", "f"), file("f", "x")}, "\"/f\""},
        {"ADirectory", {directory("f")}, {hardlink_to("h", "f")}, "\"/f\""},
        {"Hidden", {file("f", "x")}, {hardlink_to("h", "f"), whiteout("f")}, "\"/f\""},
        {"HiddenWithItsDirectory",
         {file("d/f", "x")},
         {hardlink_to("h", "d/f"), file("d/.wh..wh..opq")},
         "\"/d/f\""},
        {"ThroughADanglingLink", {symlink_to("l", "none")}, {hardlink_to("h", "l/f")}, "\"/l/f\""},
    }),
    [](const auto& test) { return test.param.name; });

TEST(MergedTree, PassesOnWhatIsWrongWithALayer) {
  MergedTree tree;
  EXPECT_THAT(tree.apply(layer::Blob::of("", "no tar")),
              FailsWith(Errc::kCorrupt, "not a readable"));
  const layer::Blob gone(oci::Descriptor("", oci::Digest::of(""), 0),
                         []() -> Result<std::unique_ptr<ByteSource>> {
                           return Error(Errc::kNotFound, "the file is gone");
                         });
  EXPECT_THAT(tree.apply(gone), FailsWith(Errc::kNotFound, "the file is gone"));
}

// --- read_entries
// ---------------------------------------------------------------------------------

TEST(ReadEntries, GivesThoseAskedForWithTheirBytes) {
  const auto blob =
      layer_of({whiteout("w"), file("a", "one"), file("b", "two"), file("c", "three")});
  std::vector<std::string> seen;
  const auto read = read_entries(
      blob, {1, 3}, [&](std::uint64_t number, layer::TarEntry& entry, layer::TarReader& bytes) {
        std::string text(10, ' ');
        text.resize(*bytes.read(text));
        seen.push_back(std::to_string(number) + " " + entry.entry.path + "=" + text);
        return Result<void>();
      });
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(seen, ElementsAre("1 a=one", "3 c=three"));
}

TEST(ReadEntries, DoesNotOpenALayerOfWhichNothingIsWanted) {
  const layer::Blob never(oci::Descriptor("", oci::Digest::of(""), 0),
                          []() -> Result<std::unique_ptr<ByteSource>> {
                            return Error(Errc::kInternal, "it was opened");
                          });
  EXPECT_THAT(read_entries(never, {}, nullptr), IsOk());
}

TEST(ReadEntries, NoticesALayerThatLostEntries) {
  const auto take = [](std::uint64_t, layer::TarEntry&, layer::TarReader&) -> Result<void> {
    return {};
  };
  EXPECT_THAT(read_entries(layer_of({file("a", "x")}), {0, 1}, take),
              FailsWith(Errc::kCorrupt, "changed while it was read"));
}

TEST(ReadEntries, StopsWithTheErrorOfWhoeverTakesThem) {
  const auto take = [](std::uint64_t, layer::TarEntry&, layer::TarReader&) -> Result<void> {
    return Error(Errc::kNoSpace, "full");
  };
  EXPECT_THAT(read_entries(layer_of({file("a", "x")}), {0}, take),
              FailsWith(Errc::kNoSpace, "full"));
}

}  // namespace
}  // namespace kiln::image
