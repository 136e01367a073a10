#include "core/build/image_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/image/validate.h"
#include "tests/unit/core/build/stored_images.h"

namespace kiln::build {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::IsEmpty;
using testing::IsOk;

class Load : public StoredImages {
 protected:
  Result<ResolvedImage> load(const std::string& reference, std::vector<std::string> wanted = {}) {
    const auto image = reader(reference);
    std::vector<oci::Platform> platforms;
    for (const auto& text : wanted) platforms.push_back(*oci::Platform::parse(text));
    return run(load_image(*image, std::move(platforms)));
  }

  static std::vector<std::string> platforms_of(const ResolvedImage& image) {
    std::vector<std::string> all;
    for (const auto& one : image.platforms) all.push_back(one.platform.str());
    return all;
  }

  oci::Descriptor image_for(const std::string& platform, const std::string& bytes = "x") {
    return add_image("r.test/all", platform, {testing::file("a", bytes)});
  }
};

TEST_F(Load, GivesEveryLinuxPlatformOfAnIndexInItsOrder) {
  auto attestation = add_artifact("r.test/all", "", {});
  attestation.platform = oci::Platform{"unknown", "unknown"};
  add_index("r.test/all", "1",
            {image_for("linux/arm64"), attestation, image_for("windows/amd64"),
             image_for("linux/amd64")});

  const auto image = load("r.test/all:1");

  ASSERT_THAT(image, IsOk());
  EXPECT_THAT(platforms_of(*image), ElementsAre("linux/arm64", "linux/amd64"));
  EXPECT_THAT(image->warnings,
              ElementsAre("skipped windows/amd64: only Linux images are worked on"));
  EXPECT_THAT(image->missing_platforms, IsEmpty());
  EXPECT_TRUE(image->is_index);
}

TEST_F(Load, ReadsNoLayer) {
  registry_.forget_calls();
  const auto image = load("r.test/nginx:1.27");
  ASSERT_THAT(image, IsOk());
  EXPECT_EQ(registry_.count("fetch_blob_into"), 0U);
  for (const auto& one : image->platforms)
    for (const auto& layer : one.image.layers()) EXPECT_EQ(layer.repository->str(), "r.test/nginx");
}

TEST_F(Load, GivesThePlatformsThatAreAskedForEachOnce) {
  add_index("r.test/all", "1",
            {image_for("linux/amd64"), image_for("linux/arm/v6"), image_for("linux/arm/v7")});
  const auto image =
      load("r.test/all:1", {"linux/arm/v7", "linux/amd64", "linux/amd64", "linux/s390x"});
  ASSERT_THAT(image, IsOk());
  EXPECT_THAT(platforms_of(*image), ElementsAre("linux/arm/v7", "linux/amd64"));
  ASSERT_EQ(image->missing_platforms.size(), 1U);
  EXPECT_EQ(image->missing_platforms[0].str(), "linux/s390x");
}

TEST_F(Load, OfEntriesForOnePlatformTheFirstCounts) {
  const auto first = image_for("linux/amd64", "1");
  const auto second = image_for("linux/amd64", "2");
  add_index("r.test/all", "1", {first, second, image_for("linux/arm64")});
  for (const auto& wanted : {std::vector<std::string>(), {"linux/amd64", "linux/arm64"}}) {
    const auto image = load("r.test/all:1", wanted);
    ASSERT_THAT(image, IsOk());
    EXPECT_THAT(platforms_of(*image), ElementsAre("linux/amd64", "linux/arm64"));
    EXPECT_EQ(image->platforms[0].descriptor.digest, first.digest);
  }
}

TEST_F(Load, KeepsWhatTheIndexSaysOfAPlatform) {
  auto entry = image_for("linux/arm64");
  entry.platform = oci::Platform{"linux", "arm64", "v8", "6.1", {"x"}};
  auto silent = image_for("linux/amd64");
  silent.platform.reset();
  add_index("r.test/all", "1", {entry, silent});

  const auto image = load("r.test/all:1");

  ASSERT_THAT(image, IsOk());
  EXPECT_EQ(image->platforms[0].image.platform(), *entry.platform);
  EXPECT_EQ(image->platforms[0].platform, *entry.platform);
  EXPECT_EQ(image->platforms[1].image.platform().str(), "linux/amd64");
  image::ImageSet again;
  again.as_index = true;
  for (const auto& one : image->platforms) again.images.push_back(one.image);
  EXPECT_THAT(image::validate(again), IsOk());
}

TEST_F(Load, OfAnIndexWithoutLinuxSaysThatLinuxIsMissing) {
  add_index("r.test/all", "1", {image_for("windows/amd64")});
  const auto image = load("r.test/all:1");
  ASSERT_THAT(image, IsOk());
  EXPECT_THAT(image->platforms, IsEmpty());
  EXPECT_EQ(image->missing_platforms.at(0).str(), "linux/amd64");
}

TEST_F(Load, GivesASingleImageAndSaysWhatIsNotInIt) {
  registry_.set_tag("r.test/all", "1", image_for("linux/arm64").digest);
  const auto image = load("r.test/all:1");
  ASSERT_THAT(image, IsOk());
  EXPECT_THAT(platforms_of(*image), ElementsAre("linux/arm64"));
  EXPECT_FALSE(image->is_index);
  EXPECT_EQ(image->digest, registry_.tag("r.test/all", "1"));
  EXPECT_THAT(load("r.test/all:1", {"linux/arm64"})->missing_platforms, IsEmpty());
  EXPECT_EQ(load("r.test/all:1", {"linux/amd64"})->missing_platforms.at(0).str(), "linux/amd64");
}

TEST_F(Load, KeepsTheAnnotationsAndTheFamilyOfAnIndex) {
  oci::Index index{std::string(oci::media_type::kDockerIndex)};
  index.manifests = {image_for("linux/amd64")};
  registry_.add_manifest("r.test/all", "docker", {index.media_type, index.to_json()});
  EXPECT_TRUE(load("r.test/all:docker")->docker_media_types);
  index.media_type = oci::media_type::kOciIndex;
  index.annotations = {{"a", "b"}};
  registry_.add_manifest("r.test/all", "oci", {index.media_type, index.to_json()});
  const auto image = load("r.test/all:oci");
  EXPECT_FALSE(image->docker_media_types);
  EXPECT_EQ(image->annotations, index.annotations);
}

// --- B17: a base that lies
// ------------------------------------------------------------------------

constexpr auto kConfigType = "application/vnd.oci.image.config.v1+json";

std::string config_with(const std::string& diff_ids, const std::string& history = "[]") {
  return R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[)" +
         diff_ids + R"(]},"history":)" + history + "}";
}

const std::string kDiffId = "\"" + oci::Digest::of("x").str() + "\"";

TEST_F(Load, RefusesAnIndexOfMorePlatformsThanThereAre) {
  const auto image = image_for("linux/amd64");
  std::vector<oci::Descriptor> entries;
  for (int i = 0; i < 65; ++i) {
    entries.push_back(image);
    entries.back().platform = oci::Platform{"linux", "amd64", "v" + std::to_string(i)};
  }
  add_index("r.test/all", "65", entries);
  entries.pop_back();
  add_index("r.test/all", "64", entries);
  registry_.forget_calls();

  EXPECT_THAT(load("r.test/all:65"),
              FailsWith(Errc::kInvalid,
                        "r.test/all:65 has images for more than 64 Linux platforms; name those "
                        "that are wanted"));

  EXPECT_EQ(registry_.count("fetch_blob"), 0U);
  EXPECT_THAT(load("r.test/all:64"), IsOk());
  EXPECT_THAT(load("r.test/all:65", {"linux/amd64/v7"}), IsOk());
}

TEST_F(Load, RefusesAnIndexWithinAnIndex) {
  const auto inner = add_index("r.test/all", "", {image_for("linux/amd64")});
  add_index("r.test/all", "1", {inner});
  EXPECT_THAT(load("r.test/all:1"),
              FailsWith(Errc::kUnsupported, "indexes within indexes are not supported"));
}

TEST_F(Load, RefusesAnArtifact) {
  add_artifact("r.test/all", "1", {});
  EXPECT_THAT(load("r.test/all:1"), FailsWith(Errc::kUnsupported, "not a container image"));
}

TEST_F(Load, RefusesNumbersOfLayersThatDoNotFit) {
  const auto layer =
      registry_.add_blob("r.test/all", "l", std::string(oci::media_type::kOciLayerGzip));
  add_manifest("r.test/all", "few", kConfigType, config_with(""), {layer});
  add_manifest("r.test/all", "many", kConfigType, config_with(kDiffId + "," + kDiffId), {layer});
  add_manifest("r.test/all", "history", kConfigType,
               config_with(kDiffId, R"([{"created_by":"a"},{"created_by":"b"}])"), {layer});
  EXPECT_THAT(load("r.test/all:few"),
              FailsWith(Errc::kCorrupt, "the manifest has 1 layer but the config 0 diff_ids"));
  EXPECT_THAT(load("r.test/all:many"), FailsWith(Errc::kCorrupt, "the config 2 diff_ids"));
  EXPECT_THAT(load("r.test/all:history"),
              FailsWith(Errc::kCorrupt, "the config's history tells of 2 layers"));
}

TEST_F(Load, RefusesAConfigOfAnotherSizeOrDigest) {
  const auto config = config_with("");
  oci::Manifest manifest(std::string(oci::media_type::kOciManifest),
                         registry_.add_blob("r.test/all", config, kConfigType));
  manifest.config.size_bytes += 1;
  registry_.add_manifest("r.test/all", "size", {manifest.media_type, manifest.to_json()});
  EXPECT_THAT(load("r.test/all:size"), FailsWith(Errc::kCorrupt, "r.test/all:size"));
  EXPECT_THAT(load("r.test/all:size"), FailsWith(Errc::kCorrupt, "the manifest says"));
}

TEST_F(Load, SaysWhichImageHasNoConfig) {
  const auto entry = image_for("linux/amd64");
  const auto manifest =
      *oci::Manifest::parse(registry_.manifest("r.test/all", entry.digest)->bytes);
  registry_.forget_blob("r.test/all", manifest.config.digest);
  registry_.set_tag("r.test/all", "1", entry.digest);
  EXPECT_THAT(load("r.test/all:1"), FailsWith(Errc::kNotFound, manifest.config.digest.str()));
}

}  // namespace
}  // namespace kiln::build
