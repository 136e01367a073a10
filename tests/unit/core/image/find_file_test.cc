#include "core/image/find_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/unit/core/image/random_layers.h"

namespace kiln::image {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using layer::EntryKind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace layer::testing_support;
using namespace testing_support;
using Layers = std::vector<std::vector<layer::Entry>>;

layer::Entry opaque(const std::string& directory) {
  return file(layer::join_path(directory, ".wh..wh..opq"));
}

/// Layers in memory. Notes which were asked for.
class FakeLayers final : public LayerAccess {
 public:
  explicit FakeLayers(const std::vector<std::string>& tars) : blobs_(blobs_of(tars)) {}

  std::size_t count() const override { return blobs_.size(); }
  Task<Result<std::shared_ptr<const layer::LayerIndex>>> index(std::size_t layer) override {
    indexes.push_back(layer);
    if (layer == broken) co_return Error(Errc::kUnavailable, "connection was cut");
    auto source = *blobs_.at(layer).open();
    auto index = layer::index_layer(*source, {});
    if (!index) co_return std::move(index).error();
    co_return std::make_shared<const layer::LayerIndex>(std::move(*index));
  }
  Task<Result<layer::Blob>> blob(std::size_t layer) override {
    fetched.push_back(layer);
    if (layer == missing) co_return Error(Errc::kNotFound, "the blob is gone");
    co_return blobs_.at(layer);
  }

  std::vector<std::size_t> indexes, fetched;
  std::size_t broken = SIZE_MAX, missing = SIZE_MAX;

