#include "core/source/git_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "tests/support/matchers.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
namespace fs = std::filesystem;

class GitCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<GitCache> open(std::uint64_t limit_bytes = 1 << 20) const {
    return std::move(GitCache::open(folder(), limit_bytes).value());
  }
  fs::path folder() const { return dir.path() / "git"; }
  static std::shared_ptr<GitCacheEntry> use(const GitCache& cache, const std::string& key) {
    return cache.use(key, {}).value();
  }
  /// Puts some KiB into an entry, used `age` seconds ago.
  static void fill(const GitCacheEntry& entry, std::size_t kib, int age) {
    fs::create_directories(entry.repository());
    ASSERT_THAT(write_file_atomically(entry.repository() / "pack", std::string(kib * 1024, 'x')),
                IsOk());
    const auto lock = entry.repository().parent_path() / "in-use";
    fs::last_write_time(lock, fs::last_write_time(lock) - std::chrono::seconds(age));
  }
  bool is_there(const std::string& key) const { return fs::exists(folder() / key / "repository"); }

  TempDir dir = std::move(*TempDir::create("kiln-git-cache-"));
  GitUrl url = *GitUrl::parse("https://git.example.com/a");
};

TEST_F(GitCacheTest, IsForUsAlone) {
  open();
  struct stat info {};
  ASSERT_EQ(::stat(folder().c_str(), &info), 0);

  EXPECT_EQ(info.st_mode & 0777U, 0700U);
}

TEST_F(GitCacheTest, WhoHasOtherCredentialsHasAnotherRepository) {
  const auto cache = open();
  const auto me = *GitCredentials::parse({{"username", "me"}, {"password", "a"}}, url);
  const auto you = *GitCredentials::parse({{"username", "me"}, {"password", "b"}}, url);

  EXPECT_EQ(cache->key(url, me, false), cache->key(url, me, false));
  EXPECT_NE(cache->key(url, me, false), cache->key(url, you, false));
  EXPECT_NE(cache->key(url, me, false), cache->key(url, GitCredentials(), false));
  EXPECT_NE(cache->key(url, me, false), cache->key(url, me, true));
  EXPECT_NE(cache->key(url, me, false), cache->key(*GitUrl::parse("https://h/b"), me, false));
}

TEST_F(GitCacheTest, AnotherProcessFindsTheSameRepository) {
  EXPECT_EQ(open()->key(url, GitCredentials(), false), open()->key(url, GitCredentials(), false));
}

TEST_F(GitCacheTest, WhatWasNotUsedForLongestGoesFirst) {
  const auto cache = open(300 * 1024);
  fill(*use(*cache, "old"), 100, 300);
  fill(*use(*cache, "older"), 100, 500);
  fill(*use(*cache, "new"), 150, 100);

  cache->trim();

  EXPECT_FALSE(is_there("older"));
  EXPECT_TRUE(is_there("old"));
  EXPECT_TRUE(is_there("new"));
}

TEST_F(GitCacheTest, WhatIsInUseStays) {
  const auto cache = open(10 * 1024);
  const auto used = use(*cache, "used");
  fill(*used, 100, 500);
  fill(*use(*cache, "unused"), 100, 100);

  cache->trim();

  EXPECT_TRUE(is_there("used"));
  EXPECT_FALSE(is_there("unused"));
}

TEST_F(GitCacheTest, WhatACrashLeftHalfRemovedIsRemoved) {
  const auto cache = open();
  fs::create_directories(folder() / "trash-0123" / "repository");

  cache->trim();

  EXPECT_FALSE(fs::exists(folder() / "trash-0123"));
}

TEST_F(GitCacheTest, OneAtATimeWrites) {
  const auto cache = open();
  const auto entry = use(*cache, "a");
  const auto lock = entry->lock_for_writing(std::chrono::seconds(1), {});
  ASSERT_THAT(lock, IsOk());

  EXPECT_THAT(use(*cache, "a")->lock_for_writing(std::chrono::milliseconds(10), {}),
              FailsWith(Errc::kTimeout, "waiting for another fetch of this repository"));
}

TEST_F(GitCacheTest, ASuspectedRepositoryIsMadeAnewOnce) {
  const auto cache = open();
  const auto entry = use(*cache, "a");
  fill(*entry, 1, 0);
  entry->suspect();
  ASSERT_TRUE(entry->is_suspected());

  ASSERT_THAT(entry->renew(), IsOk());

  EXPECT_FALSE(is_there("a"));
  EXPECT_FALSE(entry->is_suspected());
}

}  // namespace
}  // namespace kiln::source
