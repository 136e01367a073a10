#include "core/image/diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/matchers.h"
#include "tests/unit/core/image/random_layers.h"

namespace kiln::image {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace layer::testing_support;
using namespace testing_support;
using Layers = std::vector<std::vector<layer::Entry>>;

std::vector<std::string> tars_of(const Layers& layers) {
  std::vector<std::string> tars;
  layer::TimestampPolicy times;
  times.kind = layer::Timestamps::kEpoch;
  for (const auto& entries : layers) tars.push_back(tar_of(entries, times));
  return tars;
}

/// "+/a", "-/b", "/c content size".
std::vector<std::string> lines_of(const std::vector<FileChange>& changes) {
  std::vector<std::string> lines;
  for (const auto& change : changes) {
    auto line = (change.kind == FileChange::Kind::kAdded     ? "+"
                 : change.kind == FileChange::Kind::kRemoved ? "-"
                                                             : "") +
                change.path;
    for (const auto& what : change.what) line += " " + what;
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> diff(const Layers& a, const Layers& b, const DiffOptions& options = {}) {
  const auto changes = diff_files(blobs_of(tars_of(a)), blobs_of(tars_of(b)), options);
  EXPECT_THAT(changes, IsOk());
  return changes ? lines_of(*changes) : std::vector<std::string>();
}

template <class Change>
layer::Entry changed(layer::Entry entry, Change change) {
  change(entry);
  return entry;
}

struct Case {
  std::string name;
  Layers a, b;
  std::vector<std::string> lines;
};

class DiffTable : public ::testing::TestWithParam<Case> {};

TEST_P(DiffTable, TellsWhatDiffers) {
  EXPECT_EQ(diff(GetParam().a, GetParam().b), GetParam().lines);
}

constexpr layer::Device kNull{layer::Device::Type::kCharacter, 1, 3};
constexpr layer::Device kZero{layer::Device::Type::kCharacter, 1, 5};

layer::Entry f(const std::string& bytes) {
  return file("f", bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Table, DiffTable,
    ::testing::ValuesIn(std::vector<Case>{
        {"Nothing", {}, {}, {}},
        {"NothingInEqualLayers", {{f("1")}}, {{f("1")}}, {}},
        {"AddedAndRemovedByPath",
         {{file("a", "1"), file("d/x", "1"), file("z", "")}},
         {{file("b", "1"), file("d/y", ""), directory("d/z"), file("z", "")}},
         {"-/a", "+/b", "-/d/x", "+/d/y", "+/d/z"}},
        {"RemovedWithAllBelow", {{directory("d"), file("d/x", "")}}, {}, {"-/d", "-/d/x"}},
        {"ContentOfTheSameSize", {{f("1")}}, {{f("2")}}, {"/f content"}},
        {"ContentOfAnotherSize", {{f("1")}}, {{f("22")}}, {"/f content size"}},
        {"Mode", {{f("1")}}, {{changed(f("1"), [](auto& e) { e.mode = 04755; })}}, {"/f mode"}},
        {"Owner", {{f("1")}}, {{changed(f("1"), [](auto& e) { e.uid = 1; })}}, {"/f owner"}},
        {"Group", {{f("1")}}, {{changed(f("1"), [](auto& e) { e.gid = 1; })}}, {"/f owner"}},
        {"Xattrs", {{f("1")}}, {{with_xattrs(f("1"), {{"user.a", ""}})}}, {"/f xattrs"}},
        {"ValueOfAnXattr",
         {{with_xattrs(f("1"), {{"user.a", "1"}})}},
         {{with_xattrs(f("1"), {{"user.a", "2"}})}},
         {"/f xattrs"}},
        {"Target", {{symlink_to("l", "a")}}, {{symlink_to("l", "b")}}, {"/l target"}},
        {"NumbersOfADevice", {{special("d", kNull)}}, {{special("d", kZero)}}, {"/d target"}},
        {"KindOfADevice",
         {{special("d", kNull)}},
         {{special("d", layer::Device())}},
         {"/d target"}},
        {"Kind", {{f("1")}}, {{directory("f")}}, {"/f kind"}},
        {"KindAndOwner",
         {{f("1")}},
         {{changed(symlink_to("f", "x"), [](auto& e) { e.uid = 1; })}},
         {"/f kind owner"}},
        {"Everything",
         {{f("1")}},
         {{changed(with_xattrs(f("22"), {{"user.a", ""}}),
                   [](auto& e) {
                     e.mode = 0600;
                     e.uid = 1;
                     e.mtime = 1;
                   })}},
         {"/f content size mode owner xattrs"}},
        {"NoTimesUnlessAsked", {{f("1")}}, {{changed(f("1"), [](auto& e) { e.mtime = 1; })}}, {}},
        {"ModeOfADirectory", {{directory("d")}}, {{directory("d", 0700)}}, {"/d mode"}},
        {"ADirectoryThatOnlyOneNames",
         {{directory("d"), file("d/x", "")}},
         {{file("d/x", "")}},
         {}},
        {"TheRootThatOnlyOneNames", {{directory("")}}, {{}}, {}},
        {"ModeOfTheRoot", {{directory("", 0700)}}, {{}}, {"/ mode"}},
        {"HardLinksAreFiles", {{f("1"), hardlink_to("h", "f")}}, {{f("1"), file("h", "1")}}, {}},
        {"AHardLinkThatHasOtherBytesNow",
         {{f("1"), hardlink_to("h", "f")}},
         {{f("2"), hardlink_to("h", "f")}},
         {"/f content", "/h content"}},
        {"AHardLinkWhoseFileWasReplaced",
         {{f("1"), hardlink_to("h", "f")}},
         {{f("1"), hardlink_to("h", "f")}, {f("2")}},
         {"/f content"}},
        {"TheSameFilesInOtherLayers",
         {{f("1"), file("g", "2")}},
         {{file("g", "2"), file("x", "")}, {f("1"), whiteout("x")}},
         {}},
        {"WhatALayerHides",
         {{f("1"), file("g", "")}},
         {{f("1"), file("g", "")}, {whiteout("f")}},
         {"-/f"}},
        {"ThroughALink",
         {{directory("usr"), symlink_to("bin", "usr")}, {file("bin/x", "1")}},
         {{directory("usr"), symlink_to("bin", "usr"), file("usr/x", "1")}},
         {}},
    }),
    [](const auto& test) { return test.param.name; });

TEST(DiffFiles, TellsTimesWhenAsked) {
  DiffOptions times;
  times.times = true;
  const auto later = changed(f("1"), [](auto& e) { e.mtime = 1; });
  EXPECT_THAT(diff({{f("1")}}, {{later}}, times), ElementsAre("/f time"));
}

TEST(DiffFiles, TellsSizesOfRegularFiles) {
  const auto changes = *diff_files(
      blobs_of(tars_of({{file("a", "1"), file("c", "12"), file("e", "1")}})),
      blobs_of(tars_of({{file("b", "123"), file("c", "1"), directory("d"), directory("e")}})), {});
  std::vector<std::string> sizes;
  for (const auto& change : changes)
    sizes.push_back(change.path + " " +
                    (change.size_before ? std::to_string(*change.size_before) : "-") + " " +
                    (change.size_after ? std::to_string(*change.size_after) : "-"));
  EXPECT_THAT(sizes, ElementsAre("/a 1 -", "/b - 3", "/c 2 1", "/d - -", "/e 1 -"));
}

/// Counts how often it is opened.
layer::Blob counted(const layer::Blob& blob, int& opened) {
  return {blob.descriptor(), [blob, &opened] {
            ++opened;
            return blob.open();
          }};
}

TEST(DiffFiles, DoesNotReadTheBytesOfALayerThatBothHave) {
  const auto shared = blobs_of(tars_of({{f("1"), file("g", "2")}})).front();
  const auto upper = blobs_of(tars_of({{file("g", "3")}})).front();
  int in_a = 0;
  int in_b = 0;
  const auto changes = diff_files({counted(shared, in_a)}, {counted(shared, in_b), upper}, {});
  ASSERT_THAT(changes, IsOk());
  EXPECT_THAT(lines_of(*changes), ElementsAre("/g content"));
  EXPECT_EQ(in_a, 2);  // Its headers, and the bytes of g.
  EXPECT_EQ(in_b, 1);
}

TEST(DiffFiles, SaysWhichLayerOfWhichImageIsWrong) {
  const auto good = blobs_of(tars_of({{f("1")}}));
  auto bad = good;
  bad.push_back(layer::Blob::of("", "no tar"));
  EXPECT_THAT(diff_files(bad, good, {}), FailsWith(Errc::kCorrupt, "the first image: layer 2: "));
  EXPECT_THAT(diff_files(good, bad, {}), FailsWith(Errc::kCorrupt, "the second image: layer 2: "));
}

class DiffRandom : public ::testing::TestWithParam<unsigned> {};

TEST_P(DiffRandom, LayersTellWhatTheModelOfUnpackingTells) {
  auto tars_a = random_layers(GetParam() + 2000);
  auto tars_b = GetParam() % 2 == 0 ? random_layers(GetParam() + 3000) : tars_a;
  Dice dice(GetParam());
  if (GetParam() % 2 == 1) tars_b.push_back(random_tar(dice, tars_b));
  const auto a = unpacked(tars_a).facts();
  const auto b = unpacked(tars_b).facts();
  std::set<std::string> expected;
  for (const auto& [path, fact] : a)
    if (!b.contains(path)) expected.insert("-/" + path);
  for (const auto& [path, fact] : b) {
    if (!a.contains(path))
      expected.insert("+/" + path);
    else if (a.at(path) != fact)
      expected.insert("/" + path);
  }

  const auto changes = diff_files(blobs_of(tars_a), blobs_of(tars_b), {});

  ASSERT_THAT(changes, IsOk());
  std::set<std::string> told;
  for (const auto& line : lines_of(*changes))
    if (!line.starts_with("/ ")) told.insert(line.substr(0, line.find(' ')));
  EXPECT_EQ(told, expected);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DiffRandom, ::testing::Range(1U, 61U));

// --- Configs
// --------------------------------------------------------------------------------------

oci::Config config(const std::string& runtime, const std::string& rest = "") {
  return *oci::Config::parse(R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers",)"
                             R"("diff_ids":[]},"config":)" +
                             runtime + rest + "}");
}

std::vector<std::string> config_lines(const oci::Config& a, const oci::Config& b) {
  std::vector<std::string> lines;
  for (const auto& change : diff_configs(a, b))
    lines.push_back(change.field + " " + change.before.value_or("-") + " " +
                    change.after.value_or("-"));
  return lines;
}

struct ConfigCase {
  std::string name;
  std::string a, b;
  std::vector<std::string> lines;
};

class DiffConfigs : public ::testing::TestWithParam<ConfigCase> {};

TEST_P(DiffConfigs, TellsFieldByField) {
  EXPECT_EQ(config_lines(config(GetParam().a), config(GetParam().b)), GetParam().lines);
}

INSTANTIATE_TEST_SUITE_P(
    Table, DiffConfigs,
    ::testing::ValuesIn(std::vector<ConfigCase>{
        {"Equal", R"({"User":"1","Env":["A=1"]})", R"({"Env":["A=1"],"User":"1"})", {}},
        {"Text", R"({"User":"1"})", R"({"User":"2"})", {R"(config.User "1" "2")"}},
        {"AddedText", "{}", R"({"WorkingDir":"/srv"})", {R"(config.WorkingDir - "/srv")"}},
        {"RemovedText", R"({"StopSignal":"SIGQUIT"})", "{}", {R"(config.StopSignal "SIGQUIT" -)"}},
        {"List", R"({"Cmd":["a"]})", R"({"Cmd":["a","b"]})", {R"(config.Cmd ["a"] ["a","b"])"}},
        {"EnvironmentByName",
         R"({"Env":["PATH=/bin","A=1","GONE="]})",
         R"({"Env":["A=2=3","PATH=/bin","NEW=x"]})",
         {R"(config.Env.A "1" "2=3")", R"(config.Env.GONE "" -)", R"(config.Env.NEW - "x")"}},
        {"LabelsByKey",
         R"({"Labels":{"a.b":"1","c":"2"}})",
         R"({"Labels":{"a.b":"1","d":"2"}})",
         {R"(config.Labels.c "2" -)", R"(config.Labels.d - "2")"}},
        {"PortsAndVolumesByKey",
         R"({"ExposedPorts":{"80/tcp":{}},"Volumes":{"/a":{}}})",
         R"({"ExposedPorts":{"80/tcp":{},"443/tcp":{}}})",
         {"config.ExposedPorts.443/tcp - {}", "config.Volumes./a {} -"}},
        {"EmptyIsAbsent", R"({"Labels":{},"Env":[],"Volumes":null})", "{}", {}},
        {"HealthcheckByField",
         R"({"Healthcheck":{"Test":["CMD","x"],"Retries":1}})",
         R"({"Healthcheck":{"Test":["CMD","x"],"Retries":2}})",
         {"config.Healthcheck.Retries 1 2"}},
    }),
    [](const auto& test) { return test.param.name; });

TEST(DiffConfigsOrder, TellsWhatIsNotOfTheRuntimeAfterIt) {
  const auto a = oci::Config::parse(
      R"({"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","author":"me",)"
      R"("config":{"User":"1"},"rootfs":{"type":"layers","diff_ids":[]},"history":[]})");
  const auto b = oci::Config::parse(
      R"({"architecture":"arm64","variant":"v8","os":"freebsd","created":"2021-01-01T00:00:00Z",)"
      R"("config":{"User":"2"},"rootfs":{"type":"layers","diff_ids":[)"
      R"("sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]},)"
      R"("history":[{"created_by":"x"}]})");
  EXPECT_THAT(config_lines(*a, *b),
              ElementsAre(R"(config.User "1" "2")",
                          R"(created "2020-01-01T00:00:00Z" "2021-01-01T00:00:00Z")",
                          R"(author "me" -)", R"(os "linux" "freebsd")",
                          R"(architecture "amd64" "arm64")", R"(variant - "v8")"));
}

}  // namespace
}  // namespace kiln::image
