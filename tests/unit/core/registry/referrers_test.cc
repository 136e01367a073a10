// What refers to a manifest: by the API, or by a tag that clients keep.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/json.h"
#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::run_task;

const oci::Digest kSubject = oci::Digest::of("subject");
const std::string kIndexType(oci::media_type::kOciIndex);
const fakes::HeaderList kIsIndex = {{"Content-Type", kIndexType}};
const std::string kApi = "GET https://r.test/v2/shop/referrers/" + kSubject.str();
const std::string kTag = "https://r.test/v2/shop/manifests/sha256-" + kSubject.hex();

/// A manifest that refers to the subject.
oci::RawManifest artifact(const std::string& type) {
  const oci::Descriptor empty("application/vnd.oci.empty.v1+json", oci::Digest::of("{}"), 2);
  oci::Manifest manifest(std::string(oci::media_type::kOciManifest), empty);
  manifest.artifact_type = type;
  manifest.annotations["by"] = "test";
  manifest.layers = {empty};
  manifest.subject = oci::Descriptor(manifest.media_type, kSubject, 7);
  return {manifest.media_type, manifest.to_json()};
}

oci::Descriptor entry(const std::string& type) {
  return protocol::referrer_of(artifact(type))->entry;
}

std::string index_of(const std::vector<oci::Descriptor>& entries) {
  oci::Index index{kIndexType};
  index.manifests = entries;
  return index.to_json();
}

Result<oci::Index> list(Scripted& world, const std::string& type = "") {
  return run_task(world.client->referrers(kShop, kSubject, type, {}));
}

TEST(Referrers, ComeFromTheApiWhereThereIsOne) {
  Scripted world;
  world.http.answer(200, index_of({entry("test/a"), entry("test/b")}), kIsIndex);
  const auto found = list(world);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(found->manifests, ElementsAre(entry("test/a"), entry("test/b")));
  EXPECT_THAT(world.lines(), ElementsAre(kApi));
}

TEST(Referrers, AreFilteredWhetherOrNotTheRegistryDoes) {
  Scripted world;
  world.http.answer(200, index_of({entry("test/a"), entry("test/b")}), kIsIndex);
  const auto found = list(world, "test/b");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(found->manifests, ElementsAre(entry("test/b")));
  EXPECT_THAT(world.lines(), ElementsAre(kApi + "?artifactType=test%2Fb"));
}

TEST(Referrers, MayComeInPages) {
  Scripted world;
  world.http.answer(200, index_of({entry("test/a")}),
                    {{"Content-Type", kIndexType}, {"Link", R"(<?page=2>; rel="next")"}});
  world.http.answer(200, index_of({entry("test/b")}), kIsIndex);
  const auto found = list(world);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->manifests.size(), 2u);
  EXPECT_EQ(world.lines()[1], kApi + "?page=2");
}

TEST(Referrers, ANextPageElsewhereIsNotFetched) {
  Scripted world;
  world.http.answer(
      200, index_of({}),
      {{"Content-Type", kIndexType}, {"Link", R"(<https://evil.test/>; rel="next")"}});
  EXPECT_EQ(list(world).error().code, Errc::kEgressDenied);
  EXPECT_EQ(world.http.seen().size(), 1u);
}

TEST(Referrers, EndlessPagesEnd) {
  Scripted world;
  world.http.otherwise([](const http::Request&) -> Result<fakes::ScriptedAnswer> {
    return fakes::ScriptedAnswer(
        200, index_of({}), {{"Content-Type", kIndexType}, {"Link", R"(<?again>; rel="next")"}});
  });
  const auto found = list(world);
  ASSERT_TRUE(found.has_error());
  EXPECT_EQ(found.error().message, "r.test/shop: the list of referrers has more than 64 pages");
  EXPECT_EQ(world.http.seen().size(), 64u);
}

TEST(Referrers, ComeFromATagWhereThereIsNoApi) {
  struct Says {
    int status;
    std::string body;
  };
  for (const auto& says : {Says{404, ""}, Says{400, ""}, Says{405, ""}, Says{406, ""},
                           Says{200, "<html>What are you looking for?</html>"}}) {
    Scripted world;
    world.http.answer(says.status, says.body, {{"Content-Type", "text/html"}});
    world.http.answer(200, index_of({entry("test/a"), entry("test/b")}), kIsIndex);
    const auto found = list(world, "test/a");
    ASSERT_TRUE(found) << says.status << found.error().message;
    EXPECT_THAT(found->manifests, ElementsAre(entry("test/a"))) << says.status;
    EXPECT_EQ(world.lines()[1], "GET " + kTag);
  }
}

