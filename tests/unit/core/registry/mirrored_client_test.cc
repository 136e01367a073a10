#include "core/registry/mirrored_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_registry.h"
#include "tests/unit/core/registry/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::run_task;

const oci::RawManifest kManifest(std::string(oci::media_type::kOciIndex), R"({"manifests":[]})");
const oci::Reference kTagged = *oci::Reference::parse("r.test/team/shop:v1");
const oci::Reference kPinned = kTagged.with_digest(kManifest.digest);

RegistriesConfig two_mirrors() {
  return RegistriesConfig::parse(R"(
registries:
- prefix: r.test/team
  mirrors: [{location: one.test/cache}, {location: two.test, digestOnly: true}]
)",
                                 "")
      .value();
}

class Notes final : public Listener {
 public:
  void mirror_failed(const std::string& mirror, const std::string& why) override {
    lines.push_back(mirror + ": " + why);
  }
  std::vector<std::string> lines;
};

/// A registry and two mirrors that have the same image.
struct World {
  World() {
    for (const auto* place : {"r.test/team/shop", "one.test/cache/shop", "two.test/shop"}) {
      registry.add_manifest(place, "v1", kManifest);
      blob.emplace(registry.add_blob(place, "hello"));
    }
    access.listener = notes;
  }
  fakes::FakeRegistry registry;
  MovedClock clock;
  MirroredClient client{registry, two_mirrors(), clock};
  std::optional<oci::Descriptor> blob;
  std::shared_ptr<Notes> notes = std::make_shared<Notes>();
  Access access;
};

TEST(MirroredClient, AsksAMirrorFirst) {
  World world;
  const auto found = run_task(world.client.resolve(kTagged, world.access));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(world.registry.call_lines(), ElementsAre("resolve one.test/cache/shop:v1"));
}

TEST(MirroredClient, OthersRegistriesAreNotItsBusiness) {
  World world;
  world.registry.add_manifest("r.test/teams/x", "v1", kManifest);
  ASSERT_TRUE(
      run_task(world.client.resolve(*oci::Reference::parse("r.test/teams/x:v1"), world.access)));
  EXPECT_THAT(world.registry.call_lines(), ElementsAre("resolve r.test/teams/x:v1"));
}

TEST(MirroredClient, AMirrorThatLacksItIsFollowedByTheNextAndTheRegistry) {
  World world;
  world.registry.forget_tag("one.test/cache/shop", "v1");
  ASSERT_TRUE(run_task(world.client.fetch_manifest(kTagged, world.access)));
  EXPECT_THAT(world.registry.call_lines(), ElementsAre("fetch_manifest one.test/cache/shop:v1",
                                                       "fetch_manifest r.test/team/shop:v1"));
  EXPECT_THAT(world.notes->lines,
              ElementsAre("one.test/cache: one.test/cache/shop:v1 was not found"));

  world.registry.forget_calls();
  world.registry.fail_next("fetch_manifest", Error(Errc::kNotFound, "absent"));
  ASSERT_TRUE(run_task(world.client.fetch_manifest(kPinned, world.access)));
  EXPECT_EQ(world.registry.call_lines()[1],
            "fetch_manifest two.test/shop@" + kManifest.digest.str());
}

TEST(MirroredClient, TheRegistrysOwnAnswerIsTheLastWord) {
  World world;
  world.registry.fail_next("resolve", Error(Errc::kUnavailable, "down"));
  world.registry.fail_next("resolve", Error(Errc::kDenied, "r.test: no"));
  const auto found = run_task(world.client.resolve(kTagged, world.access));
  EXPECT_EQ(found.error().message, "r.test: no");
}

TEST(MirroredClient, AMirrorThatIsDownIsLeftAloneForAWhile) {
  World world;
  world.registry.fail_next("resolve", Error(Errc::kUnavailable, "down"));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(run_task(world.client.resolve(kTagged, world.access)));
  EXPECT_THAT(world.registry.call_lines(),
              ElementsAre("resolve one.test/cache/shop:v1", "resolve r.test/team/shop:v1",
                          "resolve r.test/team/shop:v1"));
  world.clock.advance(std::chrono::minutes(6));
  ASSERT_TRUE(run_task(world.client.resolve(kTagged, world.access)));
  EXPECT_EQ(world.registry.call_lines().back(), "resolve one.test/cache/shop:v1");
}

TEST(MirroredClient, PushesGoToTheRegistryAlone) {
  World world;
  const oci::Repository shop{"r.test", "team/shop"};
  EXPECT_TRUE(*run_task(world.client.has_blob(shop, world.blob->digest, world.access)));
  ASSERT_TRUE(run_task(world.client.put_manifest(shop, "v2", kManifest, world.access)));
  ASSERT_TRUE(run_task(world.client.put_manifest_tags(shop, {"v3"}, kManifest, world.access)));
  ASSERT_TRUE(run_task(world.client.remove(kTagged, world.access)));
  for (const auto& call : world.registry.calls())
    EXPECT_THAT(call.target, ::testing::StartsWith("r.test/team/shop"));
}

