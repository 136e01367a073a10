// Builds that know which layers earlier ones have made: what is read again, and what is not.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "core/base/sha256.h"
#include "tests/unit/core/build/build_fixture.h"

namespace kiln::build {
namespace {

using testing::FailsWith;
using testing::IsOk;

constexpr std::size_t kSize = 300'000;

/// One file that counts how often it is read.
class CountedFile final : public source::Source {
 public:
  std::string description() const override { return "a counted file"; }
  Task<Result<source::Content>> fetch() override {
    layer::Entry entry("file", layer::EntryKind::kFile);
    entry.identity = identity;
    entry.content = layer::FileContent(bytes.size(), [this] {
      ++reads;
      reader = std::this_thread::get_id();
      return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>(bytes));
    });
    source::Content content;
    auto added = content.tree.add(std::move(entry));
    if (!added) co_return std::move(added).error();
    co_return content;
  }

  std::string bytes = std::string(kSize, 'x');
  std::string identity = "sha256:1";
  std::atomic<int> reads{0};
  std::atomic<std::thread::id> reader{};  ///< The last one.
};

class RecalledLayers : public BuildFixture {
 protected:
  RecalledLayers() { request_->content.emplace_back(file_, "/srv"); }

  Builder::Options recalling() const {
    Builder::Options options{cache_.path(), ""};
    options.recall_layers = true;
    return options;
  }

  /// What the next process makes, into these repositories one after the other.
  Result<std::string> build(const std::vector<std::string>& repositories,
                            const Builder::Options& options) {
    Builder builder(registry_, pool_, options);
    return build(builder, repositories);
  }
  Result<std::string> build(const std::vector<std::string>& repositories) {
    return build(repositories, recalling());
  }
  Result<std::string> build(Builder& builder, const std::vector<std::string>& repositories) {
    auto assembled = run(builder.assemble_all(request_));
    if (!assembled) return std::move(assembled).error();
    const auto images = std::make_shared<const image::ImageSet>(assembled->images);
    for (const auto& name : repositories) {
      const auto inner =
          registry_destination(registry_, *oci::Reference::parse_repository(name), {});
      const auto destination = builder.making(*inner);
      auto pushed = run(push_images(images, *destination, registry_, always({}), {}, {"1"}));
      if (!pushed) return std::move(pushed).error();
    }
    return images->top().digest.str();
  }

