#include "core/layer/path_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::layer {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using ::testing::ElementsAre;

/// "" = a directory, "=" = a file, else a symlink's target.
using Files = std::map<std::string, std::string>;

LookUp in(const Files& files) {
  return [&files](const std::string& path) -> std::optional<PathStep> {
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    if (found->second.empty()) return PathStep{EntryKind::kDirectory};
    if (found->second == "=") return PathStep{EntryKind::kFile};
    return PathStep{EntryKind::kSymlink, found->second};
  };
}

struct Case {
  std::string name;
  Files files;
  std::string path;
  bool follow_last = true;
  std::string result;
};

class WalkPath : public ::testing::TestWithParam<Case> {};

TEST_P(WalkPath, FollowsLinksInsideTheRoot) {
  const auto walked = walk_path(GetParam().path, GetParam().follow_last, in(GetParam().files));
  ASSERT_THAT(walked, IsOk());
  EXPECT_EQ(*walked, GetParam().result);
}

constexpr bool kFollow = true;
constexpr bool kKeep = false;
const Files kUsrMerge = {{"bin", "usr/bin"},
                         {"usr", ""},
                         {"usr/bin", ""},
                         {"usr/bin/sh", "dash"},
                         {"usr/bin/dash", "="}};

INSTANTIATE_TEST_SUITE_P(
    Table, WalkPath,
    ::testing::ValuesIn(std::vector<Case>{
        {"Root", {}, "", kFollow, ""},
        {"Plain", {{"a", ""}, {"a/b", "="}}, "a/b", kFollow, "a/b"},
        {"WhatIsNotThereStays", {{"a", ""}}, "a/x/y", kFollow, "a/x/y"},
        {"RelativeLink", kUsrMerge, "bin/dash", kFollow, "usr/bin/dash"},
        {"LastLinkFollowed", kUsrMerge, "bin/sh", kFollow, "usr/bin/dash"},
        {"LastLinkKept", kUsrMerge, "bin/sh", kKeep, "usr/bin/sh"},
        {"OnlyLinkKept", kUsrMerge, "bin", kKeep, "bin"},
        {"AbsoluteLink", {{"a", ""}, {"a/l", "/b"}}, "a/l/x", kFollow, "b/x"},
        {"LinkToTheRoot", {{"a", ""}, {"a/l", "/"}}, "a/l/x", kFollow, "x"},
        {"LinkToItsOwnDirectory", {{"a", ""}, {"a/l", "."}}, "a/l/x", kFollow, "a/x"},
        {"LinkUp", {{"a", ""}, {"a/b", ""}, {"a/b/l", "../c"}}, "a/b/l/x", kFollow, "a/c/x"},
        {"NeverAboveTheRoot", {{"l", "../../../etc"}}, "l/x", kFollow, "etc/x"},
        {"UpFromALinkedDirectoryIsWhereItReallyIs",
         {{"l", "a/b"}, {"a", ""}, {"a/b", ""}, {"m", "l/../c"}},
         "m",
         kFollow,
         "a/c"},
        {"UpFromWhatIsNotThere", {{"l", "none/../a"}}, "l/x", kFollow, "a/x"},
        {"SlashesAndDotsInATarget", {{"l", ".//a/./b//"}}, "l/x", kFollow, "a/b/x"},
        {"DanglingLink", {{"l", "none/at/all"}}, "l", kFollow, "none/at/all"},
        {"FileAtTheEnd", {{"f", "="}}, "f", kFollow, "f"},
        {"LinksOfLinks", {{"a", "b"}, {"b", "c"}, {"c", "d"}}, "a/x", kFollow, "d/x"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(WalkPathSteps, AsksForEveryPathItGoesThroughAndTheLast) {
  std::vector<std::string> asked;
  const auto walked = walk_path("bin/x", true, [&](const std::string& path) {
    asked.push_back(path);
    return in(kUsrMerge)(path);
  });
  ASSERT_THAT(walked, IsOk());
  EXPECT_THAT(asked, ElementsAre("bin", "usr", "usr/bin", "usr/bin/x"));
}

Files chain(int links) {
  Files files;
  for (int i = 0; i < links; ++i)
    files["l" + std::to_string(i)] = i == 0 ? "end" : "l" + std::to_string(i - 1);
  return files;
}

TEST(WalkPathSteps, FollowsFortyLinksAsLinuxDoes) {
  const auto files = chain(41);
  EXPECT_EQ(*walk_path("l39/x", true, in(files)), "end/x");
  EXPECT_THAT(walk_path("l40/x", true, in(files)),
              FailsWith(Errc::kInvalid, "\"/l40/x\" leads through more than 40 symlinks"));
}

TEST(WalkPathSteps, RefusesLoops) {
  const Files files = {{"a", "b"}, {"b", "a"}, {"self", "self"}, {"deeper", "deeper/x"}};
  for (const auto* path : {"a", "self/x", "deeper"})
    EXPECT_THAT(walk_path(path, true, in(files)), FailsWith(Errc::kInvalid, "more than 40"))
        << path;
  EXPECT_EQ(*walk_path("self", false, in(files)), "self");
}

TEST(WalkPathSteps, RefusesAFileOnTheWay) {
  const Files files = {{"f", "="}, {"l", "f"}, {"m", "f/../x"}};
  EXPECT_THAT(walk_path("f/x", true, in(files)),
              FailsWith(Errc::kInvalid, "\"/f/x\" cannot be used: \"/f\" is not a directory"));
  EXPECT_THAT(walk_path("l/x", true, in(files)), FailsWith(Errc::kInvalid, "\"/f\" is not a"));
  EXPECT_THAT(walk_path("m", true, in(files)), FailsWith(Errc::kInvalid, "\"/f\" is not a"));
}

// Every entry of a hostile layer may go through such links.
TEST(WalkPathSteps, RefusesLinksThatUnfoldToVeryLongPaths) {
  std::string detour;
  while (detour.size() < 4080) detour += "x/../";
  const Files files = {{"one", detour}, {"two", "one/" + detour}};
  std::size_t steps = 0;
  const LookUp counted = [&](const std::string& path) {
    ++steps;
    return in(files)(path);
  };
  EXPECT_THAT(walk_path("two", true, counted), FailsWith(Errc::kInvalid, "\"/two\" leads through"));
  EXPECT_LT(steps, 2000U);
}

}  // namespace
}  // namespace kiln::layer
