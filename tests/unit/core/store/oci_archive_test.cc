#include "core/store/oci_archive.h"

#include <gtest/gtest.h>

#include "core/layer/compressor.h"
#include "tests/unit/core/store/store_fixture.h"

namespace kiln::store {
namespace {

namespace fs = std::filesystem;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;

class OciArchiveTest : public StoreTest {
 protected:
  Result<void> write(const image::ImageSet& images, const std::string& tag) {
    auto archive = open_oci_archive(path_, pool_);
    if (!archive) return archive.error();
    return put(**archive, images, tag);
  }
  Result<oci::Digest> read(const LayoutChoice& choice = LayoutChoice()) {
    return read_all_of(run(read_oci_archive(path_, choice, "oci-archive:there", "", pool_)));
  }

  fs::path path_ = directory_.path() / "image.tar";
};

std::string packed(layer::Compression compression, const std::string& bytes) {
  StringSink sink;
  auto compressor = layer::make_compressor(compression, sink);
  EXPECT_FALSE(compressor->write(bytes).has_error());
  EXPECT_FALSE(compressor->finish().has_error());
  return sink.take();
}

TEST_F(OciArchiveTest, GivesBackWhatWasStored) {
  for (const auto& images : {set_of(image_of("one")), index_of("several")}) {
    ASSERT_THAT(write(images, "1"), IsOk());
    const auto digest = read();
    ASSERT_THAT(digest, IsOk());
    EXPECT_EQ(*digest, images.top().digest);
  }
}

TEST_F(OciArchiveTest, IsReadWhenCompressedToo) {
  const auto images = index_of("text");
  ASSERT_THAT(write(images, "1"), IsOk());
  const auto tar = bytes_of(path_);
  for (const auto compression : {layer::Compression::kGzip, layer::Compression::kZstd}) {
    file("image.tar", packed(compression, tar));
    const auto digest = read();
    ASSERT_THAT(digest, IsOk());
    EXPECT_EQ(*digest, images.top().digest);
  }
}

TEST_F(OciArchiveTest, HasEqualBytesForEqualImages) {
  ASSERT_THAT(write(index_of("text"), "1"), IsOk());
  const auto once = bytes_of(path_);
  ASSERT_THAT(write(index_of("text"), "1"), IsOk());
  EXPECT_EQ(bytes_of(path_), once);
  ASSERT_THAT(write(index_of("other"), "1"), IsOk());
  EXPECT_NE(bytes_of(path_), once);
}

TEST_F(OciArchiveTest, HasEqualBytesWhateverComesFirst) {
  const auto image = image_of("text");
  auto archive = open_oci_archive(path_, pool_);
  ASSERT_THAT(put(**archive, set_of(image), "1"), IsOk());
  const auto once = bytes_of(path_);

  archive = open_oci_archive(path_, pool_);
  ASSERT_THAT(run((*archive)->put_blob(image.config_blob())), IsOk());
  ASSERT_THAT(run((*archive)->put_blob(*image.layers()[1].blob)), IsOk());
  ASSERT_THAT(run((*archive)->put_blob(*image.layers()[0].blob)), IsOk());
  ASSERT_THAT(run((*archive)->put_manifest(image.manifest(), "1")), IsOk());

  EXPECT_EQ(bytes_of(path_), once);
}

TEST_F(OciArchiveTest, HoldsEveryTagOfOneDestination) {
  const auto one = set_of(image_of("one"));
  const auto two = set_of(image_of("two"));
  auto archive = open_oci_archive(path_, pool_);
  ASSERT_THAT(put(**archive, one, "1"), IsOk());
  ASSERT_THAT(put(**archive, two, "2"), IsOk());

  EXPECT_EQ(*read(LayoutChoice("1")), one.top().digest);
  EXPECT_EQ(*read(LayoutChoice("2")), two.top().digest);
  EXPECT_THAT(read(), FailsWith(Errc::kInvalid, "choose one by its tag or digest: 1, 2"));
}

TEST_F(OciArchiveTest, IsNotThereBeforeItsManifest) {
  auto archive = open_oci_archive(path_, pool_);
  const auto image = image_of("text");
  ASSERT_THAT(run((*archive)->put_blob(image.config_blob())), IsOk());
  ASSERT_THAT(run((*archive)->put_manifest(image.manifest(), "")), IsOk());
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_TRUE(*run((*archive)->link_blob(image.config_blob().descriptor(), std::nullopt)));
}

TEST_F(OciArchiveTest, KeepsTheOldFileWhenABlobIsNotWhatItsDigestSays) {
  const auto old_set = set_of(image_of("old"));
  ASSERT_THAT(write(old_set, "1"), IsOk());
  auto archive = open_oci_archive(path_, pool_);
  const auto right = layer::Blob::of("x", "content");
  ASSERT_THAT(run((*archive)->put_blob(layer::Blob(
                  right.descriptor(), [] { return layer::Blob::of("x", "cintent").open(); }))),
              IsOk());

  EXPECT_THAT(put(**archive, set_of(image_of("new")), "1"),
              FailsWith(Errc::kCorrupt, "has other bytes"));

  EXPECT_EQ(*read(), old_set.top().digest);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), {}), 1);
}

TEST_F(OciArchiveTest, CanBeReadWhileItIsReplaced) {
  const auto images = set_of(image_of("old"));
  ASSERT_THAT(write(images, "1"), IsOk());
  const auto reader = run(read_oci_archive(path_, LayoutChoice(), "x", "", pool_));
  ASSERT_THAT(write(set_of(image_of("new")), "1"), IsOk());
  EXPECT_EQ(*read_all_of(reader), images.top().digest);
}

TEST_F(OciArchiveTest, ReplacesWhatASymlinkPointsTo) {
  const auto real = file("real.tar", "old");
  fs::create_symlink("real.tar", path_);
  ASSERT_THAT(write(set_of(image_of("new")), "1"), IsOk());
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_GT(fs::file_size(real), 1000U);
}

TEST_F(OciArchiveTest, SaysAtOnceWhereItCannotBe) {
  EXPECT_THAT(open_oci_archive(directory_.path(), pool_),
              FailsWith(Errc::kInvalid, "is not a regular file; name a new file"));
  EXPECT_THAT(open_oci_archive(directory_.path() / "none" / "x.tar", pool_),
              FailsWith(Errc::kNotFound, "there is no folder"));
}

TEST_F(OciArchiveTest, FindsDamageInAnyBlob) {
  const auto image = image_of("text");
  ASSERT_THAT(write(set_of(image), "1"), IsOk());
  const auto tar = bytes_of(path_);
  std::vector<layer::Blob> blobs{image.config_blob(), *image.layers()[0].blob,
                                 *image.layers()[1].blob,
                                 layer::Blob::of("x", image.manifest().bytes)};
  for (const auto& blob : blobs) {
    const auto bytes = read_all(**blob.open(), 1 << 20).value();
    auto broken = tar;
    broken.replace(broken.find(bytes), bytes.size(), damaged(bytes));
    file("image.tar", broken);
    EXPECT_THAT(read(), FailsWith(Errc::kCorrupt, blob.descriptor().digest.str()));
  }
}

}  // namespace
}  // namespace kiln::store
