#include "core/oci/manifest.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::oci {
namespace {

using testing::FailsWith;
using testing::IsOk;

const std::string kHex = std::string(64, '1');

std::string descriptor(const std::string& more = "") {
  return R"({"mediaType":"t","digest":"sha256:)" + kHex + R"(","size":3)" + more + "}";
}

TEST(Manifest, RoundTripsToTheSameBytes) {
  Manifest manifest(std::string(media_type::kOciManifest),
                    Descriptor(std::string(media_type::kOciConfig), Digest::of("c"), 1));
  Descriptor layer(std::string(media_type::kOciLayerGzip), Digest::of("l"), 2);
  layer.annotations["a"] = "b";
  manifest.layers.push_back(layer);
  manifest.annotations["k"] = "v";

  const auto again = Manifest::parse(manifest.to_json());

  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->to_json(), manifest.to_json());
  EXPECT_EQ(again->layers, manifest.layers);
}

struct Bad {
  std::string name, json;
  Errc code;
  std::string why;
};
void PrintTo(const Bad& row, std::ostream* out) {
  *out << row.name;
}

/// "1,1,1"
std::string numbers(std::size_t count) {
  std::string text = "1";
  for (std::size_t i = 1; i < count; ++i) text += ",1";
  return text;
}

class ManifestRefuses : public ::testing::TestWithParam<Bad> {};
TEST_P(ManifestRefuses, WhatIsNoManifest) {
  EXPECT_THAT(Manifest::parse(GetParam().json), FailsWith(GetParam().code, GetParam().why));
}
INSTANTIATE_TEST_SUITE_P(
    Table, ManifestRefuses,
    ::testing::Values(
        Bad{"NotJson", "<html>", Errc::kCorrupt, "not valid JSON"},
        Bad{"AList", "[]", Errc::kCorrupt, "not a JSON object"},
        Bad{"SchemaOne", R"({"schemaVersion":1,"fsLayers":[]})", Errc::kUnsupported, "schema 1"},
        Bad{"NoConfig", R"({"schemaVersion":2,"layers":[]})", Errc::kCorrupt,
            "config is not a descriptor"},
        Bad{"BadDigest", R"({"config":{"digest":"sha256:x","size":1}})", Errc::kCorrupt,
            "64 hex digits"},
        Bad{"NegativeSize", R"({"config":{"digest":"sha256:)" + kHex + R"(","size":-1}})",
            Errc::kCorrupt, "size is missing or negative"},
        Bad{"SizeBeyondInt64",
            R"({"config":{"digest":"sha256:)" + kHex + R"(","size":9223372036854775808}})",
            Errc::kCorrupt, "size is missing or negative"},
        Bad{"SizeBeyondUint64",
            R"({"config":{"digest":"sha256:)" + kHex + R"(","size":99999999999999999999999}})",
            Errc::kCorrupt, "size is missing or negative"},
        Bad{"SizeIsFraction", R"({"config":{"digest":"sha256:)" + kHex + R"(","size":1.5}})",
            Errc::kCorrupt, "size is missing or negative"},
        Bad{"SizeIsText", R"({"config":{"digest":"sha256:)" + kHex + R"(","size":"1"}})",
            Errc::kCorrupt, "size"},
        Bad{"LayersIsNoList", R"({"config":)" + descriptor() + R"(,"layers":{}})", Errc::kCorrupt,
            "not a list"},
        Bad{"LayerIsText", R"({"config":)" + descriptor() + R"(,"layers":["x"]})", Errc::kCorrupt,
            "layers[0] is not a descriptor"},
        Bad{"AMillionLayers",
            R"({"config":)" + descriptor() + R"(,"layers":[)" + numbers(1'000'000) + "]}",
            Errc::kCorrupt, "\"layers\" has more than 4096 entries"},
        Bad{"DeepNesting", std::string(100'000, '['), Errc::kCorrupt, "nested deeper"}),
    [](const auto& test) { return test.param.name; });

TEST(Index, RefusesMoreEntriesThanAnyoneNeeds) {
  EXPECT_THAT(Index::parse(R"({"manifests":[)" + numbers(4097) + "]}"),
              FailsWith(Errc::kCorrupt, "\"manifests\" has more than 4096 entries"));
}

TEST(Index, ReadsPlatformsAndKnowsAttestations) {
  const auto index = Index::parse(
      R"({"manifests":[)" +
      descriptor(R"(,"platform":{"os":"linux","architecture":"arm","variant":"v7"})") + "," +
      descriptor(R"(,"platform":{"os":"unknown","architecture":"unknown"})") + "]}");

  ASSERT_THAT(index, IsOk());
  EXPECT_EQ(index->manifests[0].platform->str(), "linux/arm/v7");
  EXPECT_FALSE(is_attestation(index->manifests[0]));
  EXPECT_TRUE(is_attestation(index->manifests[1]));
}

TEST(Index, KeepsTheWholePlatformOfAnEntry) {
  const auto index =
      Index::parse(R"({"manifests":[)" +
                   descriptor(R"(,"platform":{"architecture":"amd64","os":"windows",)"
                              R"("os.features":["win32k"],"os.version":"10.0.1","variant":"v1"})") +
                   "]}");

  ASSERT_THAT(index, IsOk());
  const Platform want{"windows", "amd64", "v1", "10.0.1", {"win32k"}};
  EXPECT_EQ(index->manifests[0].platform, want);
  EXPECT_EQ(Index::parse(index->to_json())->manifests[0].platform, want);
}

TEST(MediaType, IsTakenFromTheDocumentThenTheHeaderThenTheShape) {
  EXPECT_EQ(
      *detect_media_type(R"({"mediaType":"application/vnd.oci.image.index.v1+json"})", "text/html"),
      media_type::kOciIndex);
  EXPECT_EQ(*detect_media_type(
                "{}", "application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"),
            media_type::kDockerManifest);
  EXPECT_EQ(*detect_media_type(R"({"config":{}})", ""), media_type::kOciManifest);
  EXPECT_EQ(*detect_media_type(R"({"manifests":[]})", ""), media_type::kOciIndex);
  EXPECT_THAT(detect_media_type("{}", "text/html"), FailsWith(Errc::kCorrupt, "neither"));
}

TEST(MediaType, ConvertsBetweenTheFamiliesAndBack) {
  for (const auto type : {media_type::kOciManifest, media_type::kOciIndex, media_type::kOciConfig,
                          media_type::kOciLayerGzip})
    EXPECT_EQ(media_type::to_oci(media_type::to_docker(type)), type);
  EXPECT_EQ(media_type::to_docker("application/x"), "application/x");
}

TEST(MediaType, KnowsHowALayerIsCompressed) {
  using media_type::LayerCompression;
  EXPECT_EQ(media_type::layer_compression(media_type::kDockerLayerGzip), LayerCompression::kGzip);
  EXPECT_EQ(media_type::layer_compression(media_type::kOciLayerZstd), LayerCompression::kZstd);
  EXPECT_EQ(media_type::layer_compression(media_type::kOciLayer), LayerCompression::kNone);
  EXPECT_EQ(media_type::layer_compression("application/wasm"), LayerCompression::kUnknown);
}

}  // namespace
}  // namespace kiln::oci