 private:
  std::vector<layer::Blob> blobs_;
};

std::vector<std::string> tars_of(const Layers& layers) {
  std::vector<std::string> tars;
  for (const auto& entries : layers) tars.push_back(tar_of(entries));
  return tars;
}

Result<std::string> cat(FakeLayers& layers, const std::string& path) {
  WorkPool pool(1);
  StringSink sink;
  auto written = kiln::testing::run_task(cat_file(layers, pool, path, sink));
  if (written.has_error()) return std::move(written).error();
  return sink.take();
}

// --- Which layers are looked at
// -------------------------------------------------------------------

struct Looking {
  std::string name;
  Layers layers;
  std::string path;
  std::string bytes;
  std::vector<std::size_t> indexes, fetched;
};

class CatLooks : public ::testing::TestWithParam<Looking> {};

TEST_P(CatLooks, AtTheTopFirstAndNoFurtherThanNeeded) {
  FakeLayers layers(tars_of(GetParam().layers));
  EXPECT_EQ(cat(layers, GetParam().path).value(), GetParam().bytes);
  EXPECT_EQ(layers.indexes, GetParam().indexes);
  EXPECT_EQ(layers.fetched, GetParam().fetched);
}

const std::vector<layer::Entry> kBase = {directory("etc"), file("etc/motd", "low")};

INSTANTIATE_TEST_SUITE_P(
    Table, CatLooks,
    ::testing::ValuesIn(std::vector<Looking>{
        {"InTheTopLayer",
         {kBase, {directory("etc"), file("etc/motd", "top")}},
         "/etc/motd",
         "top",
         {1},
         {1}},
        {"AtTheRoot", {kBase, {file("motd", "top")}}, "/motd", "top", {1}, {1}},
        {"InTheMiddle",
         {kBase,
          {directory("etc"), file("etc/motd", "middle")},
          {directory("etc"), file("etc/x", "")}},
         "/etc/motd",
         "middle",
         {2, 1},
         {1}},
        {"AtTheBottom",
         {kBase, {file("x", "")}, {file("y", "")}},
         "/etc/motd",
         "low",
         {2, 1, 0},
         {0}},
        {"ByALinkInTheTopLayer",
         {kBase, {directory("etc"), file("etc/real", "r"), symlink_to("etc/motd", "real")}},
         "/etc/motd",
         "r",
         {1},
         {1}},
        {"ByALinkIntoALowerLayer",
         {{directory("etc"), file("etc/motd", "low")},
          {directory("run"), symlink_to("run/motd", "/etc/motd")}},
         "/run/motd",
         "low",
         {1, 0},
         {0}},
        {"WithoutItsDirectoryALinkBelowCouldLeadElsewhere",
         {{directory("usr/bin"), symlink_to("bin", "usr/bin"), file("usr/bin/sh", "low")},
          {file("bin/sh", "top")}},
         "/bin/sh",
         "top",
         {1, 0},
         {1}},
        {"UsrMergedNameOfAnUpperFile",
         {{directory("usr"), directory("usr/bin"), symlink_to("bin", "usr/bin"),
           file("usr/bin/sh", "low")},
          {directory("usr"), directory("usr/bin"), file("usr/bin/sh", "top")}},
         "/bin/sh",
         "top",
         {1, 0},
         {1}},
    }),
    [](const auto& test) { return test.param.name; });

// --- What is found
// --------------------------------------------------------------------------------

struct Case {
  std::string name;
  Layers layers;
  std::string path, bytes;
};

class CatTable : public ::testing::TestWithParam<Case> {};

TEST_P(CatTable, FindsTheFile) {
  FakeLayers layers(tars_of(GetParam().layers));
  const auto found = cat(layers, GetParam().path);
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(*found, GetParam().bytes);
}

std::vector<layer::Entry> chain(int links) {
  std::vector<layer::Entry> entries = {file("link0", "end")};
  for (int i = 1; i <= links; ++i)
    entries.push_back(symlink_to("link" + std::to_string(i), "link" + std::to_string(i - 1)));
  return entries;
}

INSTANTIATE_TEST_SUITE_P(
    Table, CatTable,
    ::testing::ValuesIn(std::vector<Case>{
        {"EmptyFile", {{file("f", "")}}, "/f", ""},
        {"LargeFile", {{file("f", sample_bytes(700'000))}}, "/f", sample_bytes(700'000)},
        {"LastOfTwoInOneTar", {{file("f", "1"), file("f", "2")}}, "/f", "2"},
        {"RelativeLink",
         {{directory("a"), symlink_to("a/l", "../f"), file("f", "1")}},
         "/a/l",
         "1"},
        {"AbsoluteLink", {{directory("a"), symlink_to("a/l", "/f"), file("f", "1")}}, "/a/l", "1"},
        {"LinkThatWouldLeaveTheRoot", {{symlink_to("l", "../../../f"), file("f", "1")}}, "/l", "1"},
        {"LinkedDirectory",
         {{symlink_to("l", "a"), directory("a"), file("a/f", "1")}},
         "/l/f",
         "1"},
        {"ChainOf40Links", {chain(40)}, "/link40", "end"},
        {"LinkOverALowerFile",
         {{file("f", "1"), file("g", "2")}, {symlink_to("f", "g")}},
         "/f",
         "2"},
        {"BackAfterAWhiteout", {{file("f", "1")}, {whiteout("f")}, {file("f", "3")}}, "/f", "3"},
        {"BesideAWhiteoutOfItself", {{file("f", "1")}, {whiteout("f"), file("f", "2")}}, "/f", "2"},
        {"InAnOpaqueDirectory",
         {{directory("d"), file("d/f", "1")}, {directory("d"), opaque("d"), file("d/f", "2")}},
         "/d/f",
         "2"},
        {"HardLink", {{file("f", "1"), hardlink_to("h", "f")}}, "/h", "1"},
        {"HardLinkToAHardLink",
         {{file("f", "1"), hardlink_to("g", "f"), hardlink_to("h", "g")}},
         "/h",
         "1"},
        {"HardLinkIntoALowerLayer", {{file("f", "1")}, {hardlink_to("h", "f")}}, "/h", "1"},
        {"HardLinkWhoseFileAnUpperLayerHides",
         {{file("f", "1"), hardlink_to("h", "f")}, {whiteout("f")}},
         "/h",
         "1"},
        {"HardLinkWhoseFileAnUpperLayerReplaces",
         {{file("f", "1"), hardlink_to("h", "f")}, {file("f", "2")}},
         "/h",
         "1"},
        {"HardLinkWhoseFileIsReplacedLaterInItsTar",
         {{file("f", "1"), hardlink_to("h", "f"), file("f", "2")}},
         "/h",
         "1"},
        {"HardLinkIntoALowerLayerThatHasThatNameItself",
         {{file("f", "1")}, {hardlink_to("h", "f"), file("f", "2")}},
         "/h",
         "1"},
        {"HardLinkThroughASymlinkOfItsLayer",
         {{directory("usr"), directory("usr/lib"), symlink_to("lib", "usr/lib"),
           file("usr/lib/f", "1"), hardlink_to("h", "lib/f")}},
         "/h",
         "1"},
        {"HardLinkToASymlink",
         {{directory("d"), symlink_to("d/l", "f"), file("d/f", "1"), hardlink_to("d/h", "d/l")}},
         "/d/h",
         "1"},
    }),
    [](const auto& test) { return test.param.name; });

struct Bad {
  std::string name;
  Layers layers;
  std::string path;
  Errc code;
  std::string why;
};

class CatRefuses : public ::testing::TestWithParam<Bad> {};

TEST_P(CatRefuses, WhatIsNoFile) {
  FakeLayers layers(tars_of(GetParam().layers));
  EXPECT_THAT(cat(layers, GetParam().path), FailsWith(GetParam().code, GetParam().why));
  EXPECT_THAT(layers.fetched, IsEmpty());
}

constexpr layer::Device kNull{layer::Device::Type::kCharacter, 1, 3};

INSTANTIATE_TEST_SUITE_P(
    Table, CatRefuses,
    ::testing::ValuesIn(std::vector<Bad>{
        {"Missing",
         {kBase},
         "/etc/none",
         Errc::kNotFound,
         "there is no \"/etc/none\" in the image"},
        {"NoLayers", {}, "/etc/none", Errc::kNotFound, "there is no \"/etc/none\" in the image"},
        {"Dangling", {{symlink_to("l", "a/b")}}, "/l", Errc::kNotFound, "\"/l\" -> \"/a/b\""},
        {"Hidden", {kBase, {whiteout("etc/motd")}}, "/etc/motd", Errc::kNotFound, "/etc/motd"},
        {"HiddenWithItsDirectory",
         {kBase, {whiteout("etc")}},
         "/etc/motd",
         Errc::kNotFound,
         "/etc/motd"},
        {"HiddenByAnOpaqueDirectory",
         {kBase, {directory("etc"), opaque("etc")}},
         "/etc/motd",
         Errc::kNotFound,
         "/etc/motd"},
        {"HiddenThroughALink",
         {{directory("usr/bin"), symlink_to("bin", "usr/bin"), file("usr/bin/sh", "")},
          {whiteout("bin/sh")}},
         "/usr/bin/sh",
         Errc::kNotFound,
         "/usr/bin/sh"},
        {"Directory", {kBase}, "/etc", Errc::kInvalid, "\"/etc\" is a directory"},
        {"Root", {kBase}, "/", Errc::kInvalid, "is a directory"},
        {"LinkToADirectory",
         {kBase, {symlink_to("l", "etc")}},
         "/l",
         Errc::kInvalid,
         "\"/l\" is a directory"},
        {"Device",
         {{directory("dev"), special("dev/null", kNull)}},
         "/dev/null",
         Errc::kInvalid,
         "\"/dev/null\" is a device or FIFO, not a file"},
        {"Loop",
         {{symlink_to("a", "b"), symlink_to("b", "a")}},
         "/a",
         Errc::kInvalid,
         "more than 40 symlinks"},
        {"ChainOf41Links", {chain(41)}, "/link41", Errc::kInvalid, "more than 40 symlinks"},
        {"BelowAFile", {kBase}, "/etc/motd/x", Errc::kInvalid, "is not a directory"},
        {"RelativePath", {kBase}, "etc/motd", Errc::kInvalid, "must be absolute"},
        {"DottedPath", {kBase}, "/etc/../etc/motd", Errc::kInvalid, "has a \"..\" part"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(Cat, PassesOnTheErrorsOfTheLayers) {
  FakeLayers layers(tars_of({kBase, {file("x", "")}}));
  layers.broken = 0;
  EXPECT_THAT(cat(layers, "/etc/motd"), FailsWith(Errc::kUnavailable, "connection was cut"));
  layers.broken = SIZE_MAX;
  layers.missing = 0;
  EXPECT_THAT(cat(layers, "/etc/motd"), FailsWith(Errc::kNotFound, "the blob is gone"));
}

TEST(Cat, PassesOnTheErrorOfWhereItWrites) {
  FakeLayers layers(tars_of({{file("f", "12345")}}));
  WorkPool pool(1);
  StringSink small(4);
  EXPECT_THAT(kiln::testing::run_task(cat_file(layers, pool, "/f", small)),
              FailsWith(Errc::kInvalid, "more than the allowed 4 bytes"));
}

// --- Listing
// --------------------------------------------------------------------------------------

layer::BaseTree tree_from(const std::vector<std::string>& tars) {
  layer::BaseTree tree;
  for (const auto& tar : tars) EXPECT_THAT(tree.apply(*index_bytes(tar)), IsOk());
  return tree;
}

std::vector<std::string> list(const layer::BaseTree& tree, const std::string& path,
                              bool recursive = false) {
  const auto found = list_files(tree, path, recursive);
  EXPECT_THAT(found, IsOk());
  std::vector<std::string> paths;
  if (found)
    for (const auto& entry : *found) paths.push_back(entry.path);
  return paths;
}

TEST(List, GivesWhatIsInADirectoryByName) {
  const auto tree = tree_from(tars_of({{directory("d"), file("d/b"), file("d/a"), directory("d/c"),
                                        file("d/c/x"), file("d.x"), file("e")}}));
  EXPECT_THAT(list(tree, "/d"), ElementsAre("d/a", "d/b", "d/c"));
  EXPECT_THAT(list(tree, "/d/"), ElementsAre("d/a", "d/b", "d/c"));
  EXPECT_THAT(list(tree, "/"), ElementsAre("d", "d.x", "e"));
  EXPECT_THAT(list(tree, "/d", true), ElementsAre("d/a", "d/b", "d/c", "d/c/x"));
  EXPECT_THAT(list(tree, "/", true), ElementsAre("d", "d.x", "d/a", "d/b", "d/c", "d/c/x", "e"));
}

TEST(List, OfNothingIsEmpty) {
  EXPECT_THAT(list(layer::BaseTree(), "/"), IsEmpty());
  EXPECT_THAT(list(tree_from(tars_of({{directory("d")}})), "/d"), IsEmpty());
}

TEST(List, GivesTheOneEntryOfWhatIsNoDirectory) {
  const auto tree = tree_from(tars_of({{directory("d"), file("d/f"), symlink_to("d/l", "f"),
                                        symlink_to("d/none", "x"), special("null", kNull)}}));
  EXPECT_THAT(list(tree, "/d/f"), ElementsAre("d/f"));
  EXPECT_THAT(list(tree, "/d/l"), ElementsAre("d/l"));
  EXPECT_THAT(list(tree, "/d/none"), ElementsAre("d/none"));
  EXPECT_THAT(list(tree, "/null"), ElementsAre("null"));
}

TEST(List, FollowsALinkAtTheEndOnlyToADirectory) {
  const auto tree = tree_from(tars_of({{directory("usr"), directory("usr/bin"), file("usr/bin/sh"),
                                        symlink_to("bin", "usr/bin"), symlink_to("up", "/")}}));
  EXPECT_THAT(list(tree, "/bin"), ElementsAre("usr/bin/sh"));
  EXPECT_THAT(list(tree, "/up"), ElementsAre("bin", "up", "usr"));
  EXPECT_THAT(list(tree, "/bin/sh"), ElementsAre("usr/bin/sh"));
}

TEST(List, AppliesWhiteouts) {
  const auto tree = tree_from(tars_of({{directory("d"), file("d/a"), file("d/b"), file("e/c")},
                                       {whiteout("d/a"), opaque("e"), file("e/n")}}));
  EXPECT_THAT(list(tree, "/", true), ElementsAre("d", "d/b", "e", "e/n"));
}

TEST(List, SaysWhatIsNotThere) {
  const auto tree = tree_from(tars_of({kBase}));
  EXPECT_THAT(list_files(tree, "/etc/none", false),
              FailsWith(Errc::kNotFound, "there is no \"/etc/none\" in the image"));
  EXPECT_THAT(list_files(tree, "/none", true), FailsWith(Errc::kNotFound, "\"/none\""));
  EXPECT_THAT(list_files(tree, "/etc/motd/x", false), FailsWith(Errc::kInvalid, "not a directory"));
  EXPECT_THAT(list_files(tree, "etc", false), FailsWith(Errc::kInvalid, "must be absolute"));
}

TEST(List, HardLinksHaveTheFactsOfTheirFile) {
  auto f = file("f", "12345");
  f.mode = 0751;
  f.uid = 7;
  f.mtime = 99;
  const auto of_link = [&](const Layers& upper) {
    Layers layers = {{f, hardlink_to("h", "f")}};
    layers.insert(layers.end(), upper.begin(), upper.end());
    return list_files(tree_from(tars_of(layers)), "/h", false)->front();
  };
  for (const auto& upper : {Layers(), Layers{{whiteout("f")}}, Layers{{file("f", "other")}}}) {
    const auto shown = of_link(upper);
    EXPECT_EQ(shown.kind, EntryKind::kHardlink);
    EXPECT_EQ(shown.size_bytes, 5U);
    EXPECT_EQ(shown.mode, 0751U);
    EXPECT_EQ(shown.uid, 7U);
    EXPECT_EQ(shown.mtime, 99);
  }
}

// --- Random layers
// --------------------------------------------------------------------------------

class FindFileRandom : public ::testing::TestWithParam<unsigned> {};

TEST_P(FindFileRandom, CatsEveryFileThatUnpackingLeaves) {
  const auto tars = orderly_layers(GetParam() + 9000);
  const auto model = unpacked(tars);
  for (const auto& [path, bytes] : model.contents()) {
    FakeLayers layers(tars);
    const auto found = cat(layers, "/" + path);
    ASSERT_THAT(found, IsOk()) << path;
    EXPECT_TRUE(*found == bytes) << path;
  }
}

TEST_P(FindFileRandom, ListsEverythingThatUnpackingLeaves) {
  const auto tars = orderly_layers(GetParam() + 9000);
  const auto facts = unpacked(tars).facts();
  std::vector<std::string> expected;
  for (const auto& [path, fact] : facts) expected.push_back(path);
  EXPECT_EQ(list(tree_from(tars), "/", true), expected);
}

INSTANTIATE_TEST_SUITE_P(Seeds, FindFileRandom, ::testing::Range(1U, 61U));

}  // namespace
}  // namespace kiln::image
