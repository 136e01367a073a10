// Servers that hang, and connections that break: each ends in time with a clear error, leaves no
// process and no file behind, and the next fetch is as good as ever.
#include <thread>

#include "tests/integration/git/faulty_proxy.h"
#include "tests/integration/git/git_fixture.h"
#include "tests/integration/git/seen_processes.h"

namespace kiln::source {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Files = RepositoryMaker::Files;
using std::chrono::milliseconds;
using std::chrono::seconds;

class GitFaultTest : public GitHttpTest {
 protected:
  void SetUp() override {
    GitHttpTest::SetUp();
    if (!server) return;
    for (unsigned i = 0; i < 20; ++i) files.emplace("f" + std::to_string(i), noise(i));
    repository().commit(files);
    proxy.emplace(server->port());
    sessions.emplace();
  }

  GitRequest through_proxy() const {
    return GitRequest(
        GitUrl::parse("http://127.0.0.1:" + std::to_string(proxy->port()) + "/git/site.git")
            .value());
  }
  void expect_all_is_read(const Result<Content>& content) const {
    ASSERT_THAT(content, IsOk());
    for (const auto& [path, file] : files) EXPECT_EQ(*bytes_of(*content, path), file.bytes) << path;
  }
  std::vector<std::string> leftovers() const {
    std::vector<std::string> found;
    for (const auto& file : std::filesystem::recursive_directory_iterator(cache.path() / "git")) {
      const auto name = file.path().filename().string();
      if (name.starts_with("tmp_") || name.ends_with(".lock")) found.push_back(name);
    }
    return found;
  }

