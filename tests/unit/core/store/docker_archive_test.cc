#include "core/store/docker_archive.h"

#include <gtest/gtest.h>

#include "core/store/archive_index.h"
#include "tests/unit/core/store/store_fixture.h"

namespace kiln::store {
namespace {

namespace fs = std::filesystem;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;

class DockerArchiveTest : public StoreTest {
 protected:
  Result<void> write(const image::ImageSet& images, const std::string& name) {
    auto archive = open_docker_archive(path_, "", pool_);
    if (!archive) return archive.error();
    return put(**archive, images, name);
  }
  Result<oci::Digest> read(const std::string& name = "") {
    return read_all_of(run(read_docker_archive(path_, name, "docker-archive:there", "", pool_)));
  }
  std::string manifest_json() {
    return read_small_file(**ArchiveIndex::open(path_, ""), "manifest.json", 1 << 20).value();
  }

  fs::path path_ = directory_.path() / "image.tar";
};

TEST_F(DockerArchiveTest, GivesBackWhatWasStoredWithItsDigestWhereItHasNoAnnotations) {
  const auto images = set_of(image_of("text"));
  ASSERT_THAT(write(images, "site:1"), IsOk());
  for (const auto* name : {"", "site:1", "docker.io/library/site:1"}) {
    const auto digest = read(name);
    ASSERT_THAT(digest, IsOk());
    EXPECT_EQ(*digest, images.top().digest);
  }
}

TEST_F(DockerArchiveTest, DescribesTheImageAsDockerLoadWantsIt) {
  const auto image = image_of("text");
  ASSERT_THAT(write(set_of(image), "site:1"), IsOk());
  EXPECT_EQ(manifest_json(), R"([{"Config":")" + image.config_blob().descriptor().digest.hex() +
                                 R"(.json","Layers":[")" +
                                 image.layers()[0].descriptor.digest.hex() + R"(.tar.gz",")" +
                                 image.layers()[1].descriptor.digest.hex() +
                                 R"(.tar.gz"],"RepoTags":["site:1"]}])");
}

TEST_F(DockerArchiveTest, CanBeWithoutANameOrHaveSeveral) {
  ASSERT_THAT(write(set_of(image_of("text")), ""), IsOk());
  EXPECT_THAT(manifest_json(), ::testing::HasSubstr(R"("RepoTags":null)"));

  auto archive = open_docker_archive(path_, "", pool_);
  ASSERT_THAT(put(**archive, set_of(image_of("text")), "site:1"), IsOk());
  ASSERT_THAT(run((*archive)->put_manifest(image_of("text").manifest(), "site:2")), IsOk());
  EXPECT_THAT(manifest_json(), ::testing::HasSubstr(R"("RepoTags":["site:1","site:2"])"));
}

TEST_F(DockerArchiveTest, HasEqualBytesForEqualImages) {
  ASSERT_THAT(write(set_of(image_of("text")), "site:1"), IsOk());
  const auto once = bytes_of(path_);
  ASSERT_THAT(write(set_of(image_of("text")), "site:1"), IsOk());
  EXPECT_EQ(bytes_of(path_), once);
}

TEST_F(DockerArchiveTest, UnpacksZstdAsOldDockerDoesNotKnowIt) {
  const auto image = image_of("text", "linux/amd64", layer::Compression::kZstd);
  ASSERT_THAT(write(set_of(image), "site:1"), IsOk());
  EXPECT_THAT(manifest_json(),
              ::testing::HasSubstr(image.config().diff_ids()[1].hex() + ".tar\"]"));
  EXPECT_THAT(read(), IsOk());
}

TEST_F(DockerArchiveTest, KeepsPlainLayers) {
  const auto plain = plain_layer("a", "text");
  const auto image =
      image::Image::scratch(*oci::Platform::parse("linux/amd64"), "2024-01-01T00:00:00Z", false)
          .with_layer(plain, {"2024-01-01T00:00:00Z", "x"});
  ASSERT_THAT(write(set_of(image), "site:1"), IsOk());
  EXPECT_THAT(manifest_json(), ::testing::HasSubstr(plain.diff_id.hex() + ".tar\"]"));
  EXPECT_EQ(*read(), image.manifest().digest);
}

TEST_F(DockerArchiveTest, HoldsOneImageOfOnePlatform) {
  auto archive = open_docker_archive(path_, "", pool_);
  EXPECT_FALSE((*archive)->holds_indexes());
  EXPECT_THAT(run((*archive)->put_manifest(index_of("text").top(), "site:1")),
              FailsWith(Errc::kUnsupported, "choose it with --platform"));
}

TEST_F(DockerArchiveTest, RefusesWhatDockerCannotLoad) {
  const auto image = image_of("text");
  const auto store = [&](const oci::Manifest& manifest) {
    auto archive = open_docker_archive(path_, "", pool_);
    for (const auto& layer : image.layers())
      EXPECT_THAT(run((*archive)->put_blob(*layer.blob)), IsOk());
    EXPECT_THAT(run((*archive)->put_blob(image.config_blob())), IsOk());
    return run((*archive)->put_manifest(oci::RawManifest(manifest.media_type, manifest.to_json()),
                                        "site:1"));
  };
  const auto good = *oci::Manifest::parse(image.manifest().bytes);
  ASSERT_THAT(store(good), IsOk());

  auto artifact = good;
  artifact.config.media_type = "application/vnd.cncf.helm.config.v1+json";
  EXPECT_THAT(store(artifact), FailsWith(Errc::kUnsupported, "helm.config"));
  auto foreign = good;
  foreign.layers[0].media_type = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  EXPECT_THAT(store(foreign), FailsWith(Errc::kUnsupported, "must not be distributed"));
  auto fewer = good;
  fewer.layers.pop_back();
  EXPECT_THAT(store(fewer),
              FailsWith(Errc::kCorrupt, "the manifest has 1 layers, but the config 2 diff_ids"));
  auto missing = good;
  missing.layers[0].digest = oci::Digest::of("never stored");
  EXPECT_THAT(store(missing), FailsWith(Errc::kInternal, "was not stored before"));
}

TEST_F(DockerArchiveTest, RefusesAPlainLayerThatTheConfigDoesNotKnow) {
  const auto image = image_of("text");
  auto manifest = *oci::Manifest::parse(image.manifest().bytes);
  const auto other = plain_layer("x", "other").blob;
  manifest.layers[0].digest = other.descriptor().digest;
  auto archive = open_docker_archive(path_, "", pool_);
  ASSERT_THAT(run((*archive)->put_blob(other)), IsOk());
  ASSERT_THAT(run((*archive)->put_blob(image.config_blob())), IsOk());

  EXPECT_THAT(run((*archive)->put_manifest(
                  oci::RawManifest(manifest.media_type, manifest.to_json()), "site:1")),
              FailsWith(Errc::kCorrupt, "the config has another digest for it"));
  EXPECT_FALSE(fs::exists(path_));
}

}  // namespace
}  // namespace kiln::store
