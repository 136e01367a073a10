#include "core/build/content_cache.h"

#include <gtest/gtest.h>

#include "core/auth/docker_config.h"
#include "core/base/gather.h"
#include "tests/unit/core/build/stored_images.h"

namespace kiln::build {
namespace {

using testing::directory;
using testing::FailsWith;
using testing::file;
using testing::IsOk;

class ContentCacheTest : public StoredImages {
 protected:
  ContentCacheTest() {
    make({});
    put("one");
  }
  void make(ContentCacheLimits limits) {
    cache_.emplace(*base_cache_, registry_, pool_, clock_, "", limits);
  }
  oci::Digest put(const std::string& text, const std::string& repository = "r.test/assets") {
    return testing::add_base(registry_, repository, "1",
                             {directory("dist"), file("dist/app.js", text), file("other", "o")});
  }
  static ImageContentRequest request(const std::string& path = "/dist",
                                     const std::string& reference = "r.test/assets:1") {
    return {*oci::Reference::parse(reference), path};
  }
  Result<source::Content> fetch(ImageContentRequest wanted = request()) {
    clock_.advance(std::chrono::milliseconds(1));  // An answer of the same moment is new enough.
    return run(cache_->fetch(std::move(wanted)));
  }
  /// How many layers were fetched since this was called last.
  std::size_t fetched() {
    const auto count = registry_.count("fetch_blob_into");
    registry_.forget_calls();
    return count;
  }
  static registry::Access as(const std::string& user) {
    registry::Access access;
    access.keychain = std::make_shared<auth::DockerConfig>(*auth::DockerConfig::parse(
        R"({"auths":{"r.test":{"username":")" + user + R"(","password":"pw"}}})"));
    return access;
  }

  std::optional<ContentCache> cache_;
};

TEST_F(ContentCacheTest, ReadsTheLayersOfAnImageOnce) {
  const auto first = fetch();
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(fetched(), 1U);
  const auto second = fetch();
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(fetched(), 0U);
  EXPECT_EQ(second->identity, first->identity);
  auto bytes = *second->tree.find("app.js")->content.open();
  EXPECT_EQ(*read_all(*bytes, 100), "one");
}

TEST_F(ContentCacheTest, ReadsAnotherPathAndAnotherImageAnew) {
  ASSERT_THAT(fetch(), IsOk());
  ASSERT_THAT(fetch(request("/other")), IsOk());
  EXPECT_EQ(fetched(), 2U);
  put("two");
  const auto moved = fetch();
  ASSERT_THAT(moved, IsOk());
  EXPECT_EQ(fetched(), 1U);
}

TEST_F(ContentCacheTest, ReadsWhatManyWantAtOnceOnce) {
  std::vector<Task<Result<source::Content>>> many;
  for (int i = 0; i < 5; ++i) many.push_back(cache_->fetch(request()));
  const auto all = run(gather(std::move(many), 5));
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(all->size(), 5U);
  EXPECT_EQ(fetched(), 1U);
}

TEST_F(ContentCacheTest, GivesNobodyWhatWasReadWithOtherCredentials) {
  auto alices = request();
  alices.access = as("alice");
  ASSERT_THAT(fetch(alices), IsOk());
  ASSERT_THAT(fetch(alices), IsOk());
  EXPECT_EQ(fetched(), 1U);
  auto bobs = request();
  bobs.access = as("bob");
  ASSERT_THAT(fetch(bobs), IsOk());
  EXPECT_EQ(fetched(), 1U);
}

TEST_F(ContentCacheTest, AsksOfADigestTooWhetherItMayStillBeRead) {
  const auto digest = put("one");
  const auto pinned = request("/dist", "r.test/assets@" + digest.str());
  ASSERT_THAT(fetch(pinned), IsOk());
  registry_.fail_next("resolve", Error(Errc::kDenied, "not any more"));
  EXPECT_THAT(fetch(pinned), FailsWith(Errc::kDenied, "not any more"));
}

TEST_F(ContentCacheTest, ReadsNothingOfWhatIsKnown) {
  const auto digest = put("one");
  auto wanted = request();
  wanted.known = source::KnownContent{digest.str(), "sha256:known"};
  const auto content = fetch(wanted);
  ASSERT_THAT(content, IsOk());
  EXPECT_TRUE(content->unread);
  EXPECT_EQ(content->identity, "sha256:known");
  EXPECT_EQ(fetched(), 0U);
  put("two");
  EXPECT_FALSE(fetch(wanted)->unread);
}

TEST_F(ContentCacheTest, RemembersForAnHourThatAnImageIsWrong) {
  EXPECT_THAT(fetch(request("/none")), FailsWith(Errc::kInvalid, "there is no /none in it"));
  EXPECT_EQ(fetched(), 1U);
  clock_.advance(std::chrono::minutes(59));
  EXPECT_THAT(fetch(request("/none")), FailsWith(Errc::kInvalid, "there is no /none in it"));
  EXPECT_EQ(fetched(), 0U);
  clock_.advance(std::chrono::minutes(1));
  EXPECT_THAT(fetch(request("/none")), FailsWith(Errc::kInvalid, "there is no /none in it"));
  EXPECT_EQ(fetched(), 1U);
}

TEST_F(ContentCacheTest, RemembersNoFailureOfARegistry) {
  registry_.fail_next("fetch_blob_into", Error(Errc::kUnavailable, "cut"));
  EXPECT_THAT(fetch(), FailsWith(Errc::kUnavailable, "cut"));
  EXPECT_THAT(fetch(), IsOk());
}

struct Bound {
  std::string name;
  ContentCacheLimits limits;
};

class ContentCacheKeeps : public ContentCacheTest, public ::testing::WithParamInterface<Bound> {};

ContentCacheLimits at_most(std::size_t contents, std::size_t paths, std::uint64_t bytes) {
  ContentCacheLimits limits;
  limits.contents = contents;
  limits.paths = paths;
  limits.bytes = bytes;
  return limits;
}

TEST_P(ContentCacheKeeps, WhatWasUsedLastAndNoMoreThanItMay) {
  make(GetParam().limits);
  for (const auto* repository : {"r.test/a", "r.test/b", "r.test/c"}) put("123", repository);
  const auto a = request("/dist", "r.test/a:1");
  const auto b = request("/dist", "r.test/b:1");
  const auto c = request("/dist", "r.test/c:1");
  for (const auto& one : {a, b, a, c}) ASSERT_THAT(fetch(one), IsOk());
  fetched();
  ASSERT_THAT(fetch(a), IsOk());
  ASSERT_THAT(fetch(c), IsOk());
  EXPECT_EQ(fetched(), 0U);
  ASSERT_THAT(fetch(b), IsOk());
  EXPECT_EQ(fetched(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Table, ContentCacheKeeps,
                         ::testing::Values(Bound{"Contents", at_most(2, 100, 100)},
                                           Bound{"Paths", at_most(100, 2, 100)},
                                           Bound{"Bytes", at_most(100, 100, 8)}),
                         [](const auto& test) { return test.param.name; });

TEST_F(ContentCacheTest, DoesNotKeepWhatIsLargerThanAllThatItMay) {
  make(at_most(10, 10, 2));
  ASSERT_THAT(fetch(), IsOk());
  ASSERT_THAT(fetch(), IsOk());
  EXPECT_EQ(fetched(), 2U);
}

}  // namespace
}  // namespace kiln::build
