#include "core/build/copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/core/build/stored_images.h"

namespace kiln::build {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::IsEmpty;
using testing::IsOk;

/// The credentials of one user, for all repositories.
class OneUser final : public auth::Keychain {
 public:
  explicit OneUser(auth::Credential credential) : credential_(std::move(credential)) {}
  std::vector<auth::Credential> find(const oci::Repository&) const override {
    return {credential_};
  }

 private:
  auth::Credential credential_;
};

class Copy : public StoredImages {
 protected:
  CopyRequest request(std::vector<std::string> tags = {"1"}) const {
    CopyRequest made;
    made.tags = std::move(tags);
    made.origins = always({});
    return made;
  }

  Result<CopyReport> copy(const std::string& from, const std::string& to, CopyRequest request) {
    const auto source = reader(from);
    const auto destination =
        registry_destination(registry_, *oci::Reference::parse_repository(to), {});
    return run(copy_image(*source, *destination, registry_, std::move(request)));
  }
  Result<CopyReport> copy(const std::string& from, const std::string& to) {
    return copy(from, to, request());
  }

  CopyRequest for_platform(const std::string& platform) const {
    auto made = request();
    made.platform = *oci::Platform::parse(platform);
    return made;
  }

  std::vector<std::string> calls(std::string_view method) const {
    std::vector<std::string> found;
    for (const auto& call : registry_.calls())
      if (call.method == method) found.push_back(call.target);
    return found;
  }

