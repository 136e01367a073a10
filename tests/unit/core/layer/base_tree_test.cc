#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/layer/layer_index.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

LayerIndex layer_of(const std::vector<Entry>& entries) {
  return *index_bytes(tar_of(entries));
}

BaseTree merged(const std::vector<std::vector<Entry>>& layers) {
  std::vector<LayerIndex> indexes;
  for (const auto& entries : layers) indexes.push_back(layer_of(entries));
  return *BaseTree::merge(indexes);
}

Entry opaque(const std::string& path) {
  return file(path + "/.wh..wh..opq");
}

std::vector<Entry> usr_merged() {
  return {directory("usr"),
          directory("usr/bin"),
          directory("usr/lib"),
          file("usr/bin/sh"),
          symlink_to("bin", "usr/bin"),
          symlink_to("lib", "/usr/lib"),
          directory("tmp", 01777),
          directory("var"),
          symlink_to("var/run", "../run"),
          directory("run"),
          file("etc/passwd")};
}

TEST(BaseTree, LaterLayersReplaceEarlierOnes) {
  const auto tree = merged({{directory("a", 0700), file("a/x"), file("b")},
                            {directory("a", 0755), symlink_to("b", "a")}});
  EXPECT_EQ(tree.find("a")->mode, 0755U);
  EXPECT_NE(tree.find("a/x"), nullptr);
  EXPECT_EQ(tree.find("b")->kind, EntryKind::kSymlink);
  EXPECT_EQ(tree.find("c"), nullptr);
}

TEST(BaseTree, WhiteoutsHideWhatIsBelowThem) {
  const auto tree = merged(
      {{directory("a"), file("a/x"), file("a/y"), file("ab"), file("a.txt")}, {whiteout("a")}});
  EXPECT_EQ(tree.find("a"), nullptr);
  EXPECT_EQ(tree.find("a/x"), nullptr);
  EXPECT_NE(tree.find("ab"), nullptr);
  EXPECT_NE(tree.find("a.txt"), nullptr);
}

TEST(BaseTree, WhiteoutsDoNotHideTheirOwnLayer) {
  const auto tree = merged(
      {{directory("a"), file("a/old")}, {file("a/new"), whiteout("a"), directory("a", 0711)}});
  EXPECT_EQ(tree.find("a")->mode, 0711U);
  EXPECT_EQ(tree.find("a/old"), nullptr);
  EXPECT_NE(tree.find("a/new"), nullptr);
}

TEST(BaseTree, OpaqueDirectoriesHideOnlyWhatLowerLayersHadInThem) {
  const std::vector<Entry> lower = {directory("a", 0700), file("a/old"), directory("a/b"),
                                    file("a/b/c")};
  for (const auto& upper : {std::vector<Entry>{opaque("a"), file("a/new")},
                            std::vector<Entry>{file("a/new"), opaque("a")}}) {
    const auto tree = merged({lower, upper});
    ASSERT_NE(tree.find("a"), nullptr);
    EXPECT_EQ(tree.find("a")->mode, 0700U);
    EXPECT_EQ(tree.find("a/old"), nullptr);
    EXPECT_EQ(tree.find("a/b/c"), nullptr);
    EXPECT_NE(tree.find("a/new"), nullptr);
  }
}

TEST(BaseTree, OpaqueRootHidesAll) {
  const auto tree = merged({{file("a"), directory("b")}, {file(".wh..wh..opq"), file("c")}});
  EXPECT_EQ(tree.find("a"), nullptr);
  EXPECT_EQ(tree.find("b"), nullptr);
  EXPECT_NE(tree.find("c"), nullptr);
}

TEST(BaseTree, AFileInPlaceOfADirectoryHidesItsContent) {
  const auto tree = merged({{directory("a"), file("a/x")}, {file("a")}});
  EXPECT_EQ(tree.find("a")->kind, EntryKind::kFile);
  EXPECT_EQ(tree.find("a/x"), nullptr);
}

TEST(BaseTree, MakesDirectoriesThatNoLayerNames) {
  const auto tree = merged({{file("a/b/c")}});
  ASSERT_NE(tree.find("a/b"), nullptr);
  EXPECT_EQ(tree.find("a")->kind, EntryKind::kDirectory);
  EXPECT_EQ(tree.find("a/b")->mode, 0755U);
}

