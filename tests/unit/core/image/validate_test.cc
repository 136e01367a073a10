#include "core/image/validate.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/core/layer/support.h"

namespace kiln::image {
namespace {

using namespace layer::testing_support;

constexpr std::string_view kCreated = "2020-01-01T00:00:00Z";

Image scratch(bool docker = false) {
  return Image::scratch({"linux", "amd64"}, kCreated, docker);
}

oci::HistoryEntry line() {
  oci::HistoryEntry entry;
  entry.created = kCreated;
  entry.created_by = "kiln";
  return entry;
}

layer::Layer good_layer(layer::Compression compression = layer::Compression::kGzip) {
  layer::LayerOptions options;
  options.compression = compression;
  return std::move(*layer::make_layer(
      tree_of({directory("a"), file("a/b", "text"), whiteout("gone"), hardlink_to("l", "a/b")}),
      options));
}

/// A layer whose descriptor is right for `compressed`, whatever is in it.
layer::Layer layer_from(const std::string& tar) {
  auto blob = layer::Blob::of(std::string(oci::media_type::kOciLayerGzip),
                              compress(layer::Compression::kGzip, tar));
  return {std::move(blob), oci::Digest::of(tar)};
}

/// The same descriptor, other bytes.
layer::Layer with_bytes(const layer::Layer& layer, std::string bytes) {
  const auto other = layer::Blob::of("", std::move(bytes));
  return {layer::Blob(layer.blob.descriptor(), [other] { return other.open(); }), layer.diff_id};
}

std::string why(const Image& image) {
  const auto checked = validate(image);
  if (!checked.has_error()) return "";
  EXPECT_EQ(checked.error().code, Errc::kCorrupt);
  return checked.error().message;
}

TEST(Validate, AcceptsWhatTheVerbsMake) {
  EXPECT_EQ(why(scratch()), "");
  EXPECT_EQ(why(scratch(true)), "");
  EXPECT_EQ(why(scratch().with_layer(good_layer(), line())), "");
  EXPECT_EQ(why(scratch(true).with_layer(good_layer(), line())), "");
  EXPECT_EQ(why(scratch().with_layer(good_layer(layer::Compression::kZstd), line())), "");
  EXPECT_EQ(why(scratch().with_layer(good_layer(layer::Compression::kGzipSmall), line())), "");
  const auto patched = scratch().with_layer(good_layer(), line());
  EXPECT_EQ(why(patched.with_config(patched.config().with_empty_history(line()))), "");
}

TEST(Validate, FindsBytesThatAreNotThoseOfTheDescriptor) {
  const auto good = good_layer();
  const auto other = layer_from(tar_of({file("other", "longer than the first one")}));
  auto source = other.blob.open();
  const auto bytes = *read_all(**source, 1 << 20);
  EXPECT_NE(
      why(scratch().with_layer(with_bytes(good, bytes), line())).find("bytes, the manifest says"),
      std::string::npos);
}

TEST(Validate, FindsAnotherDigestOfAsManyBytes) {
  const auto one = layer_from(tar_of({file("a", "1")}));
  auto source = layer_from(tar_of({file("b", "2")})).blob.open();
  auto bytes = *read_all(**source, 1 << 20);
  const oci::Descriptor descriptor(one.blob.descriptor().media_type, one.blob.descriptor().digest,
                                   bytes.size());
  const auto other = layer::Blob::of("", bytes);
  const layer::Layer lying(layer::Blob(descriptor, [other] { return other.open(); }), one.diff_id);
  EXPECT_NE(why(scratch().with_layer(lying, line())).find("layer 1: its bytes have the digest"),
            std::string::npos);
}

TEST(Validate, FindsAWrongDiffId) {
  auto layer = good_layer();
  layer.diff_id = oci::Digest::of("something else");
  EXPECT_NE(why(scratch().with_layer(layer, line())).find("layer 1: its tar has the digest"),
            std::string::npos);
}

TEST(Validate, FindsWhatATarMayNotHave) {
  EXPECT_EQ(why(scratch().with_layer(layer_from(tar_of({file("a"), file("a")})), line())),
            "layer 1: \"/a\" stands twice in the layer");
  EXPECT_EQ(why(scratch()
                    .with_layer(good_layer(), line())
                    .with_layer(layer_from(tar_of({file("a/b"), directory("a")})), line())),
            "layer 2: \"/a\" comes after what is in it in the layer");
}

TEST(Validate, FindsConfigsThatDoNotFit) {
  const auto image = scratch().with_layer(good_layer(), line());
  EXPECT_EQ(why(image.with_config(scratch().config())),
            "1 layers, 1 in the manifest, 0 diff_ids in the config: these must be equal");
}

TEST(Validate, FindsMixedFamiliesOfMediaTypes) {
  const auto zstd = scratch(true).with_layer(good_layer(layer::Compression::kZstd), line());
  EXPECT_EQ(
      why(zstd),
      "layer 1 has the media type \"application/vnd.oci.image.layer.v1.tar+zstd\" in a Docker "
      "manifest");
}

TEST(Validate, LooksAtLayersInARegistryByTheirDescriptorsAlone) {
  const auto made = scratch().with_layer(good_layer(), line());
  const auto pulled =
      Image::from_manifest(*oci::Manifest::parse(made.manifest().bytes), made.config().to_json(),
                           oci::Repository{"registry.example", "x"});
  ASSERT_TRUE(pulled.has_value()) << pulled.error().message;
  EXPECT_EQ(why(*pulled), "");
  EXPECT_EQ(pulled->manifest().digest, made.manifest().digest);
}

TEST(Validate, PassesOnTheErrorOfABlobThatCannotBeRead) {
  const auto good = good_layer();
  const layer::Layer gone(layer::Blob(good.blob.descriptor(),
                                      []() -> Result<std::unique_ptr<ByteSource>> {
                                        return Error(Errc::kNotFound, "the file is gone");
                                      }),
                          good.diff_id);
  const auto checked = validate(scratch().with_layer(gone, line()));
  ASSERT_TRUE(checked.has_error());
  EXPECT_EQ(checked.error().code, Errc::kNotFound);
  EXPECT_EQ(checked.error().message, "layer 1: the file is gone");
}

Image for_platform(const oci::Platform& platform, bool docker = false) {
  return Image::scratch(platform, kCreated, docker).with_layer(good_layer(), line());
}

ImageSet index_of(std::vector<Image> images) {
  ImageSet set;
  set.images = std::move(images);
  set.as_index = true;
  set.annotations = {{"a", "b"}};
  return set;
}

std::string why(const ImageSet& set) {
  const auto checked = validate(set);
  if (!checked.has_error()) return "";
  EXPECT_EQ(checked.error().code, Errc::kCorrupt);
  return checked.error().message;
}

TEST(ValidateSet, AcceptsOneImageAndIndexesOfEitherFamily) {
  ImageSet one;
  one.images = {for_platform({"linux", "amd64"})};
  EXPECT_EQ(why(one), "");
  EXPECT_EQ(why(index_of(one.images)), "");
  auto docker = index_of({for_platform({"linux", "amd64"}, true)});
  docker.docker_media_types = true;
  EXPECT_EQ(why(docker), "");
}

TEST(ValidateSet, AcceptsWhatDiffersOnlyInItsVariantOrVersion) {
  EXPECT_EQ(
      why(index_of({for_platform({"linux", "arm", "v6"}), for_platform({"linux", "arm", "v7"}),
                    for_platform({"windows", "amd64", "", "10.0.1"}),
                    for_platform({"windows", "amd64", "", "10.0.2"}),
                    for_platform({"windows", "amd64", "", "10.0.2", {"win32k"}})})),
      "");
}

TEST(ValidateSet, AcceptsAnIndexThatKnowsMoreThanTheConfig) {
  const auto image = for_platform({"linux", "arm64"});
  EXPECT_EQ(why(index_of({image.with_platform({"linux", "arm64", "v8", "6.1", {"x"}})})), "");
  EXPECT_EQ(why(index_of({for_platform({"linux", "arm", "v7"}).with_platform({"linux", "arm"})})),
            "");
}

struct BadSet {
  std::string name, why;
  ImageSet set;
};
void PrintTo(const BadSet& row, std::ostream* out) {
  *out << row.name;
}

class ValidateSetFinds : public testing::TestWithParam<BadSet> {};
TEST_P(ValidateSetFinds, WhatDoesNotAgree) {
  EXPECT_EQ(why(GetParam().set), GetParam().why);
}

ImageSet without_index(std::vector<Image> images) {
  auto set = index_of(std::move(images));
  set.as_index = false;
  return set;
}

INSTANTIATE_TEST_SUITE_P(
    Table, ValidateSetFinds,
    testing::Values(
        BadSet{"NoImage", "there is no image", index_of({})},
        BadSet{"TwoWithoutAnIndex", "2 images need an index",
               without_index({for_platform({"linux", "amd64"}), for_platform({"linux", "arm64"})})},
        BadSet{
            "OnePlatformTwice", "the index has two images for linux/arm64/v8",
            index_of({for_platform({"linux", "arm64"}), for_platform({"linux", "arm64", "v8"})})},
        BadSet{"AnotherPlatformThanItsConfig",
               "linux/arm64: the index says linux/arm64, the config linux/amd64",
               index_of({for_platform({"linux", "amd64"}).with_platform({"linux", "arm64"})})},
        BadSet{
            "AnotherVariantThanItsConfig",
            "linux/arm/v6: the index says linux/arm/v6, the config linux/arm/v7",
            index_of({for_platform({"linux", "arm", "v7"}).with_platform({"linux", "arm", "v6"})})},
        BadSet{"AnotherVersionThanItsConfig",
               "windows/amd64: the index says windows/amd64 (2), the config windows/amd64 (1)",
               index_of({for_platform({"windows", "amd64", "", "1"})
                             .with_platform({"windows", "amd64", "", "2"})})},
        BadSet{"MixedFamilies",
               "linux/amd64: the image and its index are of different families of media types",
               index_of({for_platform({"linux", "amd64"}, true)})},
        BadSet{"AnImageThatIsWrong",
               "linux/amd64: 1 layers, 1 in the manifest, 0 diff_ids in the config: these must be "
               "equal",
               index_of({for_platform({"linux", "amd64"})
                             .with_config(oci::Config::scratch({"linux", "amd64"}, kCreated))})}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::image
