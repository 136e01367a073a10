#include "core/oci/config.h"

#include <gtest/gtest.h>

#include "core/base/json.h"
#include "tests/support/matchers.h"

namespace kiln::oci {
namespace {

using testing::FailsWith;
using testing::IsOk;
using Words = std::vector<std::string>;

constexpr std::string_view kBase = R"({
  "os": "linux", "architecture": "amd64", "x-vendor": {"kept": true},
  "config": {"Entrypoint": ["/entry.sh"], "Cmd": ["nginx", "-g", "daemon off;"],
             "Env": ["PATH=/bin", "OLD=1", "KEEP=2"], "Labels": {"a": "1"},
             "Healthcheck": {"Test": ["CMD", "true"]}, "ExposedPorts": {"80/tcp": {}}},
  "rootfs": {"type": "layers", "diff_ids": ["sha256:1111111111111111111111111111111111111111111111111111111111111111"]},
  "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "ADD"}]})";

Config base() {
  return *Config::parse(kBase);
}
Json json_of(const Config& config) {
  return *parse_json(config.to_json());
}

TEST(Config, KeepsFieldsItDoesNotKnow) {
  ConfigPatch patch;
  patch.user = "101";

  const auto json = json_of(base().with_patch(patch));

  EXPECT_EQ(json["x-vendor"]["kept"], true);
  EXPECT_EQ(json["config"]["Healthcheck"]["Test"][0], "CMD");
  EXPECT_EQ(json["config"]["User"], "101");
}

TEST(ConfigPatch, OfTheEntrypointAloneClearsTheBasesArgsAsDockerDoes) {
  ConfigPatch patch;
  patch.entrypoint = Words{"/app"};
  EXPECT_EQ(base().with_patch(patch).entrypoint(), Words{"/app"});
  EXPECT_TRUE(base().with_patch(patch).args().empty());
}

TEST(ConfigPatch, OfTheArgsAloneKeepsTheEntrypoint) {
  ConfigPatch patch;
  patch.args = Words{"x"};
  EXPECT_EQ(base().with_patch(patch).entrypoint(), Words{"/entry.sh"});
  EXPECT_EQ(base().with_patch(patch).args(), Words{"x"});
}

TEST(ConfigPatch, WithAnEmptyListClears) {
  ConfigPatch patch;
  patch.entrypoint = Words{};
  EXPECT_FALSE(json_of(base().with_patch(patch))["config"].contains("Entrypoint"));
}

TEST(ConfigPatch, SetsAndUnsetsEnvironmentAndKeepsItsOrder) {
  ConfigPatch patch;
  patch.env = {{"NEW", "a=b"}, {"PATH", "/usr/bin"}};
  patch.unset_env = {"OLD"};
  EXPECT_EQ(base().with_patch(patch).env(), (Words{"PATH=/usr/bin", "KEEP=2", "NEW=a=b"}));
}

TEST(ConfigPatch, AddsPortsVolumesAndLabelsToTheBases) {
  ConfigPatch patch;
  patch.exposed_ports = {"8080", "53/udp"};
  patch.volumes = {"/data"};
  patch.labels = {{"b", "2"}};

  const auto config = base().with_patch(patch);
  const auto json = json_of(config);

  EXPECT_EQ(json["config"]["ExposedPorts"].size(), 3u);
  EXPECT_TRUE(json["config"]["ExposedPorts"].contains("8080/tcp"));
  EXPECT_TRUE(json["config"]["Volumes"].contains("/data"));
  EXPECT_EQ(config.labels(), (std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}}));
}

TEST(ConfigPatch, ReplacesPortsAndVolumesOfABaseThatAreNoSets) {
  const auto base = Config::parse(R"({"rootfs":{"type":"layers","diff_ids":[]},
      "config":{"ExposedPorts":"80","Volumes":["/old"]}})");
  ASSERT_THAT(base, testing::IsOk());
  ConfigPatch patch;
  patch.exposed_ports = {"8080"};
  patch.volumes = {"/data"};
  const auto json = base->with_patch(patch).to_json();
  EXPECT_NE(json.find(R"("ExposedPorts":{"8080/tcp":{}},"Volumes":{"/data":{}})"),
            std::string::npos)
      << json;
}

