#include "core/image/rebase.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/image/validate.h"
#include "tests/support/matchers.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::image {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using namespace layer::testing_support;

constexpr std::string_view kCreated = "2020-01-01T00:00:00Z";

layer::Layer layer_with(const std::string& text, bool docker = false,
                        layer::Compression compression = layer::Compression::kGzip) {
  layer::LayerOptions options;
  options.docker_media_types = docker;
  options.compression = compression;
  return *layer::make_layer(tree_of({file("x", text)}), options);
}

oci::HistoryEntry line(std::string by) {
  return {std::string(kCreated), std::move(by)};
}

Image with_env(const Image& image, std::vector<std::pair<std::string, std::string>> env) {
  oci::ConfigPatch patch;
  patch.env = std::move(env);
  return image.with_config(image.config().with_patch(patch));
}

/// A base of layers named "1", "2", …
Image base_of(const std::string& names, bool docker = false,
              const oci::Platform& platform = {"linux", "amd64"}) {
  auto image = Image::scratch(platform, kCreated, docker);
  for (const char name : names)
    image = image.with_layer(layer_with(std::string(1, name), docker), line({name}));
  return image;
}

Image own_on(const Image& base) {
  return with_env(base.with_layer(layer_with("own", base.docker_media_types()), line("own")),
                  {{"MINE", "1"}});
}

std::vector<std::string> created_by(const Image& image) {
  std::vector<std::string> lines;
  for (const auto& entry : image.config().history()) lines.push_back(entry.created_by);
  return lines;
}

TEST(Rebase, PutsTheOwnLayersAndChangesOnTheNewBase) {
  const auto old_base = with_env(base_of("12"), {{"PATH", "/old"}});
  const auto new_base = with_env(base_of("789"), {{"PATH", "/new"}});
  const auto image = own_on(old_base);

  const auto rebased = rebase(image, old_base, new_base);

  ASSERT_THAT(rebased, IsOk());
  const auto& result = rebased->image;
  EXPECT_THAT(validate(result), IsOk());
  ASSERT_EQ(result.layers().size(), 4U);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(result.layers()[i].descriptor, new_base.layers()[i].descriptor);
  EXPECT_EQ(result.layers()[3].descriptor, image.layers()[2].descriptor);
  EXPECT_TRUE(result.layers()[3].blob.has_value());
  EXPECT_EQ(result.config().env(), (std::vector<std::string>{"PATH=/new", "MINE=1"}));
  EXPECT_EQ(created_by(result), (std::vector<std::string>{"7", "8", "9", "own"}));
  EXPECT_TRUE(rebased->warnings.empty());
}

TEST(Rebase, ForthAndBackGivesTheSameImage) {
  const auto old_base = with_env(base_of("12"), {{"PATH", "/old"}});
  const auto new_base = with_env(base_of("789"), {{"PATH", "/new"}});
  const auto image = own_on(old_base);

  const auto forth = rebase(image, old_base, new_base);
  ASSERT_THAT(forth, IsOk());
  const auto back = rebase(forth->image, new_base, old_base);

  ASSERT_THAT(back, IsOk());
  EXPECT_EQ(back->image.manifest().digest, image.manifest().digest);
}

TEST(Rebase, OfABaseOntoAnotherIsTheOther) {
  const auto rebased = rebase(base_of("12"), base_of("12"), base_of("7"));
  ASSERT_THAT(rebased, IsOk());
  EXPECT_EQ(rebased->image.manifest().digest, base_of("7").manifest().digest);
}

TEST(Rebase, PassesOnTheWarningsOfTheConfig) {
  const auto old_base = with_env(base_of("1"), {{"PATH", "/old"}});
  const auto rebased =
      rebase(with_env(own_on(old_base), {{"PATH", "/mine"}}), old_base, base_of("7"));
  ASSERT_THAT(rebased, IsOk());
  EXPECT_EQ(rebased->warnings,
            std::vector<std::string>{
                "the new base has no environment variable PATH, which the image changed"});
}

