#include "core/layer/file_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/core/layer/support.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

struct Pair {
  std::string name;
  Entry first, second;
  std::string why;  ///< "" = fine.
};

class FileTreeConflict : public testing::TestWithParam<Pair> {};

TEST_P(FileTreeConflict, IsDecidedByTheTable) {
  FileTree tree;
  ASSERT_FALSE(tree.add(GetParam().first).has_error());

  const auto added = tree.add(GetParam().second);

  if (GetParam().why.empty()) {
    ASSERT_FALSE(added.has_error()) << added.error().message;
    EXPECT_EQ(tree.find(GetParam().second.path)->kind, GetParam().second.kind);
    return;
  }
  ASSERT_TRUE(added.has_error());
  EXPECT_EQ(added.error().code, Errc::kInvalid);
  EXPECT_EQ(added.error().message, GetParam().why);
}

INSTANTIATE_TEST_SUITE_P(
    Table, FileTreeConflict,
    testing::ValuesIn(std::vector<Pair>{
        {"DirectoryOnDirectory", directory("a"), directory("a", 0700), ""},
        {"FileOnFile", file("a"), file("a", "x"), ""},
        {"SymlinkOnFile", file("a"), symlink_to("a", "b"), ""},
        {"FileOnSymlink", symlink_to("a", "b"), file("a"), ""},
        {"HardlinkOnFile", file("a"), hardlink_to("a", "b"), ""},
        {"WhiteoutOnWhiteout", whiteout("a"), whiteout("a"), ""},
        {"FileInDirectory", directory("a"), file("a/b"), ""},
        {"DirectoryAfterItsFile", file("a/b"), directory("a"), ""},
        {"SiblingWithTheSameBeginning", file("a"), file("a.txt"), ""},
        {"SiblingThatSortsBetween", file("a!/b"), file("a"), ""},
        {"FileOnDirectory", directory("a"), file("a"),
         "\"/a\" cannot be a file: \"/a\" is a directory in the same layer"},
        {"DirectoryOnFile", file("a"), directory("a"),
         "\"/a\" cannot be a directory: \"/a\" is a file in the same layer"},
        {"FileOnDirectoryThatOnlyItsFileTells", file("a/b"), file("a"),
         "\"/a\" cannot be a file: \"/a/b\" is below it in the same layer"},
        {"SymlinkOverFiles", file("a/b/c"), symlink_to("a/b", "x"),
         "\"/a/b\" cannot be a symlink: \"/a/b/c\" is below it in the same layer"},
        {"BelowAFile", file("a"), file("a/b"),
         "\"/a/b\" cannot be a file: \"/a\" is a file in the same layer"},
        {"FarBelowAFile", file("a"), directory("a/b/c/d"),
         "\"/a/b/c/d\" cannot be a directory: \"/a\" is a file in the same layer"},
        {"BelowASymlink", symlink_to("a", "/host"), file("a/b"),
         "\"/a/b\" cannot be a file: \"/a\" is a symlink in the same layer"},
        {"BelowAHardlink", hardlink_to("a", "x"), file("a/b"),
         "\"/a/b\" cannot be a file: \"/a\" is a hard link in the same layer"},
        {"BelowAWhiteout", whiteout("a"), file("a/b"),
         "\"/a/b\" cannot be a file: \"/a\" is removed in the same layer"},
        {"WhiteoutOverFiles", file("a/b"), whiteout("a"),
         "\"/a\" cannot be removed: \"/a/b\" is below it in the same layer"},
        {"FileOnWhiteout", whiteout("a"), file("a"),
         "\"/a\" cannot be a file: \"/a\" is removed in the same layer"},
        {"WhiteoutOnFile", file("a"), whiteout("a"),
         "\"/a\" cannot be removed: \"/a\" is a file in the same layer"},
        {"DirectoryOnWhiteout", whiteout("a"), directory("a"),
         "\"/a\" cannot be a directory: \"/a\" is removed in the same layer"},
        {"WhiteoutOnDirectory", directory("a"), whiteout("a"),
         "\"/a\" cannot be removed: \"/a\" is a directory in the same layer"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(FileTree, LaterContentWins) {
  FileTree tree;
  ASSERT_FALSE(tree.add(file("a", "old")).has_error());
  ASSERT_FALSE(tree.add(file("a", "newer")).has_error());

  EXPECT_EQ(tree.size(), 1U);
  EXPECT_EQ(*tree.find("a")->content.in_memory(), "newer");
  EXPECT_EQ(tree.content_bytes(), 5U);
}

TEST(FileTree, KeepsWhatItHadAfterAnError) {
  FileTree tree;
  ASSERT_FALSE(tree.add(file("a", "old")).has_error());
  ASSERT_TRUE(tree.add(directory("a")).has_error());

  EXPECT_EQ(tree.find("a")->kind, EntryKind::kFile);
  EXPECT_EQ(tree.find("b"), nullptr);
}

TEST(FileTree, RefusesWhatCannotBeInALayer) {
  const std::vector<std::pair<Entry, std::string>> table = {
      {file(""), "is empty"},
      {file("/a"), "must be relative"},
      {file("a/"), "must not end with"},
      {file("a/../b"), "\"..\""},
      {file("a/.wh.b"), "\".wh.\""},
      {file(".wh..wh..opq"), "\".wh.\""},
      {whiteout(".wh.a"), "\".wh.\""},
      {file("a\nb"), "control character"},
      {symlink_to("a", ""), "target is empty"},
      {symlink_to("a", std::string("x\0y", 3)), "NUL"},
      {symlink_to("a", std::string(4096, 'x')), "4095 bytes"},
      {Entry("dev/null", EntryKind::kSpecial), "device node"},
  };
  for (const auto& [entry, why] : table) {
    FileTree tree;
    const auto added = tree.add(entry);
    ASSERT_TRUE(added.has_error()) << entry.path;
    EXPECT_EQ(added.error().code, Errc::kInvalid);
    EXPECT_NE(added.error().message.find(why), std::string::npos) << added.error().message;
    EXPECT_TRUE(tree.empty());
  }
}

TEST(FileTree, SortsPartByPart) {
  const std::vector<std::string> sorted = {"a",     "a/b",     "a/b/c", "a/b.c", "a!",   "a-b/c",
                                           "a.txt", "a.txt/b", "aa",    "b\x80", "b\xff"};
  auto shuffled = sorted;
  std::reverse(shuffled.begin(), shuffled.end());
  std::sort(shuffled.begin(), shuffled.end(), sorted_before);
  EXPECT_EQ(shuffled, sorted);
  for (std::size_t i = 0; i < sorted.size(); ++i)
    for (std::size_t j = 0; j < sorted.size(); ++j)
      EXPECT_EQ(sorted_before(sorted[i], sorted[j]), i < j) << sorted[i] << " and " << sorted[j];
}

TEST(FileTree, DoesNotDependOnTheOrderOfAdding) {
  const std::vector<Entry> entries = {directory("a"), file("a/b", "1"), file("a.txt", "2"),
                                      symlink_to("z", "a"), whiteout("gone")};
  const auto paths_of = [](const FileTree& tree) {
    std::vector<std::string> paths;
    for (const auto& [path, entry] : tree.entries()) paths.push_back(path);
    return paths;
  };
  EXPECT_EQ(paths_of(tree_of(entries)),
            paths_of(tree_of(std::vector<Entry>(entries.rbegin(), entries.rend()))));
}

TEST(FileTree, GivesItsFirstEntryToAnotherTree) {
  FileTree tree;
  for (auto& entry : std::vector<Entry>{directory("a"), file("a/f", "x"), file("b")})
    ASSERT_FALSE(tree.add(std::move(entry)).has_error());
  FileTree other;
  tree.move_first_to(other);
  tree.move_first_to(other);
  EXPECT_EQ(tree.size(), 1U);
  EXPECT_EQ(other.size(), 2U);
  ASSERT_NE(other.find("a/f"), nullptr);
  EXPECT_EQ(other.find("a/f")->content.size_bytes(), 1U);
  EXPECT_EQ(tree.entries().begin()->first, "b");
}

}  // namespace
}  // namespace kiln::layer
