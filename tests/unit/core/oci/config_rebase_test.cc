#include "core/oci/config_rebase.h"

#include <gtest/gtest.h>

#include "core/base/json.h"
#include "tests/support/matchers.h"

namespace kiln::oci {
namespace {

using Words = std::vector<std::string>;

std::string id(char digit) {
  return "sha256:" + std::string(64, digit);
}

/// A config with layers of these digits, and `rest` as further fields.
Config config_of(const std::string& layers, const std::string& rest) {
  auto json = parse_json("{" + rest + "}").value();
  json["os"] = "linux";
  json["architecture"] = "amd64";
  json["rootfs"] = {{"type", "layers"}, {"diff_ids", Json::array()}};
  for (const char digit : layers) json["rootfs"]["diff_ids"].push_back(id(digit));
  return Config::parse(dump_json(json)).value();
}

Json json_of(const Config& config) {
  return parse_json(config.to_json()).value();
}

RebasedConfig rebased(const std::string& image, const std::string& old_base,
                      const std::string& new_base) {
  return rebase_config(config_of("123", image), config_of("12", old_base),
                       config_of("78", new_base));
}

struct Merge {
  std::string name, image, old_base, new_base, result;
  Words warnings{};
};
void PrintTo(const Merge& row, std::ostream* out) {
  *out << row.name;
}

class RebasedRuntime : public ::testing::TestWithParam<Merge> {};

TEST_P(RebasedRuntime, HasTheImagesChangesAndTheNewBasesRest) {
  const auto& row = GetParam();
  const auto config = [](const std::string& runtime) { return "\"config\":{" + runtime + "}"; };

  const auto result = rebased(config(row.image), config(row.old_base), config(row.new_base));

  EXPECT_EQ(json_of(result.config)["config"], parse_json("{" + row.result + "}").value())
      << json_of(result.config)["config"].dump();
  EXPECT_EQ(result.warnings, row.warnings);
}

const std::string kPath = R"("Env":["PATH=/bin","LANG=C"])";

INSTANTIATE_TEST_SUITE_P(
    Environment, RebasedRuntime,
    ::testing::Values(
        Merge{"LeftAloneIsTheNewBases", kPath, kPath, R"("Env":["JAVA=21","PATH=/usr/bin"])",
              R"("Env":["JAVA=21","PATH=/usr/bin"])"},
        Merge{"ChangedStaysWhereTheNewBaseHasIt", R"("Env":["LANG=de","PATH=/bin"])", kPath,
              R"("Env":["NEW=1","PATH=/usr/bin","LANG=C"])",
              R"("Env":["NEW=1","PATH=/usr/bin","LANG=de"])"},
        Merge{"AddedComesLastInTheImagesOrder", R"("Env":["Z=1","PATH=/bin","LANG=C","A=2"])",
              kPath, R"("Env":["PATH=/usr/bin","LANG=C"])",
              R"("Env":["PATH=/usr/bin","LANG=C","Z=1","A=2"])"},
        Merge{"UnsetStaysUnset", R"("Env":["PATH=/bin"])", kPath, kPath, R"("Env":["PATH=/bin"])"},
        Merge{"TheLastUnsetLeavesNoList", R"("Env":[])", R"("Env":["A=1"])", R"("Env":["A=1"])",
              ""},
        Merge{"WhatTheNewBaseDroppedIsGone", kPath, kPath, R"("Env":["PATH=/bin"])",
              R"("Env":["PATH=/bin"])"},
        Merge{"EmptyValueIsAValue", R"("Env":["PATH=","LANG=C"])", kPath, kPath,
              R"("Env":["PATH=","LANG=C"])"},
        Merge{"ABaseWithoutAny", R"("Env":["A=1"])", R"("Env":null)", "", R"("Env":["A=1"])"},
        Merge{"OfANameTwiceTheLastCounts",
              R"("Env":["A=1","A=2"])",
              "",
              R"("Env":["A=0"])",
              R"("Env":["A=2"])",
              {"the new base sets the environment variable A to another value than the old one; "
               "the image's own stays"}},
        Merge{"UnsetButNotThereAnyMore",
              R"("Env":["PATH=/bin"])",
              kPath,
              R"("Env":["PATH=/bin"])",
              R"("Env":["PATH=/bin"])",
              {"the new base has no environment variable LANG, which the image unset"}},
        Merge{"ChangedButNotThereAnyMore",
              R"("Env":["PATH=/bin","LANG=de"])",
              kPath,
              R"("Env":["PATH=/bin"])",
              R"("Env":["PATH=/bin","LANG=de"])",
              {"the new base has no environment variable LANG, which the image changed"}},
        Merge{"ChangedOnBothSides",
              R"("Env":["PATH=/opt:/bin","LANG=C"])",
              kPath,
              R"("Env":["PATH=/usr/bin","LANG=C"])",
              R"("Env":["PATH=/opt:/bin","LANG=C"])",
              {"the new base sets the environment variable PATH to another value than the old one; "
               "the image's own stays"}},
        Merge{"ChangedToTheSameOnBothSides", R"("Env":["PATH=/x","LANG=C"])", kPath,
              R"("Env":["PATH=/x","LANG=C"])", R"("Env":["PATH=/x","LANG=C"])"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Command, RebasedRuntime,
    ::testing::Values(
        Merge{"LeftAloneIsTheNewBases", R"("Entrypoint":["/e"],"Cmd":["a"])",
              R"("Entrypoint":["/e"],"Cmd":["a"])", R"("Entrypoint":["/new"],"Cmd":["b"])",
              R"("Entrypoint":["/new"],"Cmd":["b"])"},
        Merge{"AnEntrypointThatClearedTheArgs", R"("Entrypoint":["/app"],"Cmd":null)",
              R"("Entrypoint":["/e"],"Cmd":["a"])", R"("Entrypoint":["/e"],"Cmd":["b"])",
              R"("Entrypoint":["/app"],"Cmd":null)"},
        Merge{"ArgsOfTheNewBaseNeverFollowTheImagesEntrypoint", R"("Entrypoint":["/app"])", "",
              R"("Cmd":["bash"],"ArgsEscaped":true)", R"("Entrypoint":["/app"])"},
        Merge{"EntrypointWithTheArgsItInherited", R"("Entrypoint":["/app"],"Cmd":["a"])",
              R"("Cmd":["a"])", R"("Cmd":["b"])", R"("Entrypoint":["/app"],"Cmd":["a"])"},
        Merge{"ArgsAloneKeepTheNewBasesEntrypoint", R"("Entrypoint":["/e"],"Cmd":["x"])",
              R"("Entrypoint":["/e"],"Cmd":["a"])", R"("Entrypoint":["/e"],"Cmd":["b"])",
              R"("Entrypoint":["/e"],"Cmd":["x"])"},
        Merge{"ArgsForAnEntrypointThatIsAnother",
              R"("Entrypoint":["/e"],"Cmd":["x"])",
              R"("Entrypoint":["/e"],"Cmd":["a"])",
              R"("Entrypoint":["/new"],"Cmd":["b"])",
              R"("Entrypoint":["/new"],"Cmd":["x"])",
              {"the image has args of its own for the old base's entrypoint, and the new base has "
               "another entrypoint"}},
        Merge{"ClearedStaysCleared", R"("Entrypoint":[],"Cmd":[])",
              R"("Entrypoint":["/e"],"Cmd":["a"])", R"("Entrypoint":["/e"],"Cmd":["b"])",
              R"("Entrypoint":[],"Cmd":[])"},
        Merge{"NullAndAbsentAreTheSame", R"("Entrypoint":null,"Cmd":[])", "",
              R"("Entrypoint":["/e"],"Cmd":["b"])", R"("Entrypoint":["/e"],"Cmd":["b"])"}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Keys, RebasedRuntime,
    ::testing::Values(Merge{"Labels", R"("Labels":{"keep":"1","mine":"2","changed":"3"})",
                            R"("Labels":{"keep":"1","changed":"0","removed":"1"})",
                            R"("Labels":{"keep":"9","changed":"8","removed":"1","new":"7"})",
                            R"("Labels":{"keep":"9","changed":"3","mine":"2","new":"7"})"},
                      Merge{"AnEmptyLabelIsALabel", R"("Labels":{"a":""})", "",
                            R"("Labels":{"a":"1"})", R"("Labels":{"a":""})"},
                      Merge{"Ports", R"("ExposedPorts":{"80/tcp":{},"8080/tcp":{}})",
                            R"("ExposedPorts":{"80/tcp":{}})", R"("ExposedPorts":{"443/tcp":{}})",
                            R"("ExposedPorts":{"443/tcp":{},"8080/tcp":{}})"},
                      Merge{"VolumesAtABaseWithNull", R"("Volumes":{"/data":{}})",
                            R"("Volumes":null)", R"("Volumes":null)", R"("Volumes":{"/data":{}})"},
                      Merge{"TheLastOneRemoved", R"("Volumes":{})", R"("Volumes":{"/data":{}})",
                            R"("Volumes":{"/data":{}})", ""}),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    WholeFields, RebasedRuntime,
    ::testing::Values(
        Merge{"LeftAlone",
              R"("User":"1","Healthcheck":{"Test":["NONE"]},"X":{"a":1},"StopSignal":"SIGINT")",
              R"("User":"1","Healthcheck":{"Test":["NONE"]},"X":{"a":1},"StopSignal":"SIGINT")",
              R"("User":"2","Healthcheck":{"Test":["CMD","x"]},"X":{"b":2})",
              R"("User":"2","Healthcheck":{"Test":["CMD","x"]},"X":{"b":2})"},
        Merge{"Changed", R"("User":"7","Healthcheck":{"Test":["CMD","mine"]},"X":{"a":7})",
              R"("User":"1","Healthcheck":{"Test":["NONE"],"Retries":3},"X":{"a":1,"b":1})",
              R"("User":"2","Healthcheck":{"Test":["CMD","x"],"Retries":9},"X":{"b":2})",
              R"("User":"7","Healthcheck":{"Test":["CMD","mine"]},"X":{"a":7})"},
        Merge{"TriggersThatRanDoNotComeBack", "", R"("OnBuild":["RUN x"])",
              R"("OnBuild":["RUN x"])", ""},
        Merge{"ADirectoryOfTheImagesOwn", R"("WorkingDir":"/app","Shell":["/bin/bash"])",
              R"("WorkingDir":"")", R"("WorkingDir":"/srv")",
              R"("WorkingDir":"/app","Shell":["/bin/bash"])"},
        Merge{"FalseAndEmptyAndAbsentAreTheSame", R"("Tty":false,"User":"")", "",
              R"("Tty":true,"User":"5")", R"("Tty":true,"User":"5")"}),
    [](const auto& test) { return test.param.name; });

TEST(RebaseConfig, TakesOtherFieldsLikewiseButThePlatformOfTheBaseAndTheDateOfTheImage) {
  const auto result = json_of(
      rebased(R"("created":"2024-02-02T00:00:00Z","author":"me","x":1,"y":2,"os.version":"10.0.1")",
              R"("created":"2024-01-01T00:00:00Z","author":"them","x":1,"os.version":"10.0.1")",
              R"("created":"2024-03-03T00:00:00Z","author":"they","x":3,"os.version":"10.0.2")")
          .config);
  EXPECT_EQ(result["created"], "2024-02-02T00:00:00Z");
  EXPECT_EQ(result["author"], "me");
  EXPECT_EQ(result["x"], 3);
  EXPECT_EQ(result["y"], 2);
  EXPECT_EQ(result["os.version"], "10.0.2");
}

TEST(RebaseConfig, OfAnImageWithoutChangesIsTheNewBase) {
  for (const auto* rest :
       {R"("config":{"Env":["A=1"],"Cmd":null,"Labels":{}},"history":[{"created_by":"x"}])",
        R"("config":null,"history":null)", ""}) {
    const auto old_base = config_of("12", R"("config":{"Env":["A=0"]},"created":"c")");
    const auto new_base =
        config_of("789", std::string(rest) + (*rest != 0 ? "," : "") + R"("created":"c")");
    EXPECT_EQ(rebase_config(old_base, old_base, new_base).config.to_json(), new_base.to_json());
  }
}

TEST(RebaseConfig, PutsTheImagesOwnLayersOnTheNewBases) {
  const auto result = rebase_config(config_of("1234", ""), config_of("12", ""), config_of("7", ""));
  Words ids;
  for (const auto& digest : result.config.diff_ids()) ids.push_back(digest.str());
  EXPECT_EQ(ids, (Words{id('7'), id('3'), id('4')}));
}

struct History {
  std::string name;
  Words image, old_base, new_base, result;
};
void PrintTo(const History& row, std::ostream* out) {
  *out << row.name;
}

/// "(x)" is a line without a layer, "" a line that says nothing; {} = no history.
std::string history_json(const Words& lines) {
  if (lines.empty()) return "";
  auto history = Json::array();
  for (const auto& line : lines) {
    auto json = Json::object();
    if (!line.empty()) json["created_by"] = line;
    if (line.starts_with("(")) json["empty_layer"] = true;
    history.push_back(std::move(json));
  }
  return "\"history\":" + history.dump();
}

class RebasedHistory : public ::testing::TestWithParam<History> {};

TEST_P(RebasedHistory, IsTheNewBasesAndThenTheImagesOwn) {
  const auto& row = GetParam();

  const auto result =
      rebased(history_json(row.image), history_json(row.old_base), history_json(row.new_base));

  Words lines;
  for (const auto& line : result.config.history()) lines.push_back(line.created_by);
  EXPECT_EQ(lines, row.result);
}

// Bases have two layers, images one more.
INSTANTIATE_TEST_SUITE_P(
    Table, RebasedHistory,
    ::testing::Values(
        History{"Plain",
                {"1", "2", "(cmd)", "3", "(env)"},
                {"1", "2", "(cmd)"},
                {"7", "(x)", "8"},
                {"7", "(x)", "8", "3", "(env)"}},
        History{"OnlyLinesWithoutALayer",
                {"1", "2", "(env)"},
                {"1", "2"},
                {"7", "8"},
                {"7", "8", "(env)"}},
        History{"ImageWithout", {}, {"1", "2"}, {"7", "8"}, {"7", "8"}},
        History{"NewBaseWithout", {"1", "2", "3"}, {"1", "2"}, {}, {}},
        History{"NewBaseWithFewerLinesThanLayers",
                {"1", "2", "3"},
                {"1", "2"},
                {"7", "(x)"},
                {"7", "(x)", "", "3"}},
        History{"OldBaseWithout",
                {"1", "(cmd)", "2", "(x)", "3"},
                {},
                {"7", "8"},
                {"7", "8", "(x)", "3"}},
        History{
            "ImageWithItsOwnLinesAlone", {"3", "(env)"}, {}, {"7", "8"}, {"7", "8", "3", "(env)"}},
        History{"OldBaseRewritten", {"1", "2", "3"}, {"one", "two"}, {"7", "8"}, {"7", "8", "3"}},
        History{"AllWithout", {}, {}, {}, {}}),
    [](const auto& test) { return test.param.name; });

TEST(RebaseConfig, KeepsEveryFieldOfAHistoryLine) {
  const auto result = rebase_config(
      config_of("1", R"("history":[{"created_by":"x","author":"me","comment":"c","z":1}])"),
      config_of("", ""), config_of("", R"("history":[])"));
  EXPECT_EQ(json_of(result.config)["history"],
            parse_json(R"([{"created_by":"x","author":"me","comment":"c","z":1}])").value());
}

}  // namespace
}  // namespace kiln::oci