  std::shared_ptr<CountedFile> file_ = std::make_shared<CountedFile>();
  std::shared_ptr<BuildRequest> request_ = std::make_shared<BuildRequest>();
};

TEST_F(RecalledLayers, AreNotMadeAgainForWhoHasThem) {
  const auto first = build({"r.test/a"});
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(*build({"r.test/a"}), *first);
  EXPECT_EQ(file_->reads, 1);
}

TEST_F(RecalledLayers, AreMadeAgainForWhoHasThemNot) {
  const auto first = build({"r.test/a"});
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(*build({"other.test/b"}), *first);
  EXPECT_EQ(file_->reads, 2);
  EXPECT_EQ(registry_.tag("other.test/b", "1")->str(), *first);
}

TEST_F(RecalledLayers, AreMadeOnceForSeveralPlaces) {
  ASSERT_THAT(build({"r.test/a"}), IsOk());
  ASSERT_THAT(build({"r.test/a", "b.test/b", "c.test/c"}), IsOk());
  EXPECT_EQ(file_->reads, 2);
  EXPECT_TRUE(registry_.tag("c.test/c", "1").has_value());
}

/// Two ImageBuilds with the same content, at the same time.
TEST_F(RecalledLayers, OfTwoBuildsAreMadeOnThePoolForTheOneThatComesLater) {
  ASSERT_THAT(build({"r.test/a"}), IsOk());
  Builder builder(registry_, pool_, recalling());
  const auto later = run(builder.assemble_all(request_));
  ASSERT_THAT(later, IsOk());
  ASSERT_THAT(run(builder.assemble_all(request_)), IsOk());  // And is over.
  const auto inner =
      registry_destination(registry_, *oci::Reference::parse_repository("other.test/b"), {});
  const auto destination = builder.making(*inner);

  ASSERT_THAT(run(destination->put_blob(later->layers.front().blob)), IsOk());

  EXPECT_EQ(file_->reads, 2);
  EXPECT_NE(file_->reader.load(), std::this_thread::get_id());
}

TEST_F(RecalledLayers, AreReadableForWhoeverOpensThem) {
  ASSERT_THAT(build({"r.test/a"}), IsOk());
  Builder builder(registry_, pool_, recalling());
  const auto assembled = run(builder.assemble_all(request_));
  ASSERT_THAT(assembled, IsOk());
  ASSERT_EQ(file_->reads, 1);
  const auto& layer = assembled->layers.front();
  EXPECT_EQ(layer.files, 1U);
  EXPECT_EQ(layer.content_bytes, kSize);

  const auto source = layer.blob.open();

  ASSERT_THAT(source, IsOk());
  EXPECT_EQ("sha256:" + *sha256_hex(**source), layer.blob.descriptor().digest.str());
}

TEST_F(RecalledLayers, ThatWouldBeOthersAreMade) {
  ASSERT_THAT(build({"r.test/a"}), IsOk());
  struct Change {
    const char* what;
    std::function<void(BuildRequest&)> apply;
  };
  const Change changes[] = {
      {"encoder", [](auto& request) { request.compression = layer::Compression::kZstd; }},
      {"timestamps", [](auto& request) { request.timestamps.fixed = 7; }},
      {"media types", [](auto& request) { request.docker_media_types = true; }},
      {"owner", [](auto& request) { request.content.front().ownership.uid = 7; }},
      {"place", [](auto& request) { request.content.front().path = "/var"; }},
  };
  for (const auto& change : changes) {
    const auto before = file_->reads.load();
    request_ = std::make_shared<BuildRequest>();
    request_->content.emplace_back(file_, "/srv");
    change.apply(*request_);
    ASSERT_THAT(build({"r.test/a"}), IsOk()) << change.what;
    EXPECT_EQ(file_->reads, before + 1) << change.what;
  }
}

TEST_F(RecalledLayers, OfFilesThatAreKnownForOneFetchAreNotKept) {
  file_->identity = "fetch:1:0";
  ASSERT_THAT(build({"r.test/a"}), IsOk());
  ASSERT_THAT(build({"r.test/a"}), IsOk());
  EXPECT_EQ(file_->reads, 2);
}

TEST_F(RecalledLayers, AreNoneWithoutACacheOrTheOption) {
  Builder::Options no_cache;
  no_cache.recall_layers = true;
  const Builder::Options no_option{cache_.path(), ""};
  for (const auto& options : {no_cache, no_option, no_cache, no_option})
    ASSERT_THAT(build({"r.test/a"}, options), IsOk());
  EXPECT_EQ(file_->reads, 4);
  EXPECT_FALSE(std::filesystem::exists(cache_.path() / "layer-records"));
}

TEST_F(RecalledLayers, ThatProveToBeOthersAreForgotten) {
  ASSERT_THAT(build({"r.test/a"}), IsOk());
  file_->bytes.back() = 'y';  // Under the same identity, which no real file can have.
  Builder builder(registry_, pool_, recalling());
  EXPECT_THAT(build(builder, {"other.test/b"}),
              FailsWith(Errc::kInternal, "as the cache said, which has forgotten all layers now"));
  EXPECT_TRUE(builder.records_were_wrong());
  EXPECT_FALSE(registry_.tag("other.test/b", "1").has_value());

  EXPECT_THAT(build(builder, {"other.test/b"}), IsOk());
  EXPECT_THAT(build({"other.test/b"}), IsOk());
  EXPECT_TRUE(registry_.tag("other.test/b", "1").has_value());
}

TEST_F(RecalledLayers, ThatCannotBeMadeAnyMoreSayWhy) {
  ASSERT_THAT(build({"r.test/a"}), IsOk());
  registry_.fail_next("has_blob", Error(Errc::kUnavailable, "cut"), 1);
  EXPECT_THAT(build({"other.test/b"}), FailsWith(Errc::kUnavailable, "pushing layer "));
}

}  // namespace
}  // namespace kiln::build
