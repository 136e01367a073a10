#include "core/build/base_cache.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/gather.h"
#include "core/build/image_loader.h"
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
  BaseLayers() { base_cache_.emplace(registry_, pool_, clock_, cache_.path(), ""); }

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

class Told final : public BaseListener {
 public:
  void asked(const oci::Reference& reference) override {
    all.push_back("asked " + reference.str());
  }
  void moved(const oci::Reference& reference) override {
    all.push_back("moved " + reference.str());
  }
  std::vector<std::string> all;
};

class SharedBase : public StoredImages {
 protected:
  SharedBase() { base_cache_->follow(told_); }

  /// So many ask at the same time; the digests that they got.
  std::vector<std::string> resolve(std::size_t many, std::chrono::milliseconds max_age) {
    std::vector<Task<Result<oci::Descriptor>>> tasks;
    for (std::size_t i = 0; i < many; ++i)
      tasks.push_back(base_cache_->resolve(tag_, access_, max_age));
    const auto got = run(gather(std::move(tasks), many));
    std::vector<std::string> digests;
    for (const auto& one : got.value()) digests.push_back(one.digest.str());
    return digests;
  }
  void log_in(const std::string& user) {
    auth::Credential credential;
    credential.username = user;
    access_.keychain = std::make_shared<OneCredential>(credential);
  }

  class OneCredential final : public auth::Keychain {
   public:
    explicit OneCredential(auth::Credential c) : credential_(std::move(c)) {}
    std::vector<auth::Credential> find(const oci::Repository&) const override {
      return {credential_};
    }

   private:
    auth::Credential credential_;
  };

  using Names = std::vector<std::string>;
  const oci::Reference tag_ = *oci::Reference::parse("r.test/nginx:1.27");
  Told told_;
};

TEST_F(SharedBase, IsAskedForOnceByAllWhoPollAtTheSameTime) {
  EXPECT_EQ(resolve(20, std::chrono::seconds(1)), Names(20, base_digest_));
  EXPECT_EQ(registry_.count("resolve"), 1U);
  EXPECT_EQ(told_.all, Names{"asked r.test/nginx:1.27"});
}

TEST_F(SharedBase, IsAskedForAgainWithOtherCredentials) {
  resolve(1, std::chrono::hours(1));
  log_in("other");
  resolve(1, std::chrono::hours(1));
  EXPECT_EQ(registry_.count("resolve"), 2U);
  resolve(1, std::chrono::hours(1));
  EXPECT_EQ(registry_.count("resolve"), 2U);
}

TEST_F(SharedBase, ThatWasMovedIsToldOnceAndAskedForAgainWithOtherCredentials) {
  constexpr std::chrono::hours kLong{1};
  resolve(1, kLong);
  log_in("other");
  resolve(1, kLong);
  const auto moved =
      testing::add_base(registry_, "r.test/nginx", "1.27", {testing::file("a", "b")});
  clock_.advance(std::chrono::seconds(1));
  told_.all.clear();

  EXPECT_EQ(resolve(2, std::chrono::milliseconds(0)), Names(2, moved.str()));
  EXPECT_EQ(told_.all, (Names{"asked r.test/nginx:1.27", "moved r.test/nginx:1.27"}));
  access_.keychain.reset();
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(resolve(1, kLong), Names{moved.str()});
  log_in("other");
  EXPECT_EQ(resolve(1, kLong), Names{moved.str()});
}

TEST_F(SharedBase, IsReadOnceByAllWhoNeedItAtTheSameTime) {
  std::vector<Task<Result<ResolvedImage>>> images;
  std::vector<std::unique_ptr<store::ImageReader>> readers;
  for (int i = 0; i < 5; ++i) {
    readers.push_back(reader("r.test/nginx@" + base_digest_));
    images.push_back(load_image(*readers.back(), {}));
  }
  const auto loaded = run(gather(std::move(images), 5));
  ASSERT_THAT(loaded, IsOk());
  std::vector<Task<Result<std::shared_ptr<const layer::LayerIndex>>>> indexes;
  for (const auto& one : *loaded)
    indexes.push_back(
        base_cache_->layer_index(one.platforms.front().image.layers().front(), access_));

  ASSERT_THAT(run(gather(std::move(indexes), 5)), IsOk());

  EXPECT_EQ(registry_.count("fetch_manifest"), 3U) << "the index and two platforms";
  EXPECT_EQ(registry_.count("fetch_blob"), 2U);
  EXPECT_EQ(registry_.count("fetch_blob_into"), 1U);
}

}  // namespace
}  // namespace kiln::build
