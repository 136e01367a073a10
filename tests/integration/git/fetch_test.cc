// Content from a real server: what is fetched, and what it becomes.
#include <array>
#include <atomic>
#include <thread>

#include "tests/integration/git/git_fixture.h"

namespace kiln::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Files = RepositoryMaker::Files;

const Files kSite = {{"index.html", "<h1>hello</h1>\n"},
                     {"run.sh", {"#!/bin/sh\n", "100755"}},
                     {"css/site.css", "body {}\n"},
                     {"latest", {"css/site.css", "120000"}},
                     {"empty", ""}};

class GitFetchTest : public GitHttpTest {};

TEST_F(GitFetchTest, ATreeBecomesContent) {
  const auto commit = repository().commit(kSite);

  const auto content = fetch(request());

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content),
              ElementsAre("-rw css/site.css 8", "-rw empty 0", "-rw index.html 15",
                          "latest -> css/site.css", "-rwx run.sh 10"));
  EXPECT_EQ(*bytes_of(*content, "index.html"), "<h1>hello</h1>\n");
  EXPECT_EQ(*bytes_of(*content, "empty"), "");
  EXPECT_EQ(content->revision, "main@sha1:" + commit);
}

TEST_F(GitFetchTest, FactsOfTheCommitAreThere) {
  const auto commit = repository().commit(kSite);

  const auto content = fetch(request());

  ASSERT_THAT(content, IsOk());
  ASSERT_TRUE(content->commit.has_value());
  EXPECT_EQ(content->commit->commit, commit);
  EXPECT_EQ(content->commit->branch, "main");
  EXPECT_EQ(content->commit->tag, "");
  EXPECT_EQ(content->commit->time, 1700000001);
}

TEST_F(GitFetchTest, IdentitiesAreThoseOfGitsObjects) {
  const auto made = repository();
  made.commit(kSite);

  const auto content = fetch(request());

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.find("index.html")->identity, "sha1:" + made.blob("<h1>hello</h1>\n"));
}

TEST_F(GitFetchTest, EqualTreesHaveEqualIdentitiesWhateverTheirCommits) {
  const auto made = repository();
  made.commit(kSite);
  const auto first = fetch(request());
  made.commit({{"other", "x"}});
  const auto other = fetch(request());
  made.commit(kSite);

  const auto again = fetch(request());

  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->identity, first->identity);
  EXPECT_NE(again->revision, first->revision);
  EXPECT_NE(again->identity, other->identity);
}

TEST_F(GitFetchTest, ARepositoryWithLongIdsIsReadToo) {
  const auto commit = repository("long.git", "sha256").commit(kSite);

  const auto content = fetch(request("long.git"));

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->revision, "main@sha256:" + commit);
  EXPECT_EQ(*bytes_of(*content, "css/site.css"), "body {}\n");
  EXPECT_THAT(content->tree.find("css/site.css")->identity, HasSubstr("git-sha256:"));
}

TEST_F(GitFetchTest, FilesAreReadAgainAndAgainAndByManyAtOnce) {
  Files files;
  for (unsigned i = 0; i < 20; ++i) files.emplace("f" + std::to_string(i), noise(i));
  repository().commit(files);
  const auto content = fetch(request());
  ASSERT_THAT(content, IsOk());

  std::atomic<int> good = 0;
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 4; ++reader)
    readers.emplace_back([&] {
      for (const auto& [path, file] : files)
        if (auto bytes = bytes_of(*content, path); bytes && *bytes == file.bytes) ++good;
    });
  for (auto& reader : readers) reader.join();

  EXPECT_EQ(good, 80);
}

TEST_F(GitFetchTest, AReaderThatIsLeftEarlyDisturbsNobody) {
  repository().commit({{"a", std::string(1 << 20, 'a')}, {"b", "bytes of b"}});
  const auto content = fetch(request());
  ASSERT_THAT(content, IsOk());
  {
    auto source = content->tree.find("a")->content.open();
    ASSERT_THAT(source, IsOk());
    std::array<char, 10> some{};
    ASSERT_THAT((*source)->read(some), IsOk());
  }

  EXPECT_EQ(*bytes_of(*content, "b"), "bytes of b");
}