TEST(Config, OfAnEmptyPatchIsTheSameBytes) {
  EXPECT_EQ(base().with_patch({}).to_json(), base().to_json());
}

TEST(ConfigPatch, OfAnyKindKeepsTheHealthcheckAndWhatItDoesNotKnow) {
  std::vector<ConfigPatch> patches(10);
  patches[0].entrypoint = Words{"/app"};
  patches[1].args = Words{"x"};
  patches[2].env = {{"A", "1"}};
  patches[3].unset_env = {"PATH", "OLD", "KEEP"};
  patches[4].labels = {{"b", "2"}};
  patches[5].user = "101";
  patches[6].working_dir = "/srv";
  patches[7].exposed_ports = {"8080"};
  patches[8].volumes = {"/data"};
  patches[9].stop_signal = "SIGQUIT";
  const auto before = json_of(base());
  for (const auto& patch : patches) {
    ASSERT_FALSE(patch.empty());

    const auto after = json_of(base().with_patch(patch));

    EXPECT_NE(after, before) << patch.to_json();
    EXPECT_EQ(after["config"]["Healthcheck"], before["config"]["Healthcheck"]) << patch.to_json();
    EXPECT_EQ(after["x-vendor"], before["x-vendor"]) << patch.to_json();
    EXPECT_EQ(after["history"], before["history"]) << patch.to_json();
    EXPECT_EQ(after["rootfs"], before["rootfs"]) << patch.to_json();
  }
}

TEST(Config, KeepsTheWholePlatform) {
  auto json = *parse_json(kBase);
  json["variant"] = "v3";
  json["os.version"] = "10.0.1";
  json["os.features"] = {"win32k", "x"};
  const auto platform = Config::parse(json.dump())->platform();
  EXPECT_EQ(platform, (Platform{"linux", "amd64", "v3", "10.0.1", {"win32k", "x"}}));
  EXPECT_EQ(Config::scratch(platform, "2020-01-01T00:00:00Z").platform(), platform);
}

TEST(Config, AddsALayerWithItsHistoryLine) {
  const auto config = base().with_layer(Digest::of("x"), {"2020-01-01T00:00:00Z", "kiln content"});
  EXPECT_EQ(config.diff_ids().size(), 2u);
  ASSERT_EQ(config.history().size(), 2u);
  EXPECT_EQ(config.history()[1].created_by, "kiln content");
}

TEST(Config, LeavesABaseWithoutHistoryWithoutOne) {
  auto json = *parse_json(kBase);
  json.erase("history");
  const auto config = Config::parse(json.dump())->with_layer(Digest::of("x"), {"t", "kiln"});
  EXPECT_TRUE(config.history().empty());
}

TEST(Config, OfScratchStartsItsOwnHistory) {
  const auto config = Config::scratch(Platform{"linux", "arm64"}, "2020-01-01T00:00:00Z")
                          .with_layer(Digest::of("x"), {"2020-01-01T00:00:00Z", "kiln content"});
  EXPECT_EQ(config.history().size(), 1u);
  EXPECT_EQ(config.platform().str(), "linux/arm64");
}

struct Bad {
  std::string name, json, why;
};
void PrintTo(const Bad& row, std::ostream* out) {
  *out << row.name;
}
class ConfigRefuses : public ::testing::TestWithParam<Bad> {};
TEST_P(ConfigRefuses, WhatIsNoConfig) {
  EXPECT_THAT(Config::parse(GetParam().json), FailsWith(Errc::kCorrupt, GetParam().why));
}
INSTANTIATE_TEST_SUITE_P(
    Table, ConfigRefuses,
    ::testing::Values(
        Bad{"NotJson", "x", "not valid JSON"}, Bad{"NoRootfs", "{}", "rootfs.type"},
        Bad{"DiffIdsNoList", R"({"rootfs":{"type":"layers","diff_ids":{}}})", "not a list"},
        Bad{"BadDiffId", R"({"rootfs":{"type":"layers","diff_ids":[1]}})", "sha256:"},
        Bad{"HistoryNoList", R"({"rootfs":{"type":"layers"},"history":{}})", "history"},
        Bad{"RuntimeNoObject", R"({"rootfs":{"type":"layers"},"config":[]})", "\"config\" is not"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::oci