TEST(MirroredClient, BlobsComeFromMirrorsAndFallBackWithoutHavingBegun) {
  World world;
  world.registry.fail_next("fetch_blob_into", Error(Errc::kUnavailable, "down"), 2);
  StringSink sink;
  const oci::Repository shop{"r.test", "team/shop"};
  ASSERT_TRUE(run_task(world.client.fetch_blob_into(shop, *world.blob, world.access, sink)));
  EXPECT_EQ(sink.str(), "hello");
  EXPECT_EQ(world.registry.count("fetch_blob_into"), 3u);
  EXPECT_EQ(*run_task(world.client.fetch_blob(shop, *world.blob, world.access)), "hello");
}

// --- With a real client below --------------------------------------------------------------------

/// A mirror and a registry, scripted.
struct Wires {
  Wires() : client(*wires.client, two_mirrors(), wires.clock) {}
  Result<std::string> fetch(const std::string& bytes, Access access = {}) {
    const oci::Descriptor blob("t", oci::Digest::of(bytes), bytes.size());
    StringSink sink;
    const oci::Repository shop{"r.test", "team/shop"};
    auto fetched = run_task(client.fetch_blob_into(shop, blob, access, sink));
    if (!fetched) return fetched.error();
    return sink.take();
  }
  Scripted wires;
  MirroredClient client;
};

TEST(MirroredDownload, ThatIsCutGoesOnAtTheNextPlace) {
  Wires world;
  world.wires.http.answer_stream(200, {"hello "}, fakes::StreamEnd::kCut);
  world.wires.http.answer_stream(200, {"hel"}, fakes::StreamEnd::kCut);
  world.wires.http.answer_stream(200, {"hello", " world"});
  const auto fetched = world.fetch("hello world");
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(*fetched, "hello world");
  EXPECT_TRUE(world.wires.waits.empty());
}

TEST(MirroredDownload, OfWrongBytesIsFoundOutAndTheMirrorLeftAlone) {
  Wires world;
  world.wires.http.answer_stream(200, {"hello wor1d"});
  world.wires.http.answer_stream(200, {"hello wor1d"});
  world.wires.http.answer_stream(200, {"hello world"});
  EXPECT_EQ(world.fetch("hello world").error().code, Errc::kCorrupt);

  world.wires.http.answer_stream(200, {"hello world"});
  const auto again = world.fetch("hello world");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_THAT(world.wires.lines().back(), HasSubstr("https://r.test/"));
}

TEST(MirroredDownload, AFullSinkIsNoReasonToAskSomebodyElse) {
  Wires world;
  world.wires.http.answer_stream(200, {"hello world"});
  const oci::Descriptor blob("t", oci::Digest::of("hello world"), 11);
  StringSink sink(3);
  const oci::Repository shop{"r.test", "team/shop"};
  EXPECT_TRUE(run_task(world.client.fetch_blob_into(shop, blob, {}, sink)).has_error());
  EXPECT_EQ(world.wires.http.seen().size(), 1u);
}

/// A secret for the registry alone.
class OriginsKeychain final : public auth::Keychain {
 public:
  std::vector<auth::Credential> find(const oci::Repository& repository) const override {
    if (repository.registry != "r.test") return {};
    return {login("me", "secret")};
  }
};

TEST(MirroredPull, TheRegistrysSecretsAndCertificatesStayWithIt) {
  Wires world;
  world.wires.http.answer(401, "", {{"WWW-Authenticate", "Basic realm=\"mirror\""}});
  world.wires.http.answer(401, "", {{"WWW-Authenticate", "Basic realm=\"r\""}});
  world.wires.http.answer(200, kManifest.bytes);
  http::TlsOptions tls;
  tls.client_cert_pem = "cert";
  Access access;
  access.keychain = std::make_shared<const OriginsKeychain>();
  access.tls = std::make_shared<const http::TlsOptions>(tls);

  const auto fetched = run_task(world.client.fetch_manifest(kTagged, access));

  ASSERT_TRUE(fetched) << fetched.error().message;
  const auto& seen = world.wires.http.seen();
  EXPECT_EQ(seen[0].url.host(), "one.test");
  EXPECT_FALSE(seen[0].headers.has("Authorization"));
  EXPECT_EQ(seen[0].tls, nullptr);
  EXPECT_EQ(seen[2].url.host(), "r.test");
  EXPECT_EQ(seen[2].headers.get("Authorization"), basic("me:secret"));
  EXPECT_EQ(seen[2].tls, access.tls);
}

TEST(MirroredPull, AMirrorIsTriedOnce) {
  Wires world;
  world.wires.http.answer(503);
  world.wires.http.answer(200, kManifest.bytes);
  ASSERT_TRUE(run_task(world.client.fetch_manifest(kTagged, {})));
  EXPECT_TRUE(world.wires.waits.empty());
}

TEST(OperatorsSettings, HoldForTheRegistryWhereTheAccessSaysNothing) {
  Scripted wires;
  auto config = RegistriesConfig::parse("registries: [{prefix: r.test, insecure: true}]", "");
  MirroredClient client(*wires.client, *std::move(config), wires.clock);
  wires.http.fail(Error(Errc::kUnavailable, "no TLS here"));
  wires.http.answer(200, kManifest.bytes);
  ASSERT_TRUE(run_task(client.fetch_manifest(kTagged, {})));
  EXPECT_THAT(wires.lines()[1], ::testing::StartsWith("GET http://r.test/"));
}

}  // namespace
}  // namespace kiln::registry
