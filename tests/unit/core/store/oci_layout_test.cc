#include "core/store/oci_layout.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/core/store/store_fixture.h"

namespace kiln::store {
namespace {

namespace fs = std::filesystem;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;

class OciLayoutTest : public StoreTest {
 protected:
  Result<void> write(const image::ImageSet& images, const std::string& tag) {
    auto layout = open_oci_layout(layout_, pool_);
    if (!layout) return layout.error();
    return put(**layout, images, tag);
  }
  Result<oci::Digest> read(const LayoutChoice& choice = LayoutChoice()) {
    return read_all_of(run(read_oci_layout(layout_, choice, "oci:there", pool_)));
  }
  fs::path blob(const oci::Digest& digest) const {
    return layout_ / "blobs" / "sha256" / digest.hex();
  }

  fs::path layout_ = directory_.path() / "layout";
};

TEST_F(OciLayoutTest, GivesBackWhatWasStored) {
  for (const auto& images : {set_of(image_of("one")), index_of("several")}) {
    ASSERT_THAT(write(images, "1"), IsOk());
    const auto digest = read();
    ASSERT_THAT(digest, IsOk());
    EXPECT_EQ(*digest, images.top().digest);
  }
}

TEST_F(OciLayoutTest, HoldsSeveralImagesByTagAndByDigest) {
  const auto old_set = set_of(image_of("old"));
  const auto new_set = index_of("new");
  ASSERT_THAT(write(old_set, "1"), IsOk());
  ASSERT_THAT(write(new_set, "2"), IsOk());

  EXPECT_EQ(*read(LayoutChoice("1")), old_set.top().digest);
  EXPECT_EQ(*read(LayoutChoice("2")), new_set.top().digest);
  EXPECT_EQ(*read(LayoutChoice("", old_set.top().digest)), old_set.top().digest);
  const auto child = new_set.images[1].manifest().digest;
  EXPECT_EQ(*read(LayoutChoice("", child)), child);
}

TEST_F(OciLayoutTest, MovesATag) {
  ASSERT_THAT(write(set_of(image_of("old")), "1"), IsOk());
  const auto now = set_of(image_of("new"));
  ASSERT_THAT(write(now, "1"), IsOk());
  EXPECT_EQ(*read(), now.top().digest);
}

TEST_F(OciLayoutTest, StoresWhatIsThereOnlyOnce) {
  const auto image = image_of("text");
  ASSERT_THAT(write(set_of(image), "1"), IsOk());
  auto layout = open_oci_layout(layout_, pool_);
  const auto& layer = image.layers()[0];

  EXPECT_TRUE(*run((*layout)->link_blob(layer.descriptor, std::nullopt)));
  EXPECT_EQ(*run((*layout)->put_blob(*layer.blob)), StoreResult::kAlreadyPresent);
}

TEST_F(OciLayoutTest, StoresABlobAgainThatIsThereInPart) {
  const auto image = image_of("text");
  ASSERT_THAT(write(set_of(image), "1"), IsOk());
  const auto& layer = image.layers()[0];
  fs::resize_file(blob(layer.descriptor.digest), 3);

  auto layout = open_oci_layout(layout_, pool_);
  EXPECT_FALSE(*run((*layout)->link_blob(layer.descriptor, std::nullopt)));
  ASSERT_THAT(write(set_of(image), "1"), IsOk());
  EXPECT_THAT(read(), IsOk());
}

TEST_F(OciLayoutTest, RefusesABlobThatIsNotWhatItsDigestSays) {
  auto layout = open_oci_layout(layout_, pool_);
  const auto right = layer::Blob::of("x", "content");
  const layer::Blob wrong(right.descriptor(),
                          [] { return layer::Blob::of("x", "cintent").open(); });

  EXPECT_THAT(run((*layout)->put_blob(wrong)), FailsWith(Errc::kCorrupt, "has other bytes"));
  EXPECT_TRUE(fs::is_empty(layout_ / "blobs" / "sha256"));
}

TEST_F(OciLayoutTest, ReadsLayersOnlyWhenTheyAreOpened) {
  const auto image = image_of("text");
  ASSERT_THAT(write(set_of(image), "1"), IsOk());
  const auto layer = image.layers()[1].descriptor;
  const auto reader = run(read_oci_layout(layout_, LayoutChoice(), "oci:there", pool_));
  ASSERT_THAT(reader, IsOk());
  file("layout/blobs/sha256/" + layer.digest.hex(), damaged(bytes_of(blob(layer.digest))));

  const auto source = run((*reader)->locate(layer));

  ASSERT_THAT(source, IsOk());
  auto bytes = source->blob->open();
  ASSERT_THAT(bytes, IsOk());
  EXPECT_THAT(read_all(**bytes, 1 << 20), FailsWith(Errc::kCorrupt, "has other bytes"));
}

TEST_F(OciLayoutTest, NamesWhatIsMissingOrOfTheWrongSize) {
  const auto image = image_of("text");
  ASSERT_THAT(write(set_of(image), "1"), IsOk());
  const auto lower = blob(image.layers()[0].descriptor.digest);
  fs::resize_file(lower, 3);
  EXPECT_THAT(read(), FailsWith(Errc::kCorrupt, "has 3 bytes, its descriptor says"));
  fs::remove(lower);
  EXPECT_THAT(read(),
              FailsWith(Errc::kNotFound, "blob " + image.layers()[0].descriptor.digest.str() +
                                             " is missing: cannot open " + lower.string()));
}

TEST_F(OciLayoutTest, ReadsNothingOutsideOfItsFolder) {
  const auto image = image_of("text");
  ASSERT_THAT(write(set_of(image), "1"), IsOk());
  const auto layer = blob(image.layers()[0].descriptor.digest);
  const auto outside = file("outside", bytes_of(layer));
  fs::remove(layer);
  fs::create_symlink(outside, layer);

  EXPECT_THAT(read(), FailsWith(Errc::kInvalid, "is a symlink out of the folder"));
}

TEST_F(OciLayoutTest, FollowsSymlinksInsideOfItsFolder) {
  const auto image = image_of("text");
  ASSERT_THAT(write(set_of(image), "1"), IsOk());
  const auto layer = blob(image.layers()[0].descriptor.digest);
  fs::rename(layer, layout_ / "elsewhere");
  fs::create_symlink("../../elsewhere", layer);

  EXPECT_THAT(read(), IsOk());
}

TEST_F(OciLayoutTest, WritesNothingThroughASymlinkOfSomebodyElse) {
  fs::create_directories(directory_.path() / "outside");
  fs::create_directories(layout_);
  fs::create_symlink("../outside", layout_ / "blobs");
  file("layout/oci-layout", kLayoutFile);

  EXPECT_THAT(write(set_of(image_of("text")), "1"),
              FailsWith(Errc::kInvalid, "blobs is a symlink, which is not followed"));
}

TEST_F(OciLayoutTest, RefusesAFolderThatIsInUseForSomethingElse) {
  file("layout/photos/holiday.jpg", "x");
  EXPECT_THAT(write(set_of(image_of("text")), "1"),
              FailsWith(Errc::kInvalid, "holds other files and no OCI layout"));
}

TEST_F(OciLayoutTest, SaysWhatIsNoLayout) {
  EXPECT_THAT(read(), FailsWith(Errc::kNotFound, "cannot open " + layout_.string()));
  fs::create_directories(layout_);
  EXPECT_THAT(read(), FailsWith(Errc::kInvalid, "this is no OCI layout: there is no " +
                                                    (layout_ / "oci-layout").string()));
  file("layout.tar", "x");
  EXPECT_THAT(run(read_oci_layout(directory_.path() / "layout.tar", LayoutChoice(), "x", pool_)),
              FailsWith(Errc::kInvalid, "is no folder; write oci-archive:FILE"));
}

TEST_F(OciLayoutTest, DoesNotHangOnAFifo) {
  fs::create_directories(layout_);
  ASSERT_EQ(::mkfifo((layout_ / "oci-layout").c_str(), 0600), 0);
  EXPECT_THAT(read(), FailsWith(Errc::kInvalid, "is not a regular file"));
}

}  // namespace
}  // namespace kiln::store
