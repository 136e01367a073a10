#include "controller/rollout/pod_images.h"

#include <gtest/gtest.h>

#include "controller/rollout/workload.h"
#include "tests/support/matchers.h"

namespace kiln::rollout {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using Kind = Place::Kind;

constexpr auto kDeployments = kWorkloadTypes[0];
constexpr auto kCronJobs = kWorkloadTypes[3];
const Place kWeb(Kind::kContainer, "web");
const Place kHelper(Kind::kContainer, "helper");
const Place kPrepare(Kind::kContainer, "prepare");
const Place kPages(Kind::kVolume, "pages");

constexpr const char* kPod = R"({
  "containers": [{"name": "web", "image": "w:1"}, {"name": "helper", "image": "h:1"}],
  "initContainers": [{"name": "prepare", "image": "p:1"}],
  "volumes": [{"name": "pages", "image": {"reference": "v:1", "pullPolicy": "Always"}},
              {"name": "data", "emptyDir": {}}]})";

/// `managers`: metadata.managedFields.
PodImages read(const std::string& managers = "[]") {
  const auto object =
      kube::Object::parse(R"({"metadata":{"name":"web","managedFields":)" + managers +
                          R"(},"spec":{"template":{"spec":)" + kPod + "}}}");
  return *PodImages::read(*object, kDeployments);
}

TEST(PodImages, FindsContainersInitContainersAndImageVolumes) {
  const auto images = read();
  EXPECT_EQ(*images.at(kWeb), "w:1");
  EXPECT_EQ(*images.at(kPrepare), "p:1");
  EXPECT_EQ(*images.at(kPages), "v:1");
}

TEST(PodImages, SaysWhichPlacesThereAre) {
  const auto images = read();
  EXPECT_THAT(images.at(Place(Kind::kContainer, "wbe")),
              FailsWith(Errc::kNotFound,
                        "the pod template has no container \"wbe\"; it has "
                        "\"web\", \"helper\", \"prepare\""));
  EXPECT_THAT(images.at(Place(Kind::kVolume, "web")),
              FailsWith(Errc::kNotFound, "has no volume \"web\"; it has \"pages\""));
  EXPECT_THAT(
      images.at(Place(Kind::kVolume, "data")),
      FailsWith(Errc::kInvalid, "volume \"data\" is no image volume: it has no field image"));
}

TEST(PodImages, SaysSoWhereThereIsNone) {
  const auto object =
      kube::Object::parse(R"({"metadata":{"name":"a"},"spec":{"template":{"spec":{}}}})");
  EXPECT_THAT(PodImages::read(*object, kDeployments)->at(kWeb),
              FailsWith(Errc::kNotFound, "has no container \"web\"; it has none at all"));
}

TEST(PodImages, RefusesAnObjectWithoutAPodTemplate) {
  const auto object = kube::Object::parse(R"({"metadata":{"name":"a"},"spec":{}})");
  EXPECT_THAT(PodImages::read(*object, kDeployments),
              FailsWith(Errc::kInvalid, "the Deployment has no pod template"));
}

TEST(PodImages, AppliesTheNamedPlacesAndNothingElse) {
  EXPECT_EQ(read().to_apply({{kWeb, "w@2"}, {kPages, "v@2"}, {kPrepare, "p@2"}}),
            R"({"spec":{"template":{"spec":{"containers":[{"image":"w@2","name":"web"}],)"
            R"("initContainers":[{"image":"p@2","name":"prepare"}],)"
            R"("volumes":[{"image":{"reference":"v@2"},"name":"pages"}]}}}})");
}

TEST(PodImages, KnowsWhereACronJobHasItsPod) {
  const auto object = kube::Object::parse(
      std::string(
          R"({"metadata":{"name":"a"},"spec":{"jobTemplate":{"spec":{"template":{"spec":)") +
      kPod + "}}}}}");
  const auto images = PodImages::read(*object, kCronJobs);
  ASSERT_THAT(images, IsOk());
  EXPECT_EQ(*images->at(kWeb), "w:1");
  EXPECT_EQ(images->to_apply({{kWeb, "w@2"}}),
            R"({"spec":{"jobTemplate":{"spec":{"template":{"spec":)"
            R"({"containers":[{"image":"w@2","name":"web"}]}}}}}})");
}

std::string entry(const std::string& manager, const std::string& operation,
                  const std::string& pod_fields) {
  return R"({"manager":")" + manager + R"(","operation":")" + operation +
         R"(","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:template":{"f:spec":)" + pod_fields +
         "}}}}";
}
constexpr const char* kHelperAndPages =
    R"({"f:containers":{"k:{\"name\":\"helper\"}":{".":{},"f:image":{},"f:name":{}}},
        "f:volumes":{"k:{\"name\":\"pages\"}":{".":{},"f:image":{"f:reference":{}},"f:name":{}}}})";

TEST(PodImages, WhatWasOursStaysAsItIsWhenItIsNoLongerNamed) {
  const auto images = read("[" + entry("kiln-rollout", "Apply", kHelperAndPages) + "]");
  EXPECT_EQ(images.to_apply({{kWeb, "w@2"}}),
            R"({"spec":{"template":{"spec":{"containers":[{"image":"w@2","name":"web"},)"
            R"({"image":"h:1","name":"helper"}],)"
            R"("volumes":[{"image":{"reference":"v:1"},"name":"pages"}]}}}})");
}

TEST(PodImages, WhatIsOursAndIsGoneIsNotBroughtBack) {
  constexpr const char* kGone = R"({"f:containers":{"k:{\"name\":\"gone\"}":{"f:image":{}}}})";
  const auto images = read("[" + entry("kiln-rollout", "Apply", kGone) + "]");
  EXPECT_EQ(images.to_apply({{kHelper, "h@2"}}),
            R"({"spec":{"template":{"spec":{"containers":[{"image":"h@2","name":"helper"}]}}}})");
}

TEST(PodImages, WhatOthersOwnIsLeftAlone) {
  for (const auto& other :
       {entry("kubectl", "Apply", kHelperAndPages),
        entry("kiln-rollout", "Update", kHelperAndPages),
        entry("kiln-rollout", "Apply", R"({"f:containers":7,"f:volumes":{}})"),
        entry("kiln-rollout", "Apply", R"({"f:containers":{"k:{":{"f:image":{}},"v:1":{}}})")})
    EXPECT_EQ(read("[" + other + "]").to_apply({{kWeb, "w@2"}}),
              R"({"spec":{"template":{"spec":{"containers":[{"image":"w@2","name":"web"}]}}}})")
        << other;
}

}  // namespace
}  // namespace kiln::rollout