TEST_F(GitFetchTest, ContentsOutliveTheClient) {
  repository().commit(kSite);
  const auto content = fetch(request());
  ASSERT_THAT(content, IsOk());
  client.reset();

  EXPECT_EQ(*bytes_of(*content, "run.sh"), "#!/bin/sh\n");
}

TEST_F(GitFetchTest, NothingIsFetchedTwice) {
  repository().commit(kSite);
  ASSERT_THAT(fetch(request()), IsOk());
  const auto before = server->requests().size();

  ASSERT_THAT(fetch(request()), IsOk());

  // Asking for the refs is two requests; no pack is asked for.
  EXPECT_EQ(server->requests().size() - before, 2U);
}

TEST_F(GitFetchTest, ASecondCommitSendsOnlyWhatIsNew) {
  const auto made = repository();
  Files files;
  for (unsigned i = 0; i < 20; ++i) files.emplace("f" + std::to_string(i), noise(i));
  made.commit(files);
  ASSERT_THAT(fetch(request()), IsOk());
  const auto first = bytes_in_cache();

  files.insert_or_assign("f7", "changed");
  made.commit(files);
  const auto content = fetch(request());

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "f7"), "changed");
  EXPECT_GT(first, 2'000'000U);
  EXPECT_LT(bytes_in_cache() - first, 100'000U);
}

TEST_F(GitFetchTest, FilesOutsideThePathAreNotEvenFetched) {
  Files files = {{"public/index.html", "hello"}, {"videos/a", noise(1)}, {"videos/b", noise(2)}};
  repository().commit(files);
  auto wanted = request();
  wanted.sub_path = "public";

  const auto content = fetch(wanted);

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("-rw index.html 5"));
  EXPECT_EQ(*bytes_of(*content, "index.html"), "hello");
  EXPECT_LT(bytes_in_cache(), 100'000U);
  // Refs; commit and trees; files: not one request per file.
  EXPECT_LE(server->requests().size(), 6U);
}

TEST_F(GitFetchTest, AServerThatKnowsNoFilterSendsAllAndTheContentIsTheSame) {
  const auto made = repository();
  made.git({"config", "uploadpack.allowFilter", "false"});
  made.commit({{"public/index.html", "hello"}, {"videos/a", "film"}});
  auto wanted = request();
  wanted.sub_path = "public";

  const auto content = fetch(wanted);

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "index.html"), "hello");
}

TEST_F(GitFetchTest, WhoWantsAllAfterWhoWantedLittleGetsAll) {
  const auto made = repository();
  made.commit({{"public/index.html", "hello"}, {"videos/a", noise(1)}, {"videos/b", "film"}});
  auto narrow = request();
  narrow.sub_path = "public";
  ASSERT_THAT(fetch(narrow), IsOk());

  const auto same_commit = fetch(request());
  made.commit({{"public/index.html", "hello"}, {"videos/a", noise(1) + "x"}, {"videos/b", "film"}});
  const auto next_commit = fetch(request());

  ASSERT_THAT(same_commit, IsOk());
  EXPECT_EQ(*bytes_of(*same_commit, "videos/a"), noise(1));
  ASSERT_THAT(next_commit, IsOk());
  EXPECT_EQ(*bytes_of(*next_commit, "videos/a"), noise(1) + "x");
  EXPECT_EQ(*bytes_of(*next_commit, "videos/b"), "film");
}

TEST_F(GitFetchTest, ManyCommitsLeaveFewPacks) {
  const auto made = repository();
  for (int i = 0; i < 45; ++i) {
    made.commit({{"a", std::to_string(i)}, {"b", "same"}});
    auto wanted = request();
    if (i % 2 == 0) wanted.exclude = {"b"};
    ASSERT_THAT(fetch(wanted), IsOk()) << i;
  }

  const auto content = fetch(request());

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a"), "44");
  EXPECT_EQ(*bytes_of(*content, "b"), "same");
  EXPECT_LT(packs_in_cache(), 41U);
}

}  // namespace
}  // namespace kiln::source
