#include "core/build/placement.h"

#include <gtest/gtest.h>

#include "tests/support/base_images.h"
#include "tests/support/entry_list.h"
#include "tests/support/matchers.h"

namespace kiln::build {
namespace {

using testing::directory;
using testing::FailsWith;
using testing::file;
using testing::IsOk;
using Paths = std::vector<std::string>;

layer::FileTree tree_of(std::vector<layer::Entry> entries) {
  layer::FileTree tree;
  for (auto& entry : entries) EXPECT_THAT(tree.add(std::move(entry)), IsOk());
  return tree;
}

layer::BaseTree base() {
  return *layer::BaseTree::merge({index_of(tree_of(testing::nginx_like_entries()))});
}

Paths paths_of(const layer::FileTree& tree) {
  Paths paths;
  for (const auto& [path, entry] : tree.entries()) paths.push_back(path);
  return paths;
}

source::Content content_of(std::vector<layer::Entry> entries) {
  source::Content content;
  content.tree = tree_of(std::move(entries));
  return content;
}

layer::FileTree placed(std::vector<layer::Entry> content, const std::string& path,
                       Ownership ownership = {}) {
  layer::FileTree into;
  EXPECT_THAT(place_content(content_of(std::move(content)), path, ownership, base(), into), IsOk());
  return into;
}

TEST(PlaceContent, PutsFilesBelowItsPathWithTheDirectoriesAbove) {
  const auto tree = placed({file("index.html", "x")}, "/usr/share/nginx/html");
  EXPECT_EQ(paths_of(tree), (Paths{"usr", "usr/share", "usr/share/nginx", "usr/share/nginx/html",
                                   "usr/share/nginx/html/index.html"}));
}

TEST(PlaceContent, KeepsModeAndOwnerOfTheBasesDirectories) {
  EXPECT_EQ(placed({file("x", "")}, "/tmp").find("tmp")->mode, 01777u);
  const auto cache = placed({file("x", "")}, "/var/cache/nginx");
  EXPECT_EQ(cache.find("var/cache/nginx")->mode, 0750u);
  EXPECT_EQ(cache.find("var/cache/nginx")->uid, 101u);
}

TEST(PlaceContent, FollowsTheBasesSymlinksToDirectories) {
  EXPECT_EQ(paths_of(placed({file("tool", "")}, "/bin")),
            (Paths{"usr", "usr/bin", "usr/bin/tool"}));
  EXPECT_EQ(paths_of(placed({file("pid", "")}, "/var/run")), (Paths{"run", "run/pid"}));
}

TEST(PlaceContent, MakesNewDirectoriesAsRootUnlessTold) {
  const auto tree = placed({file("x", "")}, "/srv/site");
  EXPECT_EQ(tree.find("srv/site")->mode, 0755u);
  EXPECT_EQ(tree.find("srv/site")->uid, 0u);
}

TEST(PlaceContent, GivesItsOwnershipToWhatItBringsAndToNothingAbove) {
  Ownership ownership;
  ownership.uid = 101;
  ownership.gid = 102;
  ownership.file_mode = 0600;
  ownership.dir_mode = 0700;

  const auto tree = placed({directory("sub"), file("sub/x", "")}, "/srv/site", ownership);

  EXPECT_EQ(tree.find("srv")->mode, 0755u);
  EXPECT_EQ(tree.find("srv")->uid, 0u);
  EXPECT_EQ(tree.find("srv/site")->mode, 0700u);
  EXPECT_EQ(tree.find("srv/site/sub")->uid, 101u);
  EXPECT_EQ(tree.find("srv/site/sub/x")->mode, 0600u);
  EXPECT_EQ(tree.find("srv/site/sub/x")->gid, 102u);
}

TEST(PlaceContent, LetsLaterContentWin) {
  layer::FileTree into;
  ASSERT_THAT(place_content(content_of({file("x", "old")}), "/srv", {}, base(), into), IsOk());
  ASSERT_THAT(place_content(content_of({file("x", "new!")}), "/srv", {}, base(), into), IsOk());
  EXPECT_EQ(into.find("srv/x")->content.size_bytes(), 4u);
}

TEST(PlaceContent, TakesEntriesOfWhichNoTreeWasMade) {
  layer::Entry link("b", layer::EntryKind::kHardlink);
  link.link_target = "a/f";
  const auto content = testing::listed({directory("a", 0700), file("a/f", "one"), link});
  layer::FileTree into;
  ASSERT_THAT(place_content(content, "/srv", {}, base(), into), IsOk());
  EXPECT_EQ(paths_of(into), (Paths{"srv", "srv/a", "srv/a/f", "srv/b"}));
  EXPECT_EQ(into.find("srv/a")->mode, 0700u);
  EXPECT_EQ(into.find("srv/b")->link_target, "srv/a/f");
}

TEST(PlaceContent, MayPutAFileOverAFileOrSymlinkOfTheBase) {
  EXPECT_EQ(paths_of(placed({file("bin", "")}, "/")), Paths{"bin"});
}

TEST(PlaceContent, RefusesAFileWhereTheBaseHasADirectory) {
  layer::FileTree into;
  EXPECT_THAT(place_content(content_of({file("nginx", "")}), "/usr/share", {}, base(), into),
              FailsWith(Errc::kInvalid, "add /usr/share/nginx to remove"));
}

TEST(PlaceContent, RefusesToGoBelowAFileOfTheBase) {
  layer::FileTree into;
  EXPECT_THAT(place_content(content_of({file("x", "")}), "/usr/bin/sh", {}, base(), into),
              FailsWith(Errc::kInvalid, "usr/bin/sh"));
}

TEST(PlaceContent, RefusesAPathThatLeavesTheImage) {
  layer::FileTree into;
  EXPECT_THAT(place_content(content_of({file("x", "")}), "/srv/../../etc", {}, base(), into),
              FailsWith(Errc::kInvalid, ".."));
}

TEST(PlaceWhiteouts, HidesThePathBelowTheBasesDirectories) {
  Paths warnings;
  const auto tree = place_whiteouts({"/usr/share/nginx/html"}, base(), warnings);

  ASSERT_THAT(tree, IsOk());
  EXPECT_EQ(paths_of(*tree),
            (Paths{"usr", "usr/share", "usr/share/nginx", "usr/share/nginx/html"}));
  EXPECT_EQ(tree->find("usr/share/nginx/html")->kind, layer::EntryKind::kWhiteout);
  EXPECT_TRUE(warnings.empty());
}

TEST(PlaceWhiteouts, LeavesOutWhatLiesBelowSomethingRemoved) {
  Paths warnings;
  const auto tree = place_whiteouts({"/usr/share/nginx/html", "/usr/share"}, base(), warnings);
  EXPECT_EQ(paths_of(*tree), (Paths{"usr", "usr/share"}));
}

TEST(PlaceWhiteouts, RemovesASymlinkItselfButFollowsItsDirectories) {
  Paths warnings;
  EXPECT_EQ(paths_of(*place_whiteouts({"/bin"}, base(), warnings)), Paths{"bin"});
  EXPECT_EQ(paths_of(*place_whiteouts({"/bin/sh"}, base(), warnings)),
            (Paths{"usr", "usr/bin", "usr/bin/sh"}));
}

TEST(PlaceWhiteouts, WarnsOfWhatTheBaseDoesNotHave) {
  Paths warnings;
  EXPECT_TRUE(place_whiteouts({"/nowhere"}, base(), warnings)->empty());
  EXPECT_EQ(warnings, Paths{"remove: /nowhere is not in the base"});
}

TEST(PlaceWhiteouts, RefusesTheRoot) {
  Paths warnings;
  EXPECT_THAT(place_whiteouts({"/"}, base(), warnings), FailsWith(Errc::kInvalid, "scratch"));
}

}  // namespace
}  // namespace kiln::build
