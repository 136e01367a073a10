// Folders whose files are read once, when they are packed, and layers that go out as they are made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "core/base/sha256.h"
#include "core/build/early_destination.h"
#include "core/source/directory_source.h"
#include "core/source/late_identity.h"
#include "tests/unit/core/build/build_fixture.h"

namespace kiln::build {
namespace {

namespace fs = std::filesystem;
using testing::FailsWith;
using testing::IsOk;

constexpr std::size_t kSize = 700'000;  // More than what is kept of a layer in memory.

/// That no compression makes smaller.
std::string noise(unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(kSize, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// Later than every change of a file, so that all are settled.
class LaterClock final : public Clock {
 public:
  WallTime now() const override { return system_.now() + std::chrono::hours(1); }
  std::chrono::steady_clock::time_point steady_now() const override { return system_.steady_now(); }

 private:
  SystemClock system_;
};

class LateContent : public BuildFixture {
 protected:
  LateContent() {
    write("a/one", noise(1));
    write("b/two", noise(2));
    write("b/empty", "");
    fs::create_hard_link(at("a/one"), at("a/same"));
    fs::create_symlink("one", at("a/link"));
  }

  fs::path at(const std::string& path) const { return folder_.path() / path; }
  void write(const std::string& path, const std::string& bytes) const {
    fs::create_directories(at(path).parent_path());
    std::ofstream(at(path), std::ios::binary) << bytes;
  }

  enum class Known { kAtOnce, kLate };
  /// `places`: folders and where they go.
  std::shared_ptr<BuildRequest> request(Known known,
                                        const std::map<std::string, std::string>& places) {
    auto made = std::make_shared<BuildRequest>();
    made->layers = LayerPolicy::kPerContent;
    for (const auto& [folder, place] : places) {
      source::DirectoryOptions options;
      options.identities = options.tree_later = true;
      options.late = known == Known::kLate;
      options.checksums =
          std::make_shared<source::FileChecksums>(cache_.path() / "file-checksums", later_);
      made->content.emplace_back(
          std::make_shared<source::DirectorySource>(at(folder), std::move(options), pool_), place);
    }
    return made;
  }

  struct Whole {
    std::string digest;
    std::string key;
    bool late = false;  ///< Was anything?
    bool made = false;  ///< Was a layer?
  };
  /// What a new process makes of it, and all it leaves behind.
  Result<Whole> build(const std::shared_ptr<const BuildRequest>& request) {
    Whole whole;
    Builder::Options options{cache_.path(), ""};
    options.recall_layers = true;
    options.watch_layers = [&](std::uint64_t) {
      whole.made = true;
      return layer::Progress();
    };
    Builder builder(registry_, pool_, options);
    auto base = run(builder.resolve_base(request));
    if (!base) return base.error();
    auto fetched = run(builder.fetch_content(request));
    if (!fetched) return fetched.error();
    const auto content = std::make_shared<std::vector<FetchedContent>>(std::move(*fetched));
    if (between_) between_();
    auto image =
        run(builder.assemble(request, std::make_shared<const ResolvedImage>(*base), content));
    if (!image) return image.error();
    for (auto& one : *content) {
      if (!one.content.late) continue;
      whole.late = true;
      auto identity = one.content.late->finish();
      if (!identity) return identity.error();
      one.content.identity = *identity;
      one.content.late->remember();
    }
    whole.key = input_key(*request, *base, *content);
    whole.digest = image->images.top().digest.str();
    return whole;
  }

  TempDir folder_ = *TempDir::create("kiln-test-site");
  LaterClock later_;
  std::function<void()> between_;  ///< Happens behind the listing and before the packing.
};

const std::map<std::string, std::string> kBoth = {{"a", "/srv/a"}, {"b", "/srv/b"}};

TEST_F(LateContent, MakesTheSameImageAndKeyAsContentThatIsKnownAtOnce) {
  for (const auto times : {layer::Timestamps::kContent, layer::Timestamps::kFixed}) {
    const auto at_once = request(Known::kAtOnce, kBoth), late = request(Known::kLate, kBoth);
    at_once->timestamps.kind = late->timestamps.kind = times;

    fs::remove_all(cache_.path() / "file-checksums");
    const auto first = build(late);
    fs::remove_all(cache_.path() / "file-checksums");
    const auto second = build(at_once);

    ASSERT_THAT(first, IsOk());
    ASSERT_THAT(second, IsOk());
    EXPECT_TRUE(first->late);
    EXPECT_FALSE(second->late);
    EXPECT_EQ(first->digest, second->digest);
    EXPECT_EQ(first->key, second->key);
  }
}

TEST_F(LateContent, LeavesWhatTheNextBuildNeedsToMakeNothing) {
  const auto first = build(request(Known::kLate, kBoth));
  ASSERT_THAT(first, IsOk());
  EXPECT_TRUE(first->made);

  const auto second = build(request(Known::kLate, kBoth));

  ASSERT_THAT(second, IsOk());
  EXPECT_FALSE(second->late);
  EXPECT_FALSE(second->made);
  EXPECT_EQ(second->digest, first->digest);
  EXPECT_EQ(second->key, first->key);
}

TEST_F(LateContent, MayBeKnownInPart) {
  ASSERT_THAT(build(request(Known::kLate, kBoth)), IsOk());
  write("b/two", noise(3));

  const auto half = build(request(Known::kLate, kBoth));
  fs::remove_all(cache_.path() / "file-checksums");
  const auto whole = build(request(Known::kAtOnce, kBoth));

  ASSERT_THAT(half, IsOk());
  ASSERT_THAT(whole, IsOk());
  EXPECT_TRUE(half->late);
  EXPECT_EQ(half->digest, whole->digest);
  EXPECT_EQ(half->key, whole->key);
  EXPECT_FALSE(whole->made) << "the layer of the part that was late is not recorded";
}

TEST_F(LateContent, IsReadAtTheEndWhereNobodyPackedIt) {
  // The second content's file takes the place of the first one's.
  write("c/one", noise(4));
  auto hidden = [&](Known known) {
    auto made = request(known, {{"a", "/srv"}, {"c", "/srv"}});
    made->layers = LayerPolicy::kAuto;
    return made;
  };
  fs::remove(at("a/same"));
  const auto late = build(hidden(Known::kLate));
  fs::remove_all(cache_.path() / "file-checksums");
  const auto at_once = build(hidden(Known::kAtOnce));
  ASSERT_THAT(late, IsOk());
  ASSERT_THAT(at_once, IsOk());
  EXPECT_EQ(late->key, at_once->key);
  EXPECT_EQ(late->digest, at_once->digest);
}

TEST_F(LateContent, ThatChangesBeforeItIsPackedIsAConflict) {
  between_ = [&] { write("b/two", noise(5) + "more"); };
  EXPECT_THAT(build(request(Known::kLate, kBoth)),
              FailsWith(Errc::kConflict, "b/two changed while it was read: it was written to"));
  EXPECT_FALSE(fs::exists(cache_.path() / "file-checksums"));
}

TEST_F(LateContent, ThatHasOtherBytesWhenItIsReadAgainIsAConflict) {
  const auto source = request(Known::kLate, {{"b", "/srv"}})->content.front().source;
  const auto content = run(source->fetch());
  ASSERT_THAT(content, IsOk());
  layer::FileTree tree;
  ASSERT_THAT(source::for_each_entry(*content, [&](auto entry) { return tree.add(entry); }),
              IsOk());
  ASSERT_THAT(layer::make_layer(tree, {}), IsOk());
  // With the same size and time, so that only the bytes tell.
  const auto time = fs::last_write_time(at("b/two"));
  write("b/two", noise(6));
  fs::last_write_time(at("b/two"), time);
  EXPECT_THAT(layer::make_layer(tree, {}), FailsWith(Errc::kConflict, "changed while it was read"));
}

// --- Layers that go out early
// ---------------------------------------------------------------------

class EarlyLayers : public LateContent {
 protected:
  Result<Assembled> assemble(const std::shared_ptr<const BuildRequest>& request) {
    auto base = run(builder_.resolve_base(request));
    auto content = run(builder_.fetch_content(request));
    if (!content) return content.error();
    return run(
        builder_.assemble(request, std::make_shared<const ResolvedImage>(*base),
                          std::make_shared<std::vector<FetchedContent>>(std::move(*content)),
                          [this](layer::Layer layer) { return early_.send(std::move(layer)); }));
  }
  Result<PushReport> push(const Assembled& assembled) {
    return run(push_images(std::make_shared<const image::ImageSet>(assembled.images), early_,
                           registry_, always({}), {}, {"1"}));
  }

  std::unique_ptr<store::Destination> place_ =
      registry_destination(registry_, *oci::Reference::parse_repository("r.test/site"), {});
  std::unique_ptr<store::Destination> making_ = builder_.making(*place_);
  EarlyDestination early_{*making_};
};

TEST_F(EarlyLayers, AreSentBeforeTheImageIsKnownAndNotOnceMore) {
  const auto assembled = assemble(request(Known::kLate, kBoth));
  ASSERT_THAT(assembled, IsOk());
  EXPECT_EQ(registry_.count("ensure_blob"), 2U);

  const auto report = push(*assembled);

  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(registry_.count("ensure_blob"), 3U) << "the two layers and the config";
  EXPECT_GT(report->uploaded_bytes, 2 * kSize);
  EXPECT_EQ(registry_.tag("r.test/site", "1"), assembled->images.top().digest);
}

TEST_F(EarlyLayers, CanStillBeRead) {
  const auto assembled = assemble(request(Known::kLate, kBoth));
  ASSERT_THAT(assembled, IsOk());
  for (const auto& layer : assembled->layers) {
    const auto source = layer.blob.open();
    ASSERT_THAT(source, IsOk());
    EXPECT_EQ("sha256:" + *sha256_hex(**source), layer.blob.descriptor().digest.str());
  }
}

TEST_F(EarlyLayers, AreSentAgainWhereTheRegistryProvesToLackThem) {
  const auto assembled = assemble(request(Known::kLate, kBoth));
  ASSERT_THAT(assembled, IsOk());
  registry_.fail_next("put_manifest", Error(Errc::kConflict, "a blob is unknown"));

  ASSERT_THAT(push(*assembled), IsOk());

  EXPECT_EQ(registry_.tag("r.test/site", "1"), assembled->images.top().digest);
  EXPECT_EQ(registry_.count("has_blob"), 2U) << "what was let go of is asked for";
}

TEST_F(EarlyLayers, ThatCannotBeSentEndTheBuild) {
  registry_.fail_next("ensure_blob", Error(Errc::kUnavailable, "cut"));
  EXPECT_THAT(assemble(request(Known::kLate, kBoth)),
              FailsWith(Errc::kUnavailable, "pushing layer "));
}

}  // namespace
}  // namespace kiln::build