TEST(Referrers, AreNoneWhereThereIsNoSuchTagEither) {
  for (const auto& [status, body] :
       {std::pair(404, std::string()), std::pair(200, std::string("{}"))}) {
    Scripted world;
    world.http.answer(404);
    world.http.answer(status, body, {{"Content-Type", std::string(oci::media_type::kOciManifest)}});
    const auto found = list(world);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_THAT(found->manifests, IsEmpty());
  }
}

TEST(Referrers, OtherFailuresAreFailures) {
  Scripted world;
  world.http.answer(403, R"({"errors":[{"code":"DENIED","message":"no"}]})");
  EXPECT_EQ(list(world).error().code, Errc::kDenied);
}

// --- Keeping the tag -----------------------------------------------------------------------------

Result<void> put(Scripted& world, const oci::RawManifest& manifest) {
  return run_task(world.client->put_manifest(kShop, "", manifest, {}));
}

TEST(PutArtifact, IsAllWhereTheRegistryTakesNoteOfTheSubject) {
  Scripted world;
  world.http.answer(201, "", {{"OCI-Subject", kSubject.str()}});
  ASSERT_TRUE(put(world, artifact("test/a")));
  EXPECT_EQ(world.http.seen().size(), 1u);
}

TEST(PutArtifact, GoesIntoTheTagsListWhereItDoesNot) {
  Scripted world;
  const auto manifest = artifact("test/b");
  world.http.answer(201);
  auto old_list = *parse_json(index_of({entry("test/a")}));
  old_list["manifests"][0]["data"] = "e30=";  // What we do not know stays.
  world.http.answer(200, dump_json(old_list), kIsIndex);
  world.http.answer(201);

  const auto stored = put(world, manifest);

  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_THAT(world.lines(),
              ElementsAre("PUT https://r.test/v2/shop/manifests/" + manifest.digest.str(),
                          "GET " + kTag, "PUT " + kTag));
  const auto written = fakes::body_text(world.http.seen()[2]);
  EXPECT_THAT(oci::Index::parse(written)->manifests, ElementsAre(entry("test/a"), entry("test/b")));
  EXPECT_THAT(written, HasSubstr(R"("data":"e30=")"));
  EXPECT_EQ(world.http.seen()[2].headers.get("Content-Type"), kIndexType);
}

TEST(PutArtifact, BeginsTheListAndListsNothingTwice) {
  Scripted world;
  world.http.answer(201);
  world.http.answer(404);
  world.http.answer(201);
  ASSERT_TRUE(put(world, artifact("test/a")));
  EXPECT_THAT(oci::Index::parse(fakes::body_text(world.http.seen()[2]))->manifests,
              ElementsAre(entry("test/a")));

  world.http.answer(201);
  world.http.answer(200, index_of({entry("test/a")}), kIsIndex);
  ASSERT_TRUE(put(world, artifact("test/a")));
  EXPECT_EQ(world.http.seen().size(), 5u);
}

TEST(PutArtifact, DoesNotOverwriteATagThatHoldsSomethingElse) {
  Scripted world;
  world.http.answer(201);
  world.http.answer(200, "{}", {{"Content-Type", std::string(oci::media_type::kOciManifest)}});
  const auto stored = put(world, artifact("test/a"));
  ASSERT_TRUE(stored.has_error());
  EXPECT_EQ(stored.error().code, Errc::kCorrupt);
  EXPECT_THAT(stored.error().message, HasSubstr("should hold the list of referrers"));
  EXPECT_EQ(world.http.seen().size(), 2u);
}

TEST(PutArtifact, TwoAtOnceDoNotLoseEachOther) {
  Scripted world;
  std::string kept;
  world.http.otherwise([&](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    if (asked.url.path().find("sha256-") == std::string::npos) return fakes::ScriptedAnswer(201);
    if (asked.method == "PUT") kept = fakes::body_text(asked);
    if (asked.method == "GET" && kept.empty()) return fakes::ScriptedAnswer(404);
    return fakes::ScriptedAnswer(200, kept, kIsIndex);
  });
  std::vector<Task<Result<void>>> puts;
  for (const auto* type : {"test/a", "test/b", "test/c"})
    puts.push_back(world.client->put_manifest(kShop, "", artifact(type), {}));

  for (const auto& result : run_together(std::move(puts))) ASSERT_TRUE(result);

  EXPECT_EQ(oci::Index::parse(kept)->manifests.size(), 3u);
}

TEST(Referrer, WithoutArtifactTypeIsOfItsConfigsType) {
  EXPECT_EQ(entry("").artifact_type, "application/vnd.oci.empty.v1+json");
  EXPECT_EQ(entry("").annotations.at("by"), "test");
  EXPECT_FALSE(protocol::referrer_of({kIndexType, R"({"subject":null})"}));
  EXPECT_FALSE(protocol::referrer_of({kIndexType, R"({"manifests":[]})"}));
}

}  // namespace
}  // namespace kiln::registry
