#include "controller/kube/request.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"
#include "tests/support/scripted_http.h"

namespace kiln::kube {
namespace {

using fakes::body_text;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;

constexpr ResourceType kBuilds("kiln.build", "v1alpha1", "imagebuilds", "ImageBuild", true);

RequestBuilder builder(const char* server = "https://10.0.0.1:6443") {
  return RequestBuilder(*http::Url::parse(server));
}

TEST(RequestBuilder, GetsAnObjectOfTheCoreGroup) {
  const auto request = builder().get(kConfigMaps, ObjectKey("web", "site"), false);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url.str(), "https://10.0.0.1:6443/api/v1/namespaces/web/configmaps/site");
  EXPECT_EQ(request.headers.get("Accept"), "application/json");
}

TEST(RequestBuilder, GetsAnObjectOfAnotherGroup) {
  const auto request = builder().get(kBuilds, ObjectKey("web", "site"), false);
  EXPECT_EQ(request.url.path(), "/apis/kiln.build/v1alpha1/namespaces/web/imagebuilds/site");
}

TEST(RequestBuilder, GetsAnObjectWithoutNamespace) {
  const auto request = builder().get(kNamespaces, ObjectKey("", "web"), false);
  EXPECT_EQ(request.url.path(), "/api/v1/namespaces/web");
}

TEST(RequestBuilder, KeepsThePathOfAProxyInFront) {
  const auto request =
      builder("https://proxy/clusters/a/").get(kConfigMaps, ObjectKey("web", "site"), false);
  EXPECT_EQ(request.url.path(), "/clusters/a/api/v1/namespaces/web/configmaps/site");
}

TEST(RequestBuilder, LetsNoNameLeaveItsPlaceInThePath) {
  const auto request = builder().get(kConfigMaps, ObjectKey("a/../b", "x?y=z#"), false);
  EXPECT_EQ(request.url.target(), "/api/v1/namespaces/a%2F..%2Fb/configmaps/x%3Fy%3Dz%23");
}

TEST(RequestBuilder, AsksForMetadataOnly) {
  const auto request = builder().get(kSecrets, ObjectKey("web", "pull"), true);
  EXPECT_EQ(request.headers.get("Accept"),
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
}

TEST(RequestBuilder, AsksForWhatTheServerRemembersIfItIsNotOlder) {
  const auto request = builder().get_remembered(kConfigMaps, ObjectKey("web", "site"), "17");
  EXPECT_EQ(request.url.target(), "/api/v1/namespaces/web/configmaps/site?resourceVersion=17");
  EXPECT_EQ(request.headers.get("Accept"), "application/json");
}

TEST(RequestBuilder, ListsAllNamespacesFromTheCache) {
  ListOptions options;
  options.resource_version = "0";
  options.limit = 500;
  const auto request = builder().list(kBuilds, options);
  EXPECT_EQ(request.url.target(),
            "/apis/kiln.build/v1alpha1/imagebuilds?limit=500&resourceVersion=0"
            "&resourceVersionMatch=NotOlderThan");
  EXPECT_EQ(request.headers.get("Accept"), "application/json");
}

TEST(RequestBuilder, ListsTheNewestStateWithoutAResourceVersion) {
  const auto request = builder().list(kBuilds, ListOptions());
  EXPECT_EQ(request.url.query(), "");
}

TEST(RequestBuilder, GoesOnWithAPageByItsTokenAlone) {
  ListOptions options;
  options.limit = 2;
  options.continue_token = "a+/=";
  options.resource_version = "17";
  const auto request = builder().list(kConfigMaps, options);
  EXPECT_EQ(request.url.query(), "limit=2&continue=a%2B%2F%3D");
}

TEST(RequestBuilder, ListsAndWatchesOneObjectByItsName) {
  ListOptions list;
  list.selection.namespace_ = "web";
  list.selection.name = "hooks";
  WatchOptions watch;
  watch.selection = list.selection;
  EXPECT_EQ(builder().list(kSecrets, list).url.target(),
            "/api/v1/namespaces/web/secrets?fieldSelector=metadata.name%3Dhooks");
  EXPECT_EQ(builder()
                .watch(kSecrets, watch)
                .url.query()
                .rfind("fieldSelector=metadata.name%3Dhooks&watch=true", 0),
            0U);
}

TEST(RequestBuilder, ListsMetadataOfOneNamespaceByLabel) {
  ListOptions options;
  options.selection.namespace_ = "web";
  options.selection.label_selector = "app=x,tier!=y";
  options.selection.metadata_only = true;
  const auto request = builder().list(kConfigMaps, options);
  EXPECT_EQ(request.url.target(),
            "/api/v1/namespaces/web/configmaps?labelSelector=app%3Dx%2Ctier%21%3Dy");
  EXPECT_EQ(request.headers.get("Accept"),
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
}

TEST(RequestBuilder, WatchesFromAResourceVersion) {
  WatchOptions options;
  options.resource_version = "17";
  options.timeout = std::chrono::seconds(310);
  const auto request = builder().watch(kBuilds, options);
  EXPECT_EQ(request.url.target(),
            "/apis/kiln.build/v1alpha1/imagebuilds?watch=true&allowWatchBookmarks=true"
            "&timeoutSeconds=310&resourceVersion=17");
}

TEST(RequestBuilder, WatchesWithTheInitialStateFirst) {
  WatchOptions options;
  options.send_initial_events = true;
  options.selection.metadata_only = true;
  const auto request = builder().watch(kConfigMaps, options);
  EXPECT_EQ(request.url.query(),
            "watch=true&allowWatchBookmarks=true&timeoutSeconds=300&sendInitialEvents=true"
            "&resourceVersionMatch=NotOlderThan");
  EXPECT_EQ(request.headers.get("Accept"),
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
}

TEST(RequestBuilder, Creates) {
  const auto request = builder().create(kEvents, "web", "{}");
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url.path(), "/apis/events.k8s.io/v1/namespaces/web/events");
  EXPECT_EQ(request.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(body_text(request), "{}");
  EXPECT_FALSE(request.replayable);
}

TEST(RequestBuilder, UpdatesTheStatusUnderAPrecondition) {
  Precondition unchanged;
  unchanged.resource_version = "17";
  const auto request =
      builder().update_status(kBuilds, ObjectKey("web", "site"), R"({"digest":"d"})", unchanged);
  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->method, "PUT");
  EXPECT_EQ(request->url.path(),
            "/apis/kiln.build/v1alpha1/namespaces/web/imagebuilds/site/status");
  EXPECT_EQ(request->headers.get("Content-Type"), "application/json");
  EXPECT_EQ(request->headers.get("Accept"),
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
  EXPECT_EQ(body_text(*request),
            R"({"apiVersion":"kiln.build/v1alpha1","kind":"ImageBuild",)"
            R"("metadata":{"name":"site","namespace":"web","resourceVersion":"17"},)"
            R"("status":{"digest":"d"}})");
}

TEST(RequestBuilder, PatchesWithoutPreconditionAsGiven) {
  const auto request = builder().merge_patch(kBuilds, ObjectKey("web", "site"),
                                             R"({"metadata":{"finalizers":null}})", Precondition());
  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->url.path(), "/apis/kiln.build/v1alpha1/namespaces/web/imagebuilds/site");
  EXPECT_EQ(body_text(*request), R"({"metadata":{"finalizers":null}})");
}

TEST(RequestBuilder, RefusesAPatchThatIsNone) {
  const ObjectKey key("web", "site");
  EXPECT_THAT(builder().merge_patch(kBuilds, key, "{", Precondition()),
              FailsWith(Errc::kInvalid, "reading the patch"));
  EXPECT_THAT(builder().merge_patch(kBuilds, key, "[]", Precondition()),
              FailsWith(Errc::kInvalid, "must be a JSON object"));
  EXPECT_THAT(builder().merge_patch(kBuilds, key, R"({"metadata":1})", Precondition()),
              FailsWith(Errc::kInvalid, "metadata of a merge patch"));
}

TEST(RequestBuilder, AppliesAsAFieldManagerWhoeverHadTheFields) {
  constexpr ResourceType kDeployments("apps", "v1", "deployments", "Deployment", true);
  Precondition unchanged;
  unchanged.resource_version = "17";
  unchanged.uid = "u";
  const auto request = builder().apply(kDeployments, ObjectKey("web", "site"),
                                       R"({"spec":{"replicas":2}})", "kiln rollout", unchanged);
  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(request->method, "PATCH");
  EXPECT_EQ(request->url.target(),
            "/apis/apps/v1/namespaces/web/deployments/site?fieldManager=kiln%20rollout&force=true");
  EXPECT_EQ(request->headers.get("Content-Type"), "application/apply-patch+yaml");
  EXPECT_EQ(body_text(*request),
            R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"site",)"
            R"("namespace":"web","resourceVersion":"17","uid":"u"},"spec":{"replicas":2}})");
}

TEST(RequestBuilder, RefusesToApplyWhatIsNoObject) {
  const ObjectKey key("web", "site");
  EXPECT_THAT(builder().apply(kBuilds, key, "{", "kiln", Precondition()),
              FailsWith(Errc::kInvalid, "reading what to apply"));
  EXPECT_THAT(builder().apply(kBuilds, key, "[]", "kiln", Precondition()),
              FailsWith(Errc::kInvalid, "what to apply must be a JSON object"));
}

TEST(RequestBuilder, UpdatesWithAPut) {
  const auto request = builder().update(kLeases, ObjectKey("kiln", "leader"), "{}");
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.url.path(), "/apis/coordination.k8s.io/v1/namespaces/kiln/leases/leader");
}

TEST(RequestBuilder, DeletesUnderAPrecondition) {
  Precondition precondition;
  precondition.uid = "u-1";
  const auto request = builder().remove(kConfigMaps, ObjectKey("web", "site"), precondition);
  EXPECT_EQ(request.method, "DELETE");
  EXPECT_EQ(body_text(request),
            R"({"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u-1"},)"
            R"("propagationPolicy":"Background"})");
}

}  // namespace
}  // namespace kiln::kube
