#include "core/image/image.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/core/layer/support.h"

namespace kiln::image {
namespace {

using layer::testing_support::file;
using layer::testing_support::tree_of;
namespace media_type = oci::media_type;

constexpr std::string_view kCreated = "2020-01-01T00:00:00Z";

oci::HistoryEntry line(std::string by) {
  oci::HistoryEntry entry;
  entry.created = kCreated;
  entry.created_by = std::move(by);
  return entry;
}

layer::Layer content_layer(const std::string& text = "hello", bool docker = false) {
  layer::LayerOptions options;
  options.docker_media_types = docker;
  return std::move(*layer::make_layer(tree_of({file("x", text)}), options));
}

const std::string kA(64, 'a');
const std::string kB(64, 'b');

oci::Descriptor layer_descriptor(std::string_view type, const std::string& hex) {
  return {std::string(type), *oci::Digest::parse("sha256:" + hex), 1000};
}

/// A base of two layers, as pulled; `config` has to fit.
oci::Manifest base_manifest(std::string_view config, bool docker = false) {
  oci::Manifest manifest(
      std::string(docker ? media_type::kDockerManifest : media_type::kOciManifest),
      oci::Descriptor(std::string(docker ? media_type::kDockerConfig : media_type::kOciConfig),
                      oci::Digest::of(config), config.size()));
  const auto type = docker ? media_type::kDockerLayerGzip : media_type::kOciLayerGzip;
  manifest.layers = {layer_descriptor(type, kA), layer_descriptor(type, kB)};
  manifest.annotations = {{"org.example.base", "yes"}};
  return manifest;
}

std::string base_config(
    std::string history =
        R"([{"created_by":"one"},{"created_by":"env","empty_layer":true},{"created_by":"two"}])",
    std::string diff_ids = "\"sha256:" + kA + "\",\"sha256:" + kB + "\"") {
  return R"({"architecture":"arm","os":"linux","variant":"v7","x-unknown":{"deep":[1,2]},)"
         R"("config":{"Env":["A=1"],"Entrypoint":["/x"],"Healthcheck":{"Test":["NONE"]}},"history":)" +
         history + R"(,"rootfs":{"type":"layers","diff_ids":[)" + diff_ids + "]}}";
}

Image base_image(bool docker = false) {
  const auto config = base_config();
  auto image = Image::from_manifest(base_manifest(config, docker), config,
                                    oci::Repository{"registry.example", "lib/base"});
  EXPECT_TRUE(image.has_value()) << (image ? "" : image.error().message);
  return std::move(*image);
}

TEST(Image, FromScratchHasNoLayers) {
  const auto image = Image::scratch({"linux", "amd64"}, kCreated, false);
  const auto raw = image.manifest();
  const auto manifest = oci::Manifest::parse(raw.bytes);
  ASSERT_TRUE(manifest.has_value());
  EXPECT_EQ(raw.media_type, media_type::kOciManifest);
  EXPECT_TRUE(manifest->layers.empty());
  EXPECT_EQ(manifest->config, image.config_blob().descriptor());
}

TEST(Image, FromAManifestKnowsWhereItsLayersAre) {
  const auto image = base_image();
  ASSERT_EQ(image.layers().size(), 2U);
  EXPECT_EQ(image.layers()[0].repository->str(), "registry.example/lib/base");
  EXPECT_FALSE(image.layers()[0].blob.has_value());
  EXPECT_EQ(image.annotations().at("org.example.base"), "yes");
  EXPECT_FALSE(image.docker_media_types());
  EXPECT_TRUE(base_image(true).docker_media_types());
}

TEST(Image, KeepsWhatItDoesNotKnowInTheConfig) {
  const auto changed = base_image().with_layer(content_layer(), line("kiln"));
  const auto json = changed.config().to_json();
  EXPECT_NE(json.find(R"("x-unknown":{"deep":[1,2]})"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("Healthcheck":{"Test":["NONE"]})"), std::string::npos) << json;
}

struct BadBase {
  std::string name;
  std::string config;
  void (*break_it)(oci::Manifest&);
  Errc code;
  std::string why;
};

class FromManifestRejects : public testing::TestWithParam<BadBase> {};

TEST_P(FromManifestRejects, WhatDoesNotFitTogether) {
  auto manifest = base_manifest(GetParam().config);
  GetParam().break_it(manifest);
  const auto image = Image::from_manifest(manifest, GetParam().config, std::nullopt);
  ASSERT_TRUE(image.has_error());
  EXPECT_EQ(image.error().code, GetParam().code);
  EXPECT_NE(image.error().message.find(GetParam().why), std::string::npos) << image.error().message;
}

void nothing(oci::Manifest&) {}

INSTANTIATE_TEST_SUITE_P(
    Table, FromManifestRejects,
    testing::ValuesIn(std::vector<BadBase>{
        {"WrongSize", base_config(), [](oci::Manifest& m) { ++m.config.size_bytes; },
         Errc::kCorrupt, "bytes, the manifest says"},
        {"WrongDigest", base_config(),
         [](oci::Manifest& m) { m.config.digest = oci::Digest::of("another"); }, Errc::kCorrupt,
         "the config does not match its digest sha256:"},
        {"FewerDiffIds", base_config("[]", "\"sha256:" + kA + "\""), nothing, Errc::kCorrupt,
         "the manifest has 2 layers but the config 1 diff_id"},
        {"FewerLayers", base_config(), [](oci::Manifest& m) { m.layers.pop_back(); },
         Errc::kCorrupt, "the manifest has 1 layer but the config 2 diff_ids"},
        {"MoreHistoryThanLayers", base_config("[{},{},{}]"), nothing, Errc::kCorrupt,
         "the config's history tells of 3 layers but the manifest has 2"},
        {"NotJson", "{", nothing, Errc::kCorrupt, ""},
        {"Artifact", base_config(),
         [](oci::Manifest& m) { m.config.media_type = "application/vnd.example.chart"; },
         Errc::kUnsupported,
         "not a container image: its config has the media type \"application/vnd.example.chart\""},
    }),
    [](const auto& test) { return test.param.name; });

TEST(FromManifest, TakesABaseWhoseHistoryIsShortOrMissing) {
  for (const auto* history : {"[]", "null", R"([{"created_by":"one"}])"}) {
    const auto config = base_config(history);
    EXPECT_TRUE(Image::from_manifest(base_manifest(config), config, std::nullopt).has_value())
        << history;
  }
}

TEST(Image, VerbsMakeNewImagesAndLeaveTheOld) {
  const auto base = base_image();
  const auto before = base.manifest().bytes;

  const auto made = content_layer();
  const auto next = base.with_layer(made, line("kiln add"));

  EXPECT_EQ(base.manifest().bytes, before);
  ASSERT_EQ(next.layers().size(), 3U);
  EXPECT_EQ(next.layers()[2].descriptor, made.blob.descriptor());
  EXPECT_TRUE(next.layers()[2].blob.has_value());
  EXPECT_EQ(next.config().diff_ids().back(), made.diff_id);
  EXPECT_EQ(next.config().history().back().created_by, "kiln add");
  EXPECT_EQ(next.config().history().size(), 4U);
}

TEST(Image, ConfigAndAnnotationsAreReplacedAndAdded) {
  const auto base = base_image();
  oci::ConfigPatch patch;
  patch.user = "101";
  const auto next = base.with_config(base.config().with_patch(patch))
                        .with_annotations({{"org.example.base", "no"}, {"a", "b"}});
  EXPECT_EQ(next.config().user(), "101");
  EXPECT_EQ(next.annotations(), (oci::Annotations{{"a", "b"}, {"org.example.base", "no"}}));
  EXPECT_EQ(oci::Manifest::parse(next.manifest().bytes)->annotations, next.annotations());
}

TEST(Image, AnnotationsCanBeReplacedAsAWhole) {
  EXPECT_EQ(base_image().with_only_annotations({{"a", "b"}}).annotations(),
            (oci::Annotations{{"a", "b"}}));
}

std::vector<std::string> types_of(const Image& image) {
  const auto manifest = *oci::Manifest::parse(image.manifest().bytes);
  std::vector<std::string> types = {image.manifest().media_type, manifest.config.media_type};
  for (const auto& descriptor : manifest.layers) types.push_back(descriptor.media_type);
  return types;
}

TEST(Image, MediaTypesAreNeverMixed) {
  const std::vector<std::string> oci = {
      std::string(media_type::kOciManifest), std::string(media_type::kOciConfig),
      std::string(media_type::kOciLayerGzip), std::string(media_type::kOciLayerGzip),
      std::string(media_type::kOciLayerGzip)};
  const std::vector<std::string> docker = {
      std::string(media_type::kDockerManifest), std::string(media_type::kDockerConfig),
      std::string(media_type::kDockerLayerGzip), std::string(media_type::kDockerLayerGzip),
      std::string(media_type::kDockerLayerGzip)};
  for (const bool base_docker : {false, true})
    for (const bool layer_docker : {false, true}) {
      const auto image =
          base_image(base_docker).with_layer(content_layer("x", layer_docker), line("kiln"));
      EXPECT_EQ(types_of(image), base_docker ? docker : oci);
      EXPECT_EQ(types_of(image.with_media_types(false)), oci);
      EXPECT_EQ(types_of(image.with_media_types(true)), docker);
      EXPECT_EQ(types_of(image.with_media_types(true).with_media_types(false)), oci);
    }
}

TEST(Image, KeepsLayerTypesItDoesNotKnow) {
  const auto config = base_config();
  auto manifest = base_manifest(config);
  manifest.layers[0].media_type = "application/vnd.example.layer";
  manifest.layers[1].media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  manifest.layers[1].urls = {"https://example.com/layer"};
  const auto image = Image::from_manifest(manifest, config, std::nullopt);
  ASSERT_TRUE(image.has_value());
  const auto made = *oci::Manifest::parse(image->with_media_types(true).manifest().bytes);
  EXPECT_EQ(made.layers[0].media_type, "application/vnd.example.layer");
  EXPECT_EQ(made.layers[1], manifest.layers[1]);
}

TEST(Image, DockerManifestsCarryNoAnnotations) {
  EXPECT_TRUE(oci::Manifest::parse(base_image(true).manifest().bytes)->annotations.empty());
  EXPECT_EQ(base_image(true).annotations().size(), 1U);
}

TEST(Image, IsSerialisedTheSameEachTime) {
  const auto one = base_image().with_layer(content_layer(), line("kiln"));
  const auto two = base_image().with_layer(content_layer(), line("kiln"));
  EXPECT_EQ(one.manifest().bytes, two.manifest().bytes);
  EXPECT_EQ(one.manifest().digest, two.manifest().digest);
  EXPECT_EQ(one.config_blob().descriptor(), two.config_blob().descriptor());
}

TEST(Image, ManifestNamesTheConfigThatIsSent) {
  const auto image = base_image().with_layer(content_layer(), line("kiln"));
  auto source = image.config_blob().open();
  const auto bytes = *read_all(**source, 1 << 20);
  const auto manifest = *oci::Manifest::parse(image.manifest().bytes);
  EXPECT_EQ(manifest.config.digest, oci::Digest::of(bytes));
  EXPECT_EQ(manifest.config.size_bytes, bytes.size());
}

ImageSet two_platforms(bool docker = false) {
  ImageSet set;
  set.images = {Image::scratch({"linux", "amd64"}, kCreated, docker),
                Image::scratch({"linux", "arm", "v7"}, kCreated, docker)};
  set.as_index = true;
  set.docker_media_types = docker;
  set.annotations = {{"a", "b"}};
  return set;
}

TEST(ImageSet, IndexNamesEachImageWithItsPlatform) {
  const auto set = two_platforms();
  const auto raw = set.index();
  const auto index = oci::Index::parse(raw.bytes);
  ASSERT_TRUE(index.has_value());
  EXPECT_EQ(raw.media_type, media_type::kOciIndex);
  EXPECT_EQ(index->annotations, set.annotations);
  ASSERT_EQ(index->manifests.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& entry = index->manifests[i];
    EXPECT_EQ(entry.digest, set.images[i].manifest().digest);
    EXPECT_EQ(entry.size_bytes, set.images[i].manifest().bytes.size());
    EXPECT_EQ(entry.media_type, media_type::kOciManifest);
    EXPECT_EQ(entry.platform, set.images[i].config().platform());
  }
  EXPECT_EQ(index->manifests[1].platform->variant, "v7");
  EXPECT_EQ(set.index().bytes, raw.bytes);
}

TEST(ImageSet, IndexKeepsWhatTheBasesIndexSaidOfAPlatform) {
  auto set = two_platforms();
  const oci::Platform said{"linux", "amd64", "v3", "6.1", {"x"}};
  set.images[0] = set.images[0].with_platform(said).with_layer(content_layer(), line("kiln"));

  const auto index = *oci::Index::parse(set.index().bytes);

  EXPECT_EQ(set.images[0].platform(), said);
  EXPECT_EQ(set.images[0].config().platform().variant, "");
  EXPECT_EQ(index.manifests[0].platform, said);
  EXPECT_EQ(index.manifests[1].platform, set.images[1].config().platform());
}

TEST(ImageSet, DockerListsHaveDockersTypesAndNoAnnotations) {
  const auto raw = two_platforms(true).index();
  const auto index = oci::Index::parse(raw.bytes);
  ASSERT_TRUE(index.has_value());
  EXPECT_EQ(raw.media_type, media_type::kDockerIndex);
  EXPECT_EQ(index->manifests[0].media_type, media_type::kDockerManifest);
  EXPECT_TRUE(index->annotations.empty());
}

TEST(ImageSet, TopIsTheIndexOrTheOneManifest) {
  auto set = two_platforms();
  EXPECT_EQ(set.top().digest, set.index().digest);
  set.images.pop_back();
  EXPECT_EQ(set.top().digest, set.index().digest);
  set.as_index = false;
  EXPECT_EQ(set.top().digest, set.images[0].manifest().digest);
  EXPECT_EQ(set.top().media_type, media_type::kOciManifest);
}

}  // namespace
}  // namespace kiln::image