TEST(Rebase, MergesAnnotationsByKey) {
  const auto old_base =
      base_of("1").with_annotations({{"same", "1"}, {"changed", "1"}, {"gone", "1"}});
  const auto new_base =
      base_of("7").with_annotations({{"same", "2"}, {"changed", "2"}, {"gone", "2"}, {"new", "2"}});
  const auto image =
      own_on(base_of("1")).with_annotations({{"same", "1"}, {"changed", "mine"}, {"own", "x"}});

  const auto rebased = rebase(image, old_base, new_base);

  ASSERT_THAT(rebased, IsOk());
  EXPECT_EQ(rebased->image.annotations(),
            (oci::Annotations{{"changed", "mine"}, {"new", "2"}, {"own", "x"}, {"same", "2"}}));
}

TEST(Rebase, TakesThePlatformOfTheNewBasesIndex) {
  const oci::Platform said{"linux", "amd64", "", "6.2"};
  const auto old_base = base_of("1");
  const auto image = own_on(old_base).with_platform({"linux", "amd64", "", "6.1"});
  const auto rebased = rebase(image, old_base, base_of("7").with_platform(said));
  ASSERT_THAT(rebased, IsOk());
  EXPECT_EQ(rebased->image.platform(), said);
}

TEST(Rebase, KeepsTheImagesFamilyOfMediaTypes) {
  for (const bool docker : {false, true}) {
    const auto old_base = base_of("1", docker);
    const auto rebased = rebase(own_on(old_base), old_base, base_of("78", !docker));
    ASSERT_THAT(rebased, IsOk());
    EXPECT_EQ(rebased->image.docker_media_types(), docker);
    EXPECT_THAT(validate(rebased->image), IsOk());
  }
}

TEST(Rebase, TakesAVariantThatOnlyOneSideNamesForNoDifference) {
  const auto old_base = base_of("1", false, {"linux", "arm"});
  const auto image = own_on(old_base).with_platform({"linux", "arm", "v7"});
  EXPECT_THAT(rebase(image, old_base, base_of("7", false, {"linux", "arm", "v7"})), IsOk());
}

struct Refusal {
  std::string name, why;
  Image image, old_base, new_base;
};
void PrintTo(const Refusal& row, std::ostream* out) {
  *out << row.name;
}

class RebaseRefuses : public ::testing::TestWithParam<Refusal> {};
TEST_P(RebaseRefuses, WhatDoesNotGoTogether) {
  const auto& row = GetParam();
  EXPECT_THAT(rebase(row.image, row.old_base, row.new_base), FailsWith(Errc::kInvalid, row.why));
}

INSTANTIATE_TEST_SUITE_P(
    Table, RebaseRefuses,
    ::testing::Values(
        Refusal{"AnotherBase",
                "the image is not built on the old base: its layer 2 has the diff_id " +
                    layer_with("2").diff_id.str() + ", that of the old base " +
                    layer_with("3").diff_id.str(),
                own_on(base_of("12")), base_of("13"), base_of("7")},
        Refusal{"ALargerBase",
                "the image is not built on the old base: it has 2 layers, the old base 3",
                own_on(base_of("1")), base_of("123"), base_of("7")},
        Refusal{"OldBaseOfAnotherPlatform",
                "the image is for linux/amd64, the old base for linux/arm64", own_on(base_of("1")),
                base_of("1", false, {"linux", "arm64"}), base_of("7")},
        Refusal{"NewBaseOfAnotherPlatform",
                "the image is for linux/amd64, the new base for linux/arm64", own_on(base_of("1")),
                base_of("1"), base_of("7", false, {"linux", "arm64"})},
        Refusal{"AnotherVariant", "the image is for linux/arm/v6, the new base for linux/arm/v7",
                own_on(base_of("1", false, {"linux", "arm", "v6"})),
                base_of("1", false, {"linux", "arm", "v6"}),
                base_of("7", false, {"linux", "arm", "v7"})},
        Refusal{
            "ZstdLayersForDockersMediaTypes", "the new base has zstd layers",
            own_on(base_of("1", true)), base_of("1", true),
            base_of("").with_layer(layer_with("7", false, layer::Compression::kZstd), line("7"))}),
    [](const auto& test) { return test.param.name; });

using Entries = std::vector<layer::Entry>;

layer::LayerIndex index_of(const Entries& entries) {
  return *index_bytes(tar_of(entries));
}

