#include "core/build/registry_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/build/stored_images.h"

namespace kiln::build {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using testing::IsOk;

class RegistryReader : public StoredImages {};

TEST_F(RegistryReader, ResolvesATagOnceAndStaysWithThatDigest) {
  const auto image = reader("r.test/nginx:1.27");
  const auto first = run(image->top());
  registry_.set_tag("r.test/nginx", "1.27", add_artifact("r.test/nginx", "", {}).digest);
  const auto second = run(image->top());
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->digest.str(), base_digest_);
  EXPECT_EQ(second->digest, first->digest);
  EXPECT_EQ(registry_.count("resolve"), 1U);
  EXPECT_EQ(registry_.count("fetch_manifest"), 1U);
}

TEST_F(RegistryReader, OfADigestAsksForNoTag) {
  const auto image = reader("r.test/nginx@" + base_digest_);
  ASSERT_THAT(run(image->top()), IsOk());
  EXPECT_THAT(registry_.call_lines(), ElementsAre("fetch_manifest r.test/nginx@" + base_digest_));
}

TEST_F(RegistryReader, IsCalledAsTheUserWroteIt) {
  const auto image = reader("r.test/nginx:1.27");
  EXPECT_EQ(image->name(), "r.test/nginx:1.27");
  ASSERT_THAT(run(image->top()), IsOk());
  EXPECT_EQ(image->name(), "r.test/nginx:1.27");
}

TEST_F(RegistryReader, GivesTheManifestsThatAnIndexNamesEachAskedForOnce) {
  const auto image = reader("r.test/nginx:1.27");
  const auto index = *oci::Index::parse(run(image->top())->bytes);
  for (int again = 0; again < 2; ++again)
    for (const auto& entry : index.manifests) {
      const auto manifest = run(image->manifest(entry));
      ASSERT_THAT(manifest, IsOk());
      EXPECT_EQ(manifest->digest, entry.digest);
    }
  EXPECT_EQ(registry_.count("fetch_manifest"), 3U);
}

// B17: the size is checked too.
TEST_F(RegistryReader, RefusesAManifestOfAnotherSizeThanTheIndexSays) {
  const auto image = reader("r.test/nginx:1.27");
  auto entry = oci::Index::parse(run(image->top())->bytes)->manifests.front();
  const auto size = entry.size_bytes;
  entry.size_bytes = size + 7;
  for (int again = 0; again < 2; ++again)  // Also where it is known already.
    EXPECT_THAT(
        run(image->manifest(entry)),
        FailsWith(Errc::kCorrupt, "r.test/nginx:1.27: manifest " + entry.digest.str() + " has " +
                                      std::to_string(size) + " bytes, the index says " +
                                      std::to_string(size + 7)));
}

TEST_F(RegistryReader, GivesSmallBlobs) {
  const auto blob = registry_.add_blob("r.test/nginx", "small");
  const auto image = reader("r.test/nginx:1.27");
  EXPECT_EQ(run(image->small_blob(blob)).value(), "small");
  EXPECT_EQ(run(image->small_blob(blob)).value(), "small");
  EXPECT_EQ(registry_.count("fetch_blob"), 1U);
}

TEST_F(RegistryReader, SaysWhereABlobIsWithoutReadingIt) {
  const auto blob = registry_.add_blob("r.test/nginx", "large");
  const auto image = reader("r.test/nginx:1.27");
  registry_.forget_calls();
  const auto located = run(image->locate(blob));
  ASSERT_THAT(located, IsOk());
  EXPECT_EQ(located->repository->str(), "r.test/nginx");
  EXPECT_EQ(located->descriptor, blob);
  EXPECT_FALSE(located->blob.has_value());
  EXPECT_TRUE(registry_.calls().empty());
}

TEST_F(RegistryReader, FetchesABlobThatCanBeReadAgainAndAgain) {
  const auto blob = registry_.add_blob("r.test/nginx", std::string(300'000, 'x'));
  const auto fetched = run(reader("r.test/nginx:1.27")->fetch(blob));
  ASSERT_THAT(fetched, IsOk());
  EXPECT_EQ(fetched->descriptor(), blob);
  auto one = *fetched->open();
  auto two = *fetched->open();
  EXPECT_EQ(read_all(*one, 1 << 20)->size(), 300'000U);
  EXPECT_EQ(read_all(*two, 1 << 20)->size(), 300'000U);
  EXPECT_EQ(registry_.count("fetch_blob_into"), 1U);
}

TEST_F(RegistryReader, SpoolsWhereItIsToldAndLeavesNoName) {
  const auto blob = registry_.add_blob("r.test/nginx", "x");
  const auto spool = *TempDir::create("kiln-spool-test");
  const auto repository = *oci::Reference::parse_repository("r.test/nginx");
  const auto fetched = run(fetch_blob(registry_, repository, blob, {}, spool.path().string()));
  ASSERT_THAT(fetched, IsOk());
  EXPECT_TRUE(std::filesystem::is_empty(spool.path()));
  const auto nowhere = (spool.path() / "none").string();
  EXPECT_THAT(run(fetch_blob(registry_, repository, blob, {}, nowhere)),
              FailsWith(Errc::kNotFound, nowhere));
}

TEST_F(RegistryReader, PassesOnWhatTheRegistrySays) {
  EXPECT_THAT(run(reader("r.test/none:1")->top()), FailsWith(Errc::kNotFound, "r.test/none:1"));
  const oci::Descriptor gone("", oci::Digest::of("gone"), 4);
  EXPECT_THAT(run(reader("r.test/nginx:1.27")->fetch(gone)),
              FailsWith(Errc::kNotFound, gone.digest.str()));
  registry_.fail_next("fetch_manifest", Error(Errc::kUnavailable, "connection was cut"));
  EXPECT_THAT(run(reader("r.test/nginx:1.27")->top()),
              FailsWith(Errc::kUnavailable, "connection was cut"));
}

TEST_F(RegistryReader, ThatCouldNotResolveMayTryAgain) {
  const auto image = reader("r.test/nginx:1.27");
  registry_.fail_next("resolve", Error(Errc::kUnavailable, "connection was cut"));
  EXPECT_THAT(run(image->top()), FailsWith(Errc::kUnavailable, "connection was cut"));
  EXPECT_EQ(run(image->top())->digest.str(), base_digest_);
}

}  // namespace
}  // namespace kiln::build