TEST(BaseTree, PutsEntriesThroughTheLinksOfLowerLayers) {
  const auto tree = merged({usr_merged(), {file("bin/tool"), whiteout("bin/sh")}});
  EXPECT_NE(tree.find("usr/bin/tool"), nullptr);
  EXPECT_EQ(tree.find("usr/bin/sh"), nullptr);
  EXPECT_EQ(tree.find("bin")->kind, EntryKind::kSymlink);
}

struct Resolved {
  std::string name, path, plain, followed;
};

class Resolve : public testing::TestWithParam<Resolved> {};

TEST_P(Resolve, FollowsLinksInsideTheRoot) {
  auto entries = usr_merged();
  entries.push_back(symlink_to("up", "../../../../etc"));
  entries.push_back(symlink_to("chain", "./bin/../../up/."));
  entries.push_back(symlink_to("dangling", "/mnt/data"));
  entries.push_back(symlink_to("root", "/"));
  const auto tree = merged({entries});

  const auto plain = tree.resolve(GetParam().path, false);
  const auto followed = tree.resolve(GetParam().path, true);

  ASSERT_TRUE(plain.has_value()) << plain.error().message;
  ASSERT_TRUE(followed.has_value()) << followed.error().message;
  EXPECT_EQ(*plain, GetParam().plain);
  EXPECT_EQ(*followed, GetParam().followed);
}