  bool has_manifest(const std::string& repository, const oci::Digest& digest) const {
    return registry_.manifest(repository, digest).has_value();
  }
};

TEST_F(Copy, KeepsTheDigestOfAnIndexAndOfAllItNames) {
  const auto copied = copy("r.test/nginx:1.27", "other.test/nginx");

  ASSERT_THAT(copied, IsOk());
  EXPECT_EQ(copied->top.digest.str(), base_digest_);
  EXPECT_EQ(registry_.tag("other.test/nginx", "1"), copied->top.digest);
  EXPECT_EQ(registry_.manifest("other.test/nginx", copied->top.digest)->bytes,
            registry_.manifest("r.test/nginx", copied->top.digest)->bytes);
  const auto index = *oci::Index::parse(copied->top.bytes);
  for (const auto& entry : index.manifests) {
    const auto child = registry_.manifest("other.test/nginx", entry.digest);
    ASSERT_TRUE(child.has_value());
    const auto manifest = *oci::Manifest::parse(child->bytes);
    EXPECT_TRUE(registry_.has("other.test/nginx", manifest.config.digest));
    for (const auto& layer : manifest.layers)
      EXPECT_TRUE(registry_.has("other.test/nginx", layer.digest));
  }
}

TEST_F(Copy, OfWhatTheRegistryLostMeanwhileIsDoneOnceMore) {
  const Error lost(Errc::kConflict, "MANIFEST_BLOB_UNKNOWN");
  registry_.fail_next("put_manifest", lost);

  const auto copied = copy("r.test/nginx:1.27", "other.test/nginx");

  ASSERT_THAT(copied, IsOk());
  EXPECT_EQ(registry_.tag("other.test/nginx", "1"), copied->top.digest);
  registry_.fail_next("put_manifest", lost, 10);
  EXPECT_THAT(copy("r.test/nginx:1.27", "other.test/twice"),
              FailsWith(Errc::kConflict, "MANIFEST_BLOB_UNKNOWN"));
}

TEST_F(Copy, KeepsTheBytesOfAManifestThatNoToolWouldWriteLikeThat) {
  const auto config = registry_.add_blob("r.test/odd", "{ }", "application/vnd.example.config");
  const oci::RawManifest raw(
      std::string(oci::media_type::kOciManifest),
      "{\n \"schemaVersion\":2, \"unknown\": [1],\n \"config\": {\"digest\":\"" +
          config.digest.str() +
          "\", \"size\":3, \"mediaType\":\"x\"},\n"
          " \"layers\":[ ] }\n");
  registry_.add_manifest("r.test/odd", "1", raw);

  const auto copied = copy("r.test/odd:1", "other.test/odd");

  ASSERT_THAT(copied, IsOk());
  EXPECT_EQ(registry_.manifest("other.test/odd", *registry_.tag("other.test/odd", "1"))->bytes,
            raw.bytes);
}

TEST_F(Copy, DropsNothingThatAnIndexNames) {
  const auto linux = add_image("r.test/all", "linux/amd64", {testing::file("a", "1")});
  const auto windows = add_image("r.test/all", "windows/amd64", {testing::file("b", "2")});
  auto attestation = add_artifact("r.test/all", "", {registry_.add_blob("r.test/all", "proof")});
  attestation.platform = oci::Platform{"unknown", "unknown"};
  attestation.annotations["vnd.docker.reference.type"] = "attestation-manifest";
  const auto artifact = add_artifact("r.test/all", "", {add_titled("r.test/all", "x", "y")});
  const auto arm = add_image("r.test/all", "linux/arm64", {testing::file("c", "3")});
  const auto inner = add_index("r.test/all", "", {arm});
  const auto top = add_index("r.test/all", "1", {linux, windows, attestation, artifact, inner});

  ASSERT_THAT(copy("r.test/all:1", "other.test/all"), IsOk());

  for (const auto& entry : {linux, windows, attestation, artifact, arm, inner, top})
    EXPECT_TRUE(has_manifest("other.test/all", entry.digest)) << entry.media_type;
  EXPECT_TRUE(registry_.has("other.test/all", oci::Digest::of("proof")));
  EXPECT_TRUE(registry_.has("other.test/all", oci::Digest::of("y")));
  EXPECT_TRUE(registry_.has("other.test/all", oci::Digest::of("{}")));
}

TEST_F(Copy, StoresChildrenInTheIndexsOrderInnerOnesFirstAndTheTagLast) {
  const auto c = add_image("r.test/all", "linux/arm64", {testing::file("c", "3")});
  const auto b = add_index("r.test/all", "", {c});
  const auto a = add_image("r.test/all", "linux/amd64", {testing::file("a", "1")});
  add_index("r.test/all", "1", {b, a, b, a});
  registry_.forget_calls();

  ASSERT_THAT(copy("r.test/all:1", "other.test/all"), IsOk());

  const auto at = [](const oci::Descriptor& entry) {
    return "other.test/all@" + entry.digest.str();
  };
  EXPECT_THAT(calls("put_manifest"), ElementsAre(at(c), at(b), at(a), "other.test/all:1"));
  EXPECT_EQ(registry_.call_lines().back(), "put_manifest other.test/all:1");
}

TEST_F(Copy, TakesOnePlatformOfAnIndex) {
  const auto copied = copy("r.test/nginx:1.27", "other.test/nginx", for_platform("linux/arm64"));
  ASSERT_THAT(copied, IsOk());
  EXPECT_EQ(copied->top.media_type, oci::media_type::kOciManifest);
  EXPECT_EQ(registry_.tag("other.test/nginx", "1"), copied->top.digest);
  EXPECT_THAT(calls("put_manifest"), ElementsAre("other.test/nginx:1"));
}

TEST_F(Copy, SaysWhichPlatformsThereAreInstead) {
  EXPECT_THAT(copy("r.test/nginx:1.27", "other.test/nginx", for_platform("linux/s390x")),
              FailsWith(Errc::kNotFound,
                        "r.test/nginx:1.27: it has no image for linux/s390x; there are "
                        "linux/amd64, linux/arm64"));
  add_index("r.test/empty", "1", {});
  EXPECT_THAT(copy("r.test/empty:1", "other.test/x", for_platform("linux/amd64")),
              FailsWith(Errc::kNotFound, "there are none"));
}

TEST_F(Copy, TakesTheFirstOfTwoEntriesForOnePlatformAndNoAttestation) {
  auto attestation = add_artifact("r.test/all", "", {});
  attestation.platform = oci::Platform{"linux", "amd64"};
  attestation.annotations["vnd.docker.reference.type"] = "attestation-manifest";
  const auto first = add_image("r.test/all", "linux/amd64", {testing::file("a", "1")});
  const auto second = add_image("r.test/all", "linux/amd64", {testing::file("a", "2")});
  add_index("r.test/all", "1", {attestation, first, second});
  const auto copied = copy("r.test/all:1", "other.test/all", for_platform("linux/amd64"));
  ASSERT_THAT(copied, IsOk());
  EXPECT_EQ(copied->top.digest, first.digest);
}

TEST_F(Copy, LeavesLayersBehindThatMustNotBeDistributed) {
  auto foreign = registry_.add_blob("r.test/win", "windows",
                                    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
  foreign.urls = {"https://mcr.example/layer"};
  auto restricted = registry_.add_blob(
      "r.test/win", "secret", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
  const auto own =
      registry_.add_blob("r.test/win", "own", std::string(oci::media_type::kOciLayerGzip));
  add_manifest("r.test/win", "1", std::string(oci::media_type::kOciConfig), "{}",
               {foreign, restricted, own});
  registry_.forget_calls();

  const auto copied = copy("r.test/win:1", "other.test/win");

  ASSERT_THAT(copied, IsOk());
  EXPECT_FALSE(registry_.has("other.test/win", foreign.digest));
  EXPECT_FALSE(registry_.has("other.test/win", restricted.digest));
  EXPECT_TRUE(registry_.has("other.test/win", own.digest));
  for (const auto& line : registry_.call_lines())
    for (const auto& layer : {foreign, restricted})
      EXPECT_EQ(line.find(layer.digest.hex()), std::string::npos) << line;
  EXPECT_EQ(oci::Manifest::parse(copied->top.bytes)->layers[0].urls, foreign.urls);
}

TEST_F(Copy, SendsABlobOnceHoweverManyManifestsNameIt) {
  const auto shared = registry_.add_blob("r.test/two", "shared", "text/plain");
  const auto a = add_artifact("r.test/two", "", {shared, shared});
  const auto b = add_artifact("r.test/two", "", {shared, registry_.add_blob("r.test/two", "more")});
  add_index("r.test/two", "1", {a, b});
  registry_.forget_calls();
  ASSERT_THAT(copy("r.test/two:1", "other.test/two"), IsOk());
  EXPECT_EQ(registry_.count("ensure_blob"), 3U);  // shared, more, the empty config
  EXPECT_EQ(registry_.count("fetch_blob_into"), 3U);
}

TEST_F(Copy, MountsWithinARegistryAndDownloadsNothing) {
  registry_.forget_calls();
  const auto copied = copy("r.test/nginx:1.27", "r.test/mirror");
  ASSERT_THAT(copied, IsOk());
  EXPECT_EQ(registry_.count("fetch_blob_into"), 0U);
  EXPECT_EQ(registry_.uploads(), 0U);
  EXPECT_EQ(copied->push.uploaded_bytes, 0U);
  EXPECT_GT(copied->push.reused_bytes, 0U);
}

TEST_F(Copy, SendsNothingThatIsThereAlready) {
  ASSERT_THAT(copy("r.test/nginx:1.27", "other.test/nginx"), IsOk());
  registry_.forget_calls();
  const auto again = copy("r.test/nginx:1.27", "other.test/nginx");
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(registry_.count("fetch_blob_into"), 0U);
  EXPECT_EQ(again->push.uploaded_bytes, 0U);
}

TEST_F(Copy, GivesAllTagsThatWereAskedFor) {
  const auto copied =
      copy("r.test/nginx:1.27", "other.test/nginx", request({"1", "1.27", "latest"}));
  ASSERT_THAT(copied, IsOk());
  for (const auto* tag : {"1", "1.27", "latest"})
    EXPECT_EQ(registry_.tag("other.test/nginx", tag), copied->top.digest);
}

TEST_F(Copy, WithoutATagIsByDigestAlone) {
  const auto copied = copy("r.test/nginx:1.27", "other.test/nginx", request({""}));
  ASSERT_THAT(copied, IsOk());
  EXPECT_TRUE(has_manifest("other.test/nginx", copied->top.digest));
  EXPECT_EQ(registry_.tag("other.test/nginx", ""), std::nullopt);
}

// B17: no registry can make us go round for ever, or deeper than anybody needs.
TEST_F(Copy, RefusesIndexesThatAreNestedTooDeeply) {
  auto inner = add_image("r.test/deep", "linux/amd64", {testing::file("a", "1")});
  for (const auto* tag : {"1", "2", "3", "4"}) inner = add_index("r.test/deep", tag, {inner});
  EXPECT_THAT(copy("r.test/deep:3", "other.test/deep"), IsOk());
  EXPECT_THAT(copy("r.test/deep:4", "other.test/deeper"),
              FailsWith(Errc::kCorrupt, "indexes within indexes, more than 3 deep"));
  EXPECT_EQ(registry_.tag("other.test/deeper", "1"), std::nullopt);
}

TEST_F(Copy, GivesUpOnAThousandIndexesInEachOtherAfterThree) {
  auto inner = add_image("r.test/deep", "linux/amd64", {testing::file("a", "1")});
  for (int i = 0; i < 1000; ++i) inner = add_index("r.test/deep", i < 999 ? "" : "1", {inner});
  registry_.forget_calls();
  EXPECT_THAT(copy("r.test/deep:1", "other.test/deep"),
              FailsWith(Errc::kCorrupt, "indexes within indexes, more than 3 deep"));
  EXPECT_LE(registry_.count("fetch_manifest"), 5U);
  EXPECT_EQ(registry_.manifest_count("other.test/deep"), 0U);
}

TEST_F(Copy, TakesAnIndexThatNamesOneManifestAThousandTimesOnce) {
  const auto image = add_image("r.test/wide", "linux/amd64", {testing::file("a", "1")});
  add_index("r.test/wide", "1", std::vector<oci::Descriptor>(1000, image));
  registry_.forget_calls();
  ASSERT_THAT(copy("r.test/wide:1", "other.test/wide"), IsOk());
  EXPECT_LE(registry_.count("fetch_manifest"), 2U);
}

TEST_F(Copy, RefusesAnIndexThatLiesAboutTheSizeOfAManifest) {
  auto entry = add_image("r.test/lies", "linux/amd64", {testing::file("a", "1")});
  entry.size_bytes += 1;
  add_index("r.test/lies", "1", {entry});
  EXPECT_THAT(copy("r.test/lies:1", "other.test/lies"),
              FailsWith(Errc::kCorrupt, "the index says " + std::to_string(entry.size_bytes)));
}

TEST_F(Copy, SaysWhatIsMissing) {
  const auto gone = registry_.add_blob("r.test/gone", "gone", "text/plain");
  add_artifact("r.test/gone", "1", {gone});
  registry_.forget_blob("r.test/gone", gone.digest);
  EXPECT_THAT(copy("r.test/gone:1", "other.test/gone"),
              FailsWith(Errc::kNotFound,
                        "copying layer " + gone.digest.short_hex() + " from r.test/gone: "));
  EXPECT_THAT(copy("r.test/none:1", "other.test/none"),
              FailsWith(Errc::kNotFound, "r.test/none:1"));
}

TEST_F(Copy, LeavesTheTagWhereItWasWhenAnyCallFails) {
  ASSERT_THAT(copy("r.test/nginx:1.27", "other.test/nginx"), IsOk());
  const auto before = *registry_.tag("other.test/nginx", "1");
  add_index("r.test/next", "1",
            {add_image("r.test/next", "linux/amd64", {testing::file("n", "n")})});
  registry_.forget_calls();
  forget_what_was_read();
  ASSERT_THAT(copy("r.test/next:1", "probe.test/next"), IsOk());
  const auto calls = registry_.calls().size();
  ASSERT_GT(calls, 5U);

  for (std::size_t n = 1; n <= calls; ++n) {
    registry_.forget_calls();
    forget_what_was_read();
    registry_.fail_call(n, Error(Errc::kUnavailable, "connection was cut"));
    EXPECT_THAT(copy("r.test/next:1", "fresh" + std::to_string(n) + ".test/nginx"),
                FailsWith(Errc::kUnavailable, "connection was cut"))
        << n;
    EXPECT_EQ(registry_.tag("fresh" + std::to_string(n) + ".test/nginx", "1"), std::nullopt) << n;
  }
  EXPECT_EQ(registry_.tag("other.test/nginx", "1"), before);
}

TEST_F(Copy, TellsWhatHappens) {
  std::vector<std::string> told;
  auto asked = request();
  asked.listener = [&](const PushEvent& event) { told.push_back(event.what); };
  const auto artifact = add_artifact("r.test/a", "", {add_titled("r.test/a", "x", "y")});
  add_index("r.test/a", "1", {artifact});
  ASSERT_THAT(copy("r.test/a:1", "other.test/a", asked), IsOk());
  std::sort(told.begin(), told.end());
  EXPECT_THAT(told, ElementsAre("config " + oci::Digest::of("{}").short_hex(),
                                "layer " + oci::Digest::of("y").short_hex(),
                                "manifest " + artifact.digest.short_hex()));
}

TEST_F(Copy, ReadsBlobsWithTheRightsForWhereTheyAre) {
  const auth::Credential mine{"me", "secret"};
  access_.keychain = std::make_shared<OneUser>(mine);
  registry_.require("r.test", mine);
  auto asked = request();
  std::vector<std::string> origins;
  asked.origins = [&](const oci::Repository& repository) {
    origins.push_back(repository.str());
    return access_;
  };
  ASSERT_THAT(copy("r.test/nginx:1.27", "other.test/nginx", asked), IsOk());
  EXPECT_THAT(origins, Contains("r.test/nginx"));
  for (const auto& call : registry_.calls())
    if (call.target.starts_with("other.test/")) {
      EXPECT_THAT(call.credentials, IsEmpty());
    }
}

}  // namespace
}  // namespace kiln::build