layer::BaseTree tree_of_layer(const Entries& entries) {
  return *layer::BaseTree::merge({index_of(entries)});
}

layer::Entry owned(layer::Entry entry, std::uint32_t owner) {
  entry.uid = entry.gid = owner;
  return entry;
}

layer::Entry opaque(const std::string& path) {
  return file(path + "/.wh..wh..opq");
}

struct Fit {
  std::string name;
  Entries own, old_base, new_base;
  std::string why{};  ///< "" = it fits.
};
void PrintTo(const Fit& row, std::ostream* out) {
  *out << row.name;
}

class CheckFits : public ::testing::TestWithParam<Fit> {};
TEST_P(CheckFits, ComparesWhatTheOwnLayersRepeatOrGoThrough) {
  const auto& row = GetParam();
  const auto fits =
      check_fits({index_of(row.own)}, tree_of_layer(row.old_base), tree_of_layer(row.new_base));
  if (row.why.empty())
    EXPECT_THAT(fits, IsOk());
  else
    EXPECT_THAT(fits, FailsWith(Errc::kInvalid,
                                "the image's own layers do not fit the new base: " + row.why +
                                    " in the new one; build the image again on the new base"));
}

const Entries kUsrMerged = {symlink_to("bin", "usr/bin"), directory("usr"), directory("usr/bin"),
                            directory("tmp", 01777)};
const Entries kNotMerged = {directory("bin"), directory("usr"), directory("usr/bin"),
                            directory("tmp", 01777)};

