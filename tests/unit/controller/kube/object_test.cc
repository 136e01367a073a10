#include "controller/kube/object.h"

#include <gtest/gtest.h>

#include "controller/kube/resource_type.h"
#include "core/base/json.h"
#include "tests/support/matchers.h"

namespace kiln::kube {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

constexpr const char* kWhole = R"({
  "apiVersion": "v1", "kind": "ConfigMap",
  "metadata": {
    "name": "site", "namespace": "web", "uid": "u-1", "resourceVersion": "42", "generation": 3,
    "creationTimestamp": "2026-01-02T03:04:05Z", "deletionTimestamp": "2026-01-02T03:04:06Z",
    "finalizers": ["kiln.build/tags"], "labels": {"app": "x"},
    "annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{long}"},
    "managedFields": [{"manager": "kubectl"}]},
  "data": {"index.html": "<h1>"}})";

TEST(Object, IsKeptWithoutWhatNobodyLooksAt) {
  const auto object =
      Object::parse(R"({"metadata":{"name":"a","labels":{"team":"web"},"annotations":{
      "example.com/notes":"x","reconcile.fluxcd.io/requestedAt":"1",
      "reconcile.kiln.build/requestedAt":"2"}},"spec":{"x":1}})");
  ASSERT_THAT(object, IsOk());

  const auto kept = object->for_keeping();

  EXPECT_EQ(Object::parse_for_keeping(object->json())->json(), kept.json());
  EXPECT_EQ(kept.json(), R"({"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"1",)"
                         R"("reconcile.kiln.build/requestedAt":"2"},"name":"a"},"spec":{"x":1}})");
  EXPECT_EQ(kept.meta().annotations.size(), 2U);
  EXPECT_EQ(kept.for_keeping().json().data(), kept.json().data()) << "once is enough";
  EXPECT_EQ(object->meta().labels.size(), 1U) << "whoever gets it from a GET may write it back";
}

TEST(ObjectKey, IsWrittenAsPeopleWriteIt) {
  EXPECT_EQ(ObjectKey("web", "site").str(), "web/site");
  EXPECT_EQ(ObjectKey("", "node-1").str(), "node-1");
}

TEST(ObjectKey, IsOrderedByNamespaceFirst) {
  EXPECT_LT(ObjectKey("a", "z"), ObjectKey("b", "a"));
  EXPECT_LT(ObjectKey("a", "a"), ObjectKey("a", "b"));
}

TEST(Object, ReadsItsMetadata) {
  const auto object = Object::parse(kWhole);
  ASSERT_THAT(object, IsOk());
  const auto& meta = object->meta();
  EXPECT_EQ(object->key(), ObjectKey("web", "site"));
  EXPECT_EQ(object->kind(), "ConfigMap");
  EXPECT_EQ(object->api_version(), "v1");
  EXPECT_EQ(meta.uid, "u-1");
  EXPECT_EQ(meta.resource_version, "42");
  EXPECT_EQ(meta.generation, 3);
  EXPECT_EQ(format_rfc3339(*meta.creation_timestamp), "2026-01-02T03:04:05Z");
  EXPECT_TRUE(meta.is_deleting());
  EXPECT_TRUE(meta.has_finalizer("kiln.build/tags"));
  EXPECT_FALSE(meta.has_finalizer("other"));
  EXPECT_EQ(meta.labels.at("app"), "x");
  EXPECT_EQ(meta.annotation("a"), "b");
  EXPECT_EQ(meta.annotation("none"), "");
}

TEST(Object, IsReducedToWhatIsOfUse) {
  const auto object = Object::parse(kWhole);
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->json().find("managedFields"), std::string::npos);
  EXPECT_EQ(object->json().find("last-applied"), std::string::npos);
  EXPECT_NE(object->json().find(R"("data":{"index.html":"<h1>"})"), std::string::npos);
  EXPECT_TRUE(object->meta().annotations.size() == 1);
}

TEST(Object, KeepsOfTheFieldManagersItsOwn) {
  const auto object = Object::parse(
      R"({"metadata":{"name":"a","managedFields":[{"manager":"kubectl"},
      {"manager":"kiln-rollout","operation":"Apply","fieldsV1":{"f:spec":{}}}]}})");
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->json(),
            R"({"metadata":{"managedFields":[{"fieldsV1":{"f:spec":{}},"manager":"kiln-rollout",)"
            R"("operation":"Apply"}],"name":"a"}})");
}

