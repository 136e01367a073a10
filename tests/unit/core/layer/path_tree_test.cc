#include "core/layer/path_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::layer {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Item {
  EntryKind what = EntryKind::kDirectory;
  std::string target{};
  bool implied = false;

  EntryKind kind() const { return what; }
  std::string_view link_target() const { return target; }
  static Item implied_directory(const std::string&) { return {EntryKind::kDirectory, "", true}; }
};
using Tree = PathTree<Item>;

Item directory() {
  return {};
}
Item file() {
  return {EntryKind::kFile};
}
Item symlink(std::string target) {
  return {EntryKind::kSymlink, std::move(target)};
}

Tree tree_of(const std::vector<std::pair<std::string, Item>>& items) {
  Tree tree;
  for (const auto& [path, item] : items) tree.put(path, item);
  return tree;
}

/// "path" of a directory, "path+" of an implied one, "path=" of a file, "path->target".
std::vector<std::string> lines_of(const Tree& tree) {
  std::vector<std::string> lines;
  for (const auto& [path, item] : tree.paths())
    lines.push_back(path + (item.implied                       ? "+"
                            : item.what == EntryKind::kFile    ? "="
                            : item.what == EntryKind::kSymlink ? "->" + item.target
                                                               : ""));
  return lines;
}

TEST(PathTree, FindsRealPathsOnly) {
  const auto tree = tree_of({{"a", directory()}, {"a/f", file()}, {"l", symlink("a")}});
  EXPECT_NE(tree.find("a/f"), nullptr);
  EXPECT_EQ(tree.find("l/f"), nullptr);
  EXPECT_EQ(tree.find(""), nullptr);
}

TEST(PathTree, PutsADirectoryWithoutTouchingWhatIsInIt) {
  auto tree = tree_of({{"a", directory()}, {"a/f", file()}});
  tree.put("a", Item::implied_directory("a"));
  EXPECT_THAT(lines_of(tree), ElementsAre("a+", "a/f="));
}

TEST(PathTree, PutsAnythingElseInThePlaceOfADirectoryWithAllThatIsInIt) {
  auto tree = tree_of({{"a", directory()},
                       {"a/f", file()},
                       {"a/d", directory()},
                       {"a/d/g", file()},
                       {"a.f", file()},
                       {"a0", file()},
                       {"ab", file()}});
  tree.put("a", file());
  EXPECT_THAT(lines_of(tree), ElementsAre("a=", "a.f=", "a0=", "ab="));
}

TEST(PathTree, RemovesAPathWithAllBelowIt) {
  auto tree = tree_of({{"a", directory()}, {"a/f", file()}, {"a.f", file()}, {"b", file()}});
  tree.remove("a");
  tree.remove("none");
  EXPECT_THAT(lines_of(tree), ElementsAre("a.f=", "b="));
}

TEST(PathTree, RemovesOnlyWhatIsBelow) {
  auto tree = tree_of({{"a", directory()}, {"a/f", file()}, {"a/d", directory()}, {"b", file()}});
  tree.remove_below("a");
  EXPECT_THAT(lines_of(tree), ElementsAre("a", "b="));
}

TEST(PathTree, RemovesAllBelowTheRootButNotTheRoot) {
  auto tree = tree_of({{"", directory()}, {"a", directory()}, {"a/f", file()}});
  tree.remove_below("");
  EXPECT_THAT(lines_of(tree), ElementsAre(""));
  tree.remove("");
  EXPECT_THAT(lines_of(tree), IsEmpty());
}

TEST(PathTree, ResolvesAsTheKernelWould) {
  const auto tree = tree_of(
      {{"usr", directory()}, {"usr/bin", directory()}, {"bin", symlink("usr/bin")}, {"f", file()}});
  EXPECT_EQ(*tree.resolve("bin/x", true), "usr/bin/x");
  EXPECT_EQ(*tree.resolve("bin", false), "bin");
  EXPECT_THAT(tree.resolve("f/x", true), FailsWith(Errc::kInvalid, "not a directory"));
}

struct Case {
  std::string name;
  std::vector<std::pair<std::string, Item>> items;
  std::string path;
  std::string real;                ///< What make_way() answers.
  std::vector<std::string> lines;  ///< And leaves.
};

class PathTreeMakesWay : public ::testing::TestWithParam<Case> {};

TEST_P(PathTreeMakesWay, AsUnpackingDoes) {
  auto tree = tree_of(GetParam().items);
  EXPECT_EQ(tree.real_path(GetParam().path), GetParam().real);
  EXPECT_EQ(tree.make_way(GetParam().path), GetParam().real);
  EXPECT_EQ(lines_of(tree), GetParam().lines);
}

INSTANTIATE_TEST_SUITE_P(
    Table, PathTreeMakesWay,
    ::testing::ValuesIn(std::vector<Case>{
        {"Root", {}, "", "", {}},
        {"AtTheTop", {}, "f", "f", {}},
        {"ThereAlready", {{"a", directory()}}, "a/f", "a/f", {"a"}},
        {"MissingParents", {}, "a/b/f", "a/b/f", {"a+", "a/b+"}},
        {"TheLastPartIsNotFollowed", {{"l", symlink("a")}}, "l", "l", {"l->a"}},
        {"ThroughALink",
         {{"usr", directory()}, {"bin", symlink("usr/bin")}},
         "bin/f",
         "usr/bin/f",
         {"bin->usr/bin", "usr", "usr/bin+"}},
        {"ThroughAnAbsoluteLink",
         {{"a", directory()}, {"a/l", symlink("/b")}},
         "a/l/c/f",
         "b/c/f",
         {"a", "a/l->/b", "b+", "b/c+"}},
        {"ThroughALinkThatLeavesTheRoot",
         {{"l", symlink("../../etc")}},
         "l/f",
         "etc/f",
         {"etc+", "l->../../etc"}},
        {"ThroughALinkToTheRoot", {{"l", symlink("/")}}, "l/f", "f", {"l->/"}},
        {"AFileInTheWay", {{"a", file()}}, "a/f", "a/f", {"a+"}},
        {"AFileInTheWayFurtherUp", {{"a", file()}}, "a/b/f", "a/b/f", {"a+", "a/b+"}},
        {"AFileInTheWayBehindALink",
         {{"usr", directory()}, {"bin", symlink("usr")}, {"usr/x", file()}},
         "bin/x/f",
         "usr/x/f",
         {"bin->usr", "usr", "usr/x+"}},
        {"ALinkToAFile", {{"l", symlink("x")}, {"x", file()}}, "l/f", "x/f", {"l->x", "x+"}},
        {"WhatALinkGoesThroughAndBackIsNotMade",
         {{"l", symlink("none/../a")}},
         "l/f",
         "a/f",
         {"a+", "l->none/../a"}},
        {"ALoopIsNotFollowed", {{"l", symlink("l")}}, "l/f", "l/f", {"l+"}},
    }),
    [](const auto& test) { return test.param.name; });

TEST(PathTree, FollowsTheLastPartOfADirectory) {
  auto tree =
      tree_of({{"usr", directory()}, {"bin", symlink("usr/bin")}, {"loop", symlink("loop")}});
  EXPECT_EQ(tree.real_directory("bin"), "usr/bin");
  EXPECT_EQ(tree.real_directory(""), "");
  EXPECT_EQ(tree.real_directory("loop"), "loop");
}

}  // namespace
}  // namespace kiln::layer