INSTANTIATE_TEST_SUITE_P(
    Good, CheckFits,
    ::testing::Values(
        Fit{"TheSameEverywhere",
            {directory("tmp", 01777), file("tmp/x"), file("bin/y")},
            kUsrMerged,
            kUsrMerged},
        Fit{"NothingOfTheBase", {directory("srv"), file("srv/x")}, kUsrMerged, kNotMerged},
        Fit{"FilesMayDiffer",
            {file("etc/passwd")},
            {directory("etc"), file("etc/passwd", "1")},
            {directory("etc"), owned(file("etc/passwd", "22"), 5)}},
        Fit{"AFileThatOneBaseLacks",
            {file("etc/x")},
            {directory("etc"), file("etc/x")},
            {directory("etc")}},
        Fit{"ADirectoryThatTheNewBaseHasJustSo",
            {directory("srv"), file("srv/x")},
            {},
            {directory("srv")}},
        Fit{"AnUnnamedDirectoryThatTheNewBaseHas", {file("srv/x")}, {}, {directory("srv", 0700)}},
        Fit{"ADirectoryThatTheNewBaseDoesNotNeed", {whiteout("srv")}, {directory("srv")}, {}},
        Fit{"ALinkThatIsReplacedAnyway",
            {file("l")},
            {symlink_to("l", "a")},
            {symlink_to("l", "b")}},
        Fit{"ALinkThatBecomesADirectory",
            {directory("l"), file("l/x")},
            {symlink_to("l", "a")},
            {symlink_to("l", "b")}},
        Fit{"AFileThatBecomesADirectory", {directory("f"), file("f/x")}, {file("f")}, {}},
        Fit{"ADirectoryThatIsHiddenAnyway", {file("d")}, {directory("d", 0700)}, {directory("d")}},
        Fit{"ALinkOfTheLayersOwn", {symlink_to("l", "usr"), file("l/x")}, kUsrMerged, kUsrMerged},
        Fit{"AHardLinkToAFileOfBothBases",
            {hardlink_to("usr/h", "usr/f")},
            {directory("usr"), file("usr/f")},
            {directory("usr"), file("usr/f")}}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Bad, CheckFits,
    ::testing::Values(
        Fit{"ModeOfARepeatedDirectory",
            {directory("tmp", 01777)},
            kUsrMerged,
            {directory("tmp")},
            "\"/tmp\" is a directory (1777, owner 0:0) in the old base and a directory (0755, "
            "owner 0:0)"},
        Fit{"OwnerOfADirectoryGoneThrough",
            {file("var/x")},
            {owned(directory("var"), 101)},
            {directory("var")},
            "\"/var\" is a directory (0755, owner 101:101) in the old base and a directory (0755, "
            "owner 0:0)"},
        Fit{"ALinkThatIsADirectoryNow",
            {file("bin/x")},
            kUsrMerged,
            kNotMerged,
            "\"/bin\" is a symlink to \"usr/bin\" in the old base and a directory (0755, owner "
            "0:0)"},
        Fit{"ADirectoryThatIsALinkNow",
            {file("bin/x")},
            kNotMerged,
            kUsrMerged,
            "\"/bin\" is a directory (0755, owner 0:0) in the old base and a symlink to "
            "\"usr/bin\""},
        Fit{"BehindALink",
            {file("bin/x")},
            kUsrMerged,
            {symlink_to("bin", "usr/bin"), directory("usr"), directory("usr/bin", 0700)},
            "\"/usr/bin\" is a directory (0755, owner 0:0) in the old base and a directory (0700, "
            "owner 0:0)"},
        Fit{"ALinkInAChain",
            {file("a/x")},
            {symlink_to("a", "b"), symlink_to("b", "c"), directory("c")},
            {symlink_to("a", "b"), symlink_to("b", "d"), directory("c"), directory("d")},
            "\"/b\" is a symlink to \"c\" in the old base and a symlink to \"d\""},
        Fit{"ARepeatedDirectoryThatIsMissingNow",
            {directory("srv")},
            {directory("srv")},
            {},
            "\"/srv\" is a directory (0755, owner 0:0) in the old base and missing"},
        Fit{"ANewDirectoryThatTheNewBaseHasOtherwise",
            {directory("srv")},
            {},
            {directory("srv", 0700)},
            "\"/srv\" is missing in the old base and a directory (0700, owner 0:0)"},
        Fit{"ANewDirectoryWhereTheNewBaseHasALink",
            {directory("srv")},
            {},
            {symlink_to("srv", "var")},
            "\"/srv\" is missing in the old base and a symlink to \"var\""},
        Fit{"AFileWhereTheNewBaseHasADirectory",
            {file("etc/x")},
            {directory("etc"), file("etc/x")},
            {directory("etc"), directory("etc/x")},
            "\"/etc/x\" is a file in the old base and a directory (0755, owner 0:0)"},
        Fit{"ADeletedFileThatIsADirectoryNow",
            {whiteout("x")},
            {file("x")},
            {directory("x")},
            "\"/x\" is a file in the old base and a directory (0755, owner 0:0)"},
        Fit{"AnOpaqueDirectoryOfTheBase",
            {opaque("d")},
            {directory("d")},
            {directory("d", 0700)},
            "\"/d\" is a directory (0755, owner 0:0) in the old base and a directory (0700, owner "
            "0:0)"},
        Fit{"ARepeatedLinkThatIsAnotherNow",
            {symlink_to("l", "a")},
            {symlink_to("l", "a")},
            {symlink_to("l", "b")},
            "\"/l\" is a symlink to \"a\" in the old base and a symlink to \"b\""}),
    [](const auto& test) { return test.param.name; });

TEST(CheckFits, LooksAtEachOwnLayerOnTopOfTheOthers) {
  // The first layer makes of both bases what the second one needs.
  EXPECT_THAT(check_fits({index_of({whiteout("d")}), index_of({directory("d"), file("d/x")})},
                         tree_of_layer({directory("d", 0700)}), tree_of_layer({directory("d")})),
              IsOk());
  EXPECT_THAT(check_fits({index_of({file("other")}), index_of({directory("d"), file("d/x")})},
                         tree_of_layer({directory("d", 0700)}), tree_of_layer({directory("d")})),
              FailsWith(Errc::kInvalid, "\"/d\" is a directory (0700, owner 0:0)"));
}

TEST(CheckFits, RefusesHardLinksToWhatTheNewBaseLacks) {
  EXPECT_THAT(check_fits({index_of({hardlink_to("h", "f")})}, tree_of_layer({file("f")}),
                         tree_of_layer({})),
              FailsWith(Errc::kInvalid,
                        "\"/h\" is a hard link to \"/f\", which is no file of the new base"));
}

}  // namespace
}  // namespace kiln::image
