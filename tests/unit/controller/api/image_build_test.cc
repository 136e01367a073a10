#include "controller/api/image_build.h"

#include <gtest/gtest.h>

#include "core/base/json.h"
#include "tests/support/matchers.h"

namespace kiln::api {
namespace {

using kiln::testing::FailsWith;

Json minimal() {
  return {
      {"apiVersion", "kiln.build/v1alpha1"},
      {"kind", "ImageBuild"},
      {"metadata", {{"name", "site"}, {"namespace", "web"}}},
      {"spec", {{"base", {{"image", "nginx:1.27"}}}, {"output", {{"image", "r.test/team/site"}}}}}};
}

Result<ImageBuild> parse(const Json& json, UnknownFields unknown = UnknownFields::kRefuse) {
  return parse_image_build(dump_json(json), unknown);
}

TEST(ImageBuild, ReadsMetadata) {
  auto json = minimal();
  json["metadata"] = {{"name", "site"},
                      {"namespace", "web"},
                      {"uid", "u-1"},
                      {"resourceVersion", "12"},
                      {"generation", 3},
                      {"creationTimestamp", "2026-01-01T00:00:00Z"},
                      {"deletionTimestamp", "2026-01-02T00:00:00Z"},
                      {"annotations", {{"a", "b"}}},
                      {"labels", {{"not", "looked at"}}}};
  const auto build = parse(json);
  ASSERT_TRUE(build) << build.error().message;
  EXPECT_EQ(build->metadata.key(), "web/site");
  EXPECT_EQ(build->metadata.uid, "u-1");
  EXPECT_EQ(build->metadata.generation, 3);
  EXPECT_TRUE(build->metadata.deleting);
  EXPECT_EQ(build->metadata.annotations.at("a"), "b");
}

TEST(ImageBuild, TellsEmptyListsFromAbsentOnes) {
  auto json = minimal();
  json["spec"]["config"] = {{"entrypoint", Json::array()}};
  const auto build = parse(json);
  ASSERT_TRUE(build) << build.error().message;
  EXPECT_TRUE(build->spec.config.entrypoint.has_value());
  EXPECT_FALSE(build->spec.config.args.has_value());
}

TEST(ImageBuild, IgnoresUnknownFieldsOfTheServerAndRefusesThoseOfAFile) {
  auto json = minimal();
  json["spec"]["output"]["imgae"] = "x";
  EXPECT_TRUE(parse(json, UnknownFields::kIgnore));
  EXPECT_THAT(parse(json), FailsWith(Errc::kInvalid, "spec.output.imgae is not a field"));
}

TEST(ImageBuild, OfTheServerSaysWhereItIsWrong) {
  auto json = minimal();
  json["spec"]["output"]["enforceTag"] = "x";
  EXPECT_THAT(parse(json, UnknownFields::kIgnore),
              FailsWith(Errc::kInvalid, "spec.output.enforceTag must be true or false"));
}

TEST(ImageBuild, TakesAStatusThatCannotBeReadAsEmpty) {
  auto json = minimal();
  json["status"] = {{"digest", 7}, {"inputKey", "k"}};
  const auto build = parse(json, UnknownFields::kIgnore);
  ASSERT_TRUE(build) << build.error().message;
  EXPECT_EQ(build->status.digest, "");
  EXPECT_EQ(build->status.input_key, "k");
  EXPECT_EQ(build->status.observed_generation, -1);
}

TEST(ImageBuild, RefusesWhatIsNoObject) {
  EXPECT_THAT(parse_image_build("[]", UnknownFields::kIgnore), FailsWith(Errc::kInvalid, "object"));
  EXPECT_THAT(parse_image_build("{", UnknownFields::kIgnore), FailsWith(Errc::kInvalid, "JSON"));
}

struct Bad {
  std::string name;
  std::string pointer;
  Json value;
  std::string message;
};
void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.name;
}

class ImageBuildRefuses : public ::testing::TestWithParam<Bad> {};
TEST_P(ImageBuildRefuses, NamingTheField) {
  auto json = minimal();
  json[Json::json_pointer(GetParam().pointer)] = GetParam().value;
  EXPECT_THAT(parse(json), FailsWith(Errc::kInvalid, GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    Table, ImageBuildRefuses,
    ::testing::Values(
        Bad{"NoSpec", "/spec", nullptr, "spec is missing"},
        Bad{"NoBase", "/spec/base", nullptr, "spec.base is missing"},
        Bad{"EmptyImage", "/spec/base/image", "", "spec.base.image is missing"},
        Bad{"NumberForText", "/spec/base/image", 7, "spec.base.image must be a string"},
        Bad{"TextForList", "/spec/remove", "/x", "spec.remove must be a list"},
        Bad{"NumberInList", "/spec/remove", {7}, "spec.remove[0] must be a string"},
        Bad{"TextForObject", "/spec/config", "x", "spec.config must be an object"},
        Bad{"NumberInMap", "/spec/config/labels", {{"a", 1}}, "spec.config.labels.a must be"},
        Bad{"TextForFlag", "/spec/suspend", "yes", "spec.suspend must be true or false"},
        Bad{"ModeTooLarge",
            "/spec/content",
            {{{"path", "/x"}, {"fileMode", 4096}}},
            "spec.content[0].fileMode must be a whole number from 0 to 4095"},
        Bad{"History", "/spec/historyLimit", 101, "spec.historyLimit must be a whole number"},
        Bad{"Enum", "/spec/output/layers", "auto",
            "spec.output.layers must be one of Auto, Single, PerContent"},
        Bad{"ShortInterval", "/spec/interval", "1ms", "spec.interval must be a duration of 1s or"},
        Bad{"NoTimeout", "/spec/timeout", "0s", "spec.timeout must be a duration of 1s or more"},
        Bad{"Kind", "/kind", "Image", "kind is Image, not ImageBuild"},
        Bad{"Version", "/apiVersion", "kiln.build/v1", "write kiln.build/v1alpha1"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::api