INSTANTIATE_TEST_SUITE_P(Table, Resolve,
                         testing::ValuesIn(std::vector<Resolved>{
                             {"Root", "", "", ""},
                             {"NoLink", "usr/bin/sh", "usr/bin/sh", "usr/bin/sh"},
                             {"UsrMerge", "bin/x", "usr/bin/x", "usr/bin/x"},
                             {"AbsoluteTarget", "lib/x/y", "usr/lib/x/y", "usr/lib/x/y"},
                             {"LastPart", "bin", "bin", "usr/bin"},
                             {"TargetWithDotDot", "var/run/x.pid", "run/x.pid", "run/x.pid"},
                             {"CannotLeaveTheRoot", "up/passwd", "etc/passwd", "etc/passwd"},
                             {"LinkToALink", "chain/passwd", "etc/passwd", "etc/passwd"},
                             {"LinkToNothing", "dangling/x", "mnt/data/x", "mnt/data/x"},
                             {"LinkToTheRoot", "root/bin/x", "usr/bin/x", "usr/bin/x"},
                             {"LinkToTheRootAlone", "root", "root", ""},
                             {"MissingParts", "opt/app/bin/x", "opt/app/bin/x", "opt/app/bin/x"},
                             {"FileAsLastPart", "etc/passwd", "etc/passwd", "etc/passwd"},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST(BaseTree, RefusesToResolveThroughAFile) {
  const auto tree = merged({usr_merged()});
  const auto path = tree.resolve("etc/passwd/x", false);
  ASSERT_TRUE(path.has_error());
  EXPECT_EQ(path.error().code, Errc::kInvalid);
  EXPECT_EQ(
      path.error().message,
      "\"/etc/passwd/x\" cannot be used: \"/etc/passwd\" is not a directory in the base image");
}

TEST(BaseTree, FollowsFortyLinksAndNoMore) {
  const auto chain = [](int count) {
    std::vector<Entry> entries = {directory("l0")};
    for (int i = 1; i <= count; ++i)
      entries.push_back(symlink_to("l" + std::to_string(i), "l" + std::to_string(i - 1)));
    return merged({entries});
  };
  EXPECT_EQ(*chain(40).resolve("l40/x", false), "l0/x");
  const auto over = chain(41).resolve("l41/x", false);
  ASSERT_TRUE(over.has_error());
  EXPECT_EQ(over.error().code, Errc::kInvalid);
  EXPECT_EQ(over.error().message,
            "\"/l41/x\" leads through more than 40 symlinks of the base image");
}

TEST(BaseTree, RefusesLoops) {
  const auto tree = merged({{symlink_to("a", "b"), symlink_to("b", "a"), symlink_to("me", "me"),
                             symlink_to("deeper", "deeper/x")}});
  for (const auto* path : {"a/x", "me/x", "deeper/x"})
    EXPECT_EQ(tree.resolve(path, false).error().code, Errc::kInvalid) << path;
  EXPECT_EQ(*tree.resolve("me", false), "me");
  EXPECT_EQ(tree.resolve("me", true).error().code, Errc::kInvalid);
}

TEST(BaseTree, RefusesLinksToNamesThatNoSystemHas) {
  std::string deep;
  while (deep.size() < 4000) deep += "deep/";
  const auto tree = merged({{symlink_to("part", std::string(256, 'x')), symlink_to("path", deep)}});
  for (const auto& path : {std::string("part/x"), "path/" + std::string(100, 'x')}) {
    const auto resolved = tree.resolve(path, true);
    ASSERT_TRUE(resolved.has_error()) << path;
    EXPECT_EQ(resolved.error().code, Errc::kInvalid);
    EXPECT_EQ(resolved.error().message, "\"/" + path +
                                            "\" leads through symlinks of the base image to a name "
                                            "that is too long");
  }
}

TEST(BaseTree, ShowsHostileNamesOnOneShortLine) {
  const auto tree = merged({{file("\x1b[2J" + std::string(200, 'x'))}});
  const auto path = tree.resolve("\x1b[2J" + std::string(200, 'x') + "/y", false);
  ASSERT_TRUE(path.has_error());
  EXPECT_EQ(path.error().message.find('\x1b'), std::string::npos);
  EXPECT_LT(path.error().message.size(), 400U);
}

struct Place {
  EntryKind is = EntryKind::kFile;
  std::string target{};
  EntryKind kind() const { return is; }
  std::string_view link_target() const { return target; }
  static Place implied_directory(const std::string&) { return {EntryKind::kDirectory, ""}; }
};

TEST(PathTree, LimitsTheMemoryOfDirectoriesThatNobodyNamed) {
  PathTree<Place> tree(TreeLimits{1 << 20, UINT64_MAX});
  std::string deep;
  while (deep.size() < 400) deep += "/d";
  int put = 0;
  for (; tree.check_cost().has_value(); ++put)
    tree.put(tree.make_way(std::to_string(put) + deep), Place());
  EXPECT_LT(put, 20);
  EXPECT_EQ(tree.check_cost().error().code, Errc::kInvalid);
  EXPECT_EQ(tree.check_cost().error().message,
            "the layers' paths take more than the allowed 1048576 bytes of memory");

  tree.remove_below("");
  EXPECT_EQ(tree.cost_bytes(), 0U);
}

TEST(PathTree, LimitsTheStepsThroughLinks) {
  PathTree<Place> tree(TreeLimits{UINT64_MAX, 100'000});
  std::string there_and_back;
  while (there_and_back.size() < 2000) there_and_back += "x/../";
  tree.put("link", Place{EntryKind::kSymlink, there_and_back});
  int put = 0;
  for (; put < 1000 && tree.check_cost().has_value(); ++put)
    tree.put(tree.make_way("link/" + std::to_string(put)), Place());
  ASSERT_LT(put, 500);
  EXPECT_EQ(tree.check_cost().error().message,
            "the layers' paths take more than the allowed 100000 steps to follow");
}

TEST(BaseTree, UnfoldsLinksThatDoubleInBoundedTime) {
  // Each link names the one before it many times over: 40 steps must not become 100^40 parts.
  std::vector<Entry> entries = {directory("l0")};
  for (int i = 1; i <= 40; ++i) {
    std::string target;
    for (int j = 0; j < 100; ++j) target += "l" + std::to_string(i - 1) + "/../";
    entries.push_back(symlink_to("l" + std::to_string(i), target + "l0"));
  }
  EXPECT_EQ(merged({entries}).resolve("l40/x", false).error().code, Errc::kInvalid);
}

TEST(BaseTree, SurvivesALayerThatPutsFilesThroughALoop) {
  const auto tree =
      merged({{symlink_to("a", "b"), symlink_to("b", "a"), file("f")}, {file("a/x"), file("f/y")}});
  EXPECT_EQ(tree.find("a")->kind, EntryKind::kDirectory);
  EXPECT_NE(tree.find("a/x"), nullptr);
  EXPECT_EQ(tree.find("f")->kind, EntryKind::kDirectory);
}

TEST(BaseFacts, AreEqualWhereTheFactsAre) {
  const auto one = merged({usr_merged()});
  auto more = usr_merged();
  more.push_back(file("usr/other"));
  const auto two = merged({more, {file("opt/x")}});
  EXPECT_EQ(one.facts_about({"usr/bin", "etc"}), two.facts_about({"etc", "usr/bin", "usr"}));
  EXPECT_EQ(one.facts_about({}), two.facts_about({}));
}

TEST(BaseFacts, DifferWhenAParentOrThePathDiffers) {
  const std::vector<Entry> plain = {directory("a"), directory("a/b"), file("a/b/c")};
  const std::vector<std::string> asked = {"a/b/c"};
  const auto facts = merged({plain}).facts_about(asked);

  auto mode = plain;
  mode[0].mode = 0700;
  auto owner = plain;
  owner[1].uid = 101;
  auto kind = plain;
  kind[2] = symlink_to("a/b/c", "x");
  auto target = plain;
  target[2] = symlink_to("a/b/c", "y");
  std::vector<std::string> seen = {facts};
  for (const auto& other : {mode, owner, kind, target, {plain[0], plain[1]}}) {
    const auto theirs = merged({other}).facts_about(asked);
    for (const auto& known : seen) EXPECT_NE(theirs, known);
    seen.push_back(theirs);
  }
  EXPECT_TRUE(facts.starts_with("sha256:"));
}

TEST(BaseTree, HardLinksHaveWhatTheirFileHadWhenTheyWereMade) {
  auto f = file("b", "12345");
  f.mode = 0751;
  f.uid = 7;
  f.gid = 8;
  f.mtime = 99;
  const std::vector<Entry> lower = {f, hardlink_to("a", "b"), hardlink_to("c", "a")};
  for (const auto& upper : {std::vector<Entry>(),
                            {whiteout("b")},
                            {file("b", "other")},
                            {directory("b")},
                            {hardlink_to("d", "c")}}) {
    const auto tree = merged({lower, upper});
    for (const auto* path : {"a", "c"}) {
      const auto* link = tree.find(path);
      EXPECT_EQ(link->kind, EntryKind::kHardlink);
      EXPECT_EQ(link->size_bytes, 5U);
      EXPECT_EQ(link->mode, 0751U);
      EXPECT_EQ(link->uid, 7U);
      EXPECT_EQ(link->gid, 8U);
      EXPECT_EQ(link->mtime, 99);
    }
    if (upper.size() == 1 && upper.front().path == "d") {
      EXPECT_EQ(tree.find("d")->size_bytes, 5U);
    }
  }
}

TEST(BaseTree, HardLinksToNothingKeepWhatTheySay) {
  auto link = hardlink_to("a", "none");
  link.mode = 0600;
  const auto tree =
      merged({{link, hardlink_to("self", "self"), directory("d"), hardlink_to("e", "d")}});
  EXPECT_EQ(tree.find("a")->mode, 0600U);
  EXPECT_EQ(tree.find("self")->kind, EntryKind::kHardlink);
  EXPECT_EQ(tree.find("e")->mode, 0644U);
}

TEST(BaseTree, AFileBehindALinkDoesNotTakeTheLinkAway) {
  const auto tree =
      merged({{directory("usr"), symlink_to("bin", "usr"), file("usr/x")}, {file("bin/x/f")}});
  EXPECT_EQ(tree.find("bin")->kind, EntryKind::kSymlink);
  EXPECT_NE(tree.find("usr/x/f"), nullptr);
}

TEST(BaseFacts, DoNotDependOnWhichNameOfAFileCameFirst) {
  EXPECT_EQ(merged({{file("x"), hardlink_to("y", "x")}}).facts_about({"x", "y"}),
            merged({{file("y"), hardlink_to("x", "y")}}).facts_about({"x", "y"}));
}

}  // namespace
}  // namespace kiln::layer
