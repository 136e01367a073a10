// One manifest under several tags.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using testing::run_task;

const oci::RawManifest kManifest(std::string(oci::media_type::kOciManifest), "{}");
const std::string kManifests = "PUT https://r.test/v2/shop/manifests/";
const std::string kByDigest = kManifests + kManifest.digest.str();

Result<void> put(Scripted& world, std::vector<std::string> tags) {
  return run_task(world.client->put_manifest_tags(kShop, std::move(tags), kManifest, {}));
}

TEST(PutManifestTags, GoInOneRequestWhereTheRegistryCanDoThat) {
  Scripted world;
  fakes::ScriptedAnswer stored(201);
  stored.headers.add("OCI-Tag", "1.2.3, 1.2");
  stored.headers.add("OCI-Tag", "latest");
  world.http.answer(stored);
  ASSERT_TRUE(put(world, {"1.2.3", "1.2", "latest"}));
  EXPECT_THAT(world.lines(), ElementsAre(kByDigest + "?tag=1.2.3&tag=1.2&tag=latest"));
}

TEST(PutManifestTags, ThoseThatWereNotTakenFollow) {
  Scripted world;
  world.http.answer(201, "", {{"OCI-Tag", "1.2.3"}});
  world.http.answer(201);
  ASSERT_TRUE(put(world, {"1.2.3", "latest"}));
  EXPECT_THAT(world.lines(),
              ElementsAre(kByDigest + "?tag=1.2.3&tag=latest", kManifests + "latest"));
}

TEST(PutManifestTags, ARegistryThatTakesOneAtATimeIsNotAskedAgain) {
  Scripted world;
  for (int i = 0; i < 5; ++i) world.http.answer(201);
  ASSERT_TRUE(put(world, {"a", "b"}));
  ASSERT_TRUE(put(world, {"c", "d"}));
  EXPECT_THAT(world.lines(), ElementsAre(kByDigest + "?tag=a&tag=b", kManifests + "a",
                                         kManifests + "b", kManifests + "c", kManifests + "d"));
}

TEST(PutManifestTags, ThatAreRefusedAtTheSameTimeGoOneByOne) {
  Scripted world;
  world.http.answer(201);
  world.http.answer(201);
  world.http.answer(409);
  world.http.answer(201);
  world.http.answer(201);
  ASSERT_TRUE(put(world, {"a", "b"}));
  EXPECT_THAT(world.lines(), ElementsAre(kByDigest + "?tag=a&tag=b", kManifests + "a",
                                         kManifests + "b", kManifests + "a", kManifests + "b"));
}

TEST(PutManifestTags, ARefusalOfSoManyIsNoFailure) {
  for (const int status : {400, 414, 431}) {
    Scripted world;
    world.http.answer(status);
    world.http.answer(201);
    world.http.answer(201);
    ASSERT_TRUE(put(world, {"a", "b"})) << status;
    EXPECT_EQ(world.http.seen().size(), 3u);
  }
}

TEST(PutManifestTags, OneTagIsAnOrdinaryPut) {
  Scripted world;
  world.http.answer(201);
  ASSERT_TRUE(put(world, {"latest"}));
  EXPECT_THAT(world.lines(), ElementsAre(kManifests + "latest"));
}

TEST(PutManifestTags, ManyGoTenAtATime) {
  Scripted world;
  world.http.otherwise([](const http::Request& asked) -> Result<fakes::ScriptedAnswer> {
    fakes::ScriptedAnswer stored(201);
    const auto& query = asked.url.query();
    for (auto at = query.find("tag="); at != query.npos; at = query.find("tag=", at + 4))
      stored.headers.add("OCI-Tag", query.substr(at + 4, query.find('&', at) - at - 4));
    return stored;
  });
  std::vector<std::string> tags;
  for (int i = 0; i < 21; ++i) tags.push_back("t" + std::to_string(i));
  ASSERT_TRUE(put(world, tags));
  EXPECT_EQ(world.http.seen().size(), 3u);
  EXPECT_EQ(world.lines().back(), kManifests + "t20");
}

TEST(PutManifestTags, AMissingBlobIsSaidAtOnce) {
  Scripted world;
  world.http.answer(400, R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]})");
  EXPECT_EQ(put(world, {"a", "b"}).error().code, Errc::kConflict);
  EXPECT_EQ(world.http.seen().size(), 1u);
}

}  // namespace
}  // namespace kiln::registry