  Files files;
  std::optional<FaultyProxy> proxy;
  std::optional<SessionFolder> sessions;
};

TEST_F(GitFaultTest, AServerThatHangsIsGivenUpAtTheDeadline) {
  options.limits.resolve = seconds(1);
  new_client();
  server->stop();

  const auto content = fetch(request());

  EXPECT_THAT(content, FailsWith(Errc::kTimeout, "git"));
  EXPECT_TRUE(sessions->becomes_empty());
  server->resume();
  expect_all_is_read(fetch(request()));
}

TEST_F(GitFaultTest, AServerThatSaysNothingForTooLongIsGivenUp) {
  options.limits.idle = seconds(1);
  new_client();
  server->stop();

  const auto content = fetch(request());

  EXPECT_THAT(content, FailsWith(Errc::kUnavailable, "the server sent nothing for too long"));
  EXPECT_TRUE(sessions->becomes_empty());
  server->resume();
}

TEST_F(GitFaultTest, WhoIsCancelledLeavesNoProcess) {
  server->stop();

  const auto content = run(client->fetch(request()), seconds(1));

  EXPECT_THAT(content, FailsWith(Errc::kTimeout, "this test's step"));
  EXPECT_TRUE(sessions->becomes_empty());
  server->resume();
  expect_all_is_read(fetch(request()));
}

TEST_F(GitFaultTest, WhoIsCancelledInMidPackLeavesNoProcess) {
  proxy->fail_after(500'000, FaultyProxy::Fault::kStall);

  const auto content = run(client->fetch(through_proxy()), seconds(2));

  EXPECT_THAT(content, FailsWith(Errc::kTimeout, "this test's step"));
  EXPECT_TRUE(proxy->has_failed());
  EXPECT_TRUE(sessions->becomes_empty());
  proxy->behave();
  expect_all_is_read(fetch(through_proxy()));
}

TEST_F(GitFaultTest, APackThatStopsInTheMiddleEndsAtTheDeadlineOfTheFetch) {
  options.limits.fetch = seconds(2);
  new_client();
  proxy->fail_after(500'000, FaultyProxy::Fault::kStall);

  const auto content = fetch(through_proxy());

  EXPECT_THAT(content, FailsWith(Errc::kTimeout, "git"));
  EXPECT_TRUE(sessions->becomes_empty());
}

TEST_F(GitFaultTest, AConnectionCutInMidPackIsAClearErrorAndTheNextFetchWorks) {
  proxy->fail_after(500'000, FaultyProxy::Fault::kCut);

  const auto content = fetch(through_proxy());

  EXPECT_THAT(content, FailsWith(Errc::kUnavailable, "the connection broke"));
  EXPECT_TRUE(proxy->has_failed());
  EXPECT_TRUE(sessions->becomes_empty());
  proxy->behave();
  expect_all_is_read(fetch(through_proxy()));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(GitFaultTest, WhereverTheConnectionIsCutWhatWasThereBeforeStaysGood) {
  const auto first = fetch(through_proxy());
  ASSERT_THAT(first, IsOk());
  for (unsigned i = 0; i < 20; ++i) files.insert_or_assign("g" + std::to_string(i), noise(100 + i));
  repository().commit(files);

  for (const std::int64_t bytes : {0, 1'000, 50'000, 1'000'000, 1'990'000}) {
    proxy->fail_after(bytes, FaultyProxy::Fault::kCut);
    EXPECT_THAT(fetch(through_proxy()), FailsWith(Errc::kUnavailable, "")) << bytes;
    EXPECT_EQ(*bytes_of(*first, "f7"), noise(7)) << bytes;
  }

  proxy->behave();
  expect_all_is_read(fetch(through_proxy()));
  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(GitFaultTest, AnAnswerThatIsCutInItsHeadLooksLikeAnEmptyRepositoryAndIsTriedAgain) {
  proxy->fail_after(100, FaultyProxy::Fault::kCut);

  const auto content = fetch(through_proxy());

  ASSERT_TRUE(content.has_error());
  EXPECT_TRUE(content.error().retryable()) << content.error().message;
  proxy->behave();
  expect_all_is_read(fetch(through_proxy()));
}

TEST_F(GitFaultTest, FilesThatAreFetchedByThemselvesMayBeCutOffToo) {
  auto narrow = through_proxy();
  narrow.include = {"f*"};
  proxy->fail_after(500'000, FaultyProxy::Fault::kCut);
  ASSERT_THAT(fetch(narrow), FailsWith(Errc::kUnavailable, "the connection broke"));

  proxy->behave();

  expect_all_is_read(fetch(narrow));
}

TEST_F(GitFaultTest, WhatACrashHasLeftIsInNobodysWay) {
  ASSERT_THAT(fetch(request()), IsOk());
  std::filesystem::path repository_in_cache;
  for (const auto& file : std::filesystem::recursive_directory_iterator(cache.path() / "git"))
    if (file.path().filename() == "repository") repository_in_cache = file.path();
  for (const auto* name : {"shallow.lock", "config.lock", "objects/pack/tmp_pack_1", "HEAD.lock"})
    ASSERT_THAT(write_file_atomically(repository_in_cache / name, "half"), IsOk());
  files.insert_or_assign("f7", "changed");
  repository().commit(files);

  expect_all_is_read(fetch(request()));

  EXPECT_THAT(leftovers(), IsEmpty());
}

TEST_F(GitFaultTest, ACacheThatIsBrokenIsMadeAnew) {
  ASSERT_THAT(fetch(request()), IsOk());
  for (const auto& file : std::filesystem::recursive_directory_iterator(cache.path() / "git"))
    if (file.path().extension() == ".pack") {
      ASSERT_THAT(write_file_atomically(file.path(), "no pack at all"), IsOk());
    }
  new_client();

  expect_all_is_read(fetch(request()));
}

TEST_F(GitFaultTest, AForcePushBetweenAskingAndFetchingIsFollowed) {
  const auto made = repository();
  auto wanted = request();
  wanted.max_age = std::chrono::hours(1);
  const auto before = run(client->resolve(wanted));
  ASSERT_THAT(before, IsOk());
  made.set_ref("refs/heads/main",
               made.commit_tree(made.tree({{"100644", "blob", made.blob("new"), "only"}})));
  made.git({"reflog", "expire", "--expire=now", "--all"});
  made.git({"prune", "--expire=now"});

  const auto content = fetch(wanted);

  ASSERT_THAT(content, IsOk());
  EXPECT_NE(content->revision, before->str());
  EXPECT_THAT(paths_of(*content), ::testing::ElementsAre("only"));
}

TEST_F(GitFaultTest, ABranchThatIsDeletedIsNamed) {
  repository().git({"branch", "other", "main"});
  auto wanted = request();
  wanted.ref.branch = "other";
  ASSERT_THAT(fetch(wanted), IsOk());
  repository().git({"branch", "-D", "other"});

  EXPECT_THAT(fetch(wanted), FailsWith(Errc::kNotFound, "there is no branch other"));
}

TEST_F(GitFaultTest, ATagThatIsMovedIsFollowed) {
  const auto made = repository();
  made.tag("v1", "main");
  auto wanted = request();
  wanted.ref.tag = "v1";
  ASSERT_THAT(fetch(wanted), IsOk());
  const auto commit = made.commit({{"a", "moved"}});
  made.tag("v1", "main");

  const auto content = fetch(wanted);

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->revision, "v1@sha1:" + commit);
}

TEST_F(GitFaultTest, NoSecretIsToBeSeenWhileGitRuns) {
  const auto url = server->url("/private/site.git");
  auto wanted = GitRequest(url);
  wanted.credentials = who({{"username", "me"}, {"password", "correct horse"}}, url);
  server->stop();
  std::vector<SeenProcess> seen;
  std::thread watcher([&] { seen = watch_then_resume(*sessions, *server); });

  const auto content = fetch(wanted);

  watcher.join();
  ASSERT_THAT(content, IsOk());
  ASSERT_FALSE(seen.empty());
  for (const auto& process : seen)
    for (const auto& text : {process.command_line, process.environment}) {
      EXPECT_THAT(text, Not(HasSubstr("correct horse")));
      EXPECT_THAT(text, Not(HasSubstr(wanted.credentials.authorization().substr(6))));
    }
}

TEST_F(GitFaultTest, FilesWithSecretsAreForUsAlone) {
  const auto url = server->url("/private/site.git");
  const GitProgram program{GitLimits()};
  GitServer named(url);
  named.credentials = who({{"username", "me"}, {"password", "correct horse"}}, url);
  named.addresses.push_back(boost::asio::ip::make_address("127.0.0.1"));
  const auto session = GitSession::open(program, named);
  ASSERT_THAT(session, IsOk());

  std::size_t looked_at = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(sessions->path())) {
    EXPECT_EQ(file.status().permissions() & std::filesystem::perms(077),
              std::filesystem::perms::none)
        << file.path();
    ++looked_at;
  }
  EXPECT_GE(looked_at, 2U);
}

}  // namespace
}  // namespace kiln::source