TEST(Object, DropsAnnotationsAltogetherIfNoneIsLeft) {
  const auto object = Object::parse(
      R"({"metadata":{"name":"a","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"x"}}})");
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->json(), R"({"metadata":{"name":"a"}})");
}

TEST(Object, TakesNullForAbsent) {
  EXPECT_THAT(Object::parse(R"({"metadata":{"name":"a","creationTimestamp":null,"labels":null,
                                 "finalizers":null,"generation":null}})"),
              IsOk());
}

TEST(Object, IsTheSameHoweverItIsWritten) {
  const auto compact = parse_json(kWhole)->dump();
  for (const auto& text : {compact, compact + "\n", std::string(kWhole)}) {
    const auto object = Object::parse(text);
    ASSERT_THAT(object, IsOk()) << text;
    EXPECT_EQ(object->json(), Object::parse(kWhole)->json());
    EXPECT_EQ(object->kind(), "ConfigMap");
  }
}

TEST(Object, KeepsWhatIsNotOfItsMetadataAsTheServerWroteIt) {
  const auto object =
      Object::parse(R"({"kind":"A","spec":{"b":"\u003cp\u003e","a":1},"metadata":{"name":"a"}})");
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->json(),
            R"({"kind":"A","metadata":{"name":"a"},"spec":{"b":"\u003cp\u003e","a":1}})");
}

TEST(Object, KnowsItsKindHoweverThatIsWritten) {
  const auto object = Object::parse(R"({"kind":"Se\u0063ret","metadata":{"name":"a"}})");
  ASSERT_THAT(object, IsOk());
  EXPECT_EQ(object->kind(), "Secret");
}

struct BadObject {
  std::string name, text, why;
};

class ObjectRejects : public ::testing::TestWithParam<BadObject> {};

TEST_P(ObjectRejects, WithAReasonThatNamesTheBrokenPart) {
  EXPECT_THAT(Object::parse(GetParam().text), FailsWith(Errc::kInvalid, GetParam().why));
}

std::string deep(std::size_t levels) {
  return R"({"metadata":{"name":"a","x":)" + std::string(levels, '[') + std::string(levels, ']') +
         "}}";
}

INSTANTIATE_TEST_SUITE_P(Parse, ObjectRejects,
                         ::testing::ValuesIn(std::vector<BadObject>{
                             {"NotJson", "{", "not valid JSON"},
                             {"CutShort", R"({"metadata":{"name":"a"},"spec":{)", "not valid JSON"},
                             {"MoreBehindIt", R"({"metadata":{"name":"a"}}{)", "not valid JSON"},
                             {"NotAnObject", "[]", "must be a JSON object"},
                             {"NoMetadata", "{}", "has no metadata"},
                             {"NoName", R"({"metadata":{}})", "metadata.name must be there"},
                             {"NameIsANumber", R"({"metadata":{"name":1}})",
                              "metadata.name must be a string"},
                             {"GenerationIsText", R"({"metadata":{"name":"a","generation":"1"}})",
                              "metadata.generation must be a whole number"},
                             {"BadTime", R"({"metadata":{"name":"a","creationTimestamp":"soon"}})",
                              "metadata.creationTimestamp must be a time"},
                             {"LabelIsANumber", R"({"metadata":{"name":"a","labels":{"b":1}}})",
                              "metadata.labels must be an object of strings"},
                             {"FinalizersAreText", R"({"metadata":{"name":"a","finalizers":"b"}})",
                              "metadata.finalizers must be a list of strings"},
                             {"TooDeep", deep(1000), "nested deeper"},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST(ResourceVersion, ComparesAsANumber) {
  EXPECT_EQ(is_newer_version("10", "9"), true);
  EXPECT_EQ(is_newer_version("9", "10"), false);
  EXPECT_EQ(is_newer_version("9", "9"), false);
  EXPECT_EQ(is_newer_version("18446744073709551615", "18446744073709551614"), true);
  EXPECT_EQ(is_newer_version("", "1"), std::nullopt);
  EXPECT_EQ(is_newer_version("1", "abc"), std::nullopt);
}

TEST(ResourceType, IsNamedAsKubectlNamesIt) {
  EXPECT_EQ(kConfigMaps.str(), "configmaps");
  EXPECT_EQ(kConfigMaps.api_version(), "v1");
  EXPECT_EQ(kLeases.str(), "leases.coordination.k8s.io");
  EXPECT_EQ(kLeases.api_version(), "coordination.k8s.io/v1");
}

}  // namespace
}  // namespace kiln::kube
