#include "core/build/base_cache.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/core/build/stored_images.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::build {
namespace {

using layer::testing_support::compress;
using layer::testing_support::tar_of;
using testing::FailsWith;
using testing::IsOk;

class BaseLayers : public StoredImages {
 protected:
  BaseLayers() { base_cache_.emplace(registry_, pool_, cache_.path(), ""); }

  /// What a base that is made of these bytes, told to be those of `descriptor`, is read as.
  Result<std::shared_ptr<const layer::LayerIndex>> read(const oci::Descriptor& descriptor,
                                                        std::string bytes) {
    image::LayerSource source(descriptor);
    source.blob.emplace(
        descriptor,
        [bytes = std::make_shared<const std::string>(
             std::move(bytes))]() -> Result<std::unique_ptr<ByteSource>> {
          return std::unique_ptr<ByteSource>(std::make_unique<MemorySource>(*bytes, bytes));
        });
    return run(base_cache_->layer_index(std::move(source), access_));
  }

  std::size_t kept_files() const {
    std::size_t count = 0;
    for (const auto& item : std::filesystem::recursive_directory_iterator(cache_.path()))
      count += item.is_regular_file() ? 1 : 0;
    return count;
  }

  static oci::Descriptor layer_of(const std::string& bytes,
                                  std::string_view type = oci::media_type::kOciLayerGzip) {
    return {std::string(type), oci::Digest::of(bytes), bytes.size()};
  }

  TempDir cache_ = *TempDir::create("kiln-base-cache-test");
  const std::string good_ =
      compress(layer::Compression::kGzip, tar_of({layer::testing_support::file("a", "1")}));
  /// Of the same size, and the same tar: the time in gzip's header differs.
  const std::string other_ = [this] {
    auto bytes = good_;
    bytes[4] = static_cast<char>(bytes[4] ^ 1);
    return bytes;
  }();
};

TEST_F(BaseLayers, AreReadAndKept) {
  const auto index = read(layer_of(good_), good_);
  ASSERT_THAT(index, IsOk());
  ASSERT_EQ((*index)->entries.size(), 1U);
  EXPECT_EQ((*index)->entries[0].path, "a");
  EXPECT_EQ(kept_files(), 1U);
}

TEST_F(BaseLayers, OfOtherBytesThanTheirDigestSaysAreRefusedAndNotKept) {
  EXPECT_THAT(read(layer_of(good_), other_), FailsWith(Errc::kCorrupt, "has other bytes"));
  EXPECT_EQ(kept_files(), 0U);
  EXPECT_THAT(read(layer_of(good_), good_), IsOk());
}

TEST_F(BaseLayers, OfAnotherSizeThanTheirDescriptorSaysAreRefusedAndNotKept) {
  auto longer = layer_of(good_);
  longer.size_bytes += 1;
  auto shorter = layer_of(good_);
  shorter.size_bytes -= 1;
  EXPECT_THAT(read(longer, good_), FailsWith(Errc::kCorrupt, "has only "));
  EXPECT_THAT(read(shorter, good_), FailsWith(Errc::kCorrupt, "has at least "));
  EXPECT_EQ(kept_files(), 0U);
}

TEST_F(BaseLayers, OfMoreBytesThanMayComeOutOfThemAreNotDownloaded) {
  image::LayerSource source(layer_of(good_));
  source.descriptor.size_bytes = (64ULL << 30) + 1;
  source.repository = oci::Reference::parse("r.test/huge:1")->repository();
  EXPECT_THAT(
      run(base_cache_->layer_index(std::move(source), access_)),
      FailsWith(Errc::kInvalid, "it has 68719476737 bytes, more than the allowed 68719476736"));
  EXPECT_EQ(registry_.count("fetch_blob_into"), 0U);
}

TEST_F(BaseLayers, OfAnUnknownMediaTypeAreNotRead) {
  const auto index = read(layer_of("x", "application/vnd.example.squashfs"), "other bytes");
  ASSERT_THAT(index, IsOk());
  EXPECT_TRUE((*index)->entries.empty());
}

}  // namespace
}  // namespace kiln::build
