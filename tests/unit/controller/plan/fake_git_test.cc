#include "tests/support/fake_git.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::fakes {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_task;

constexpr const char* kUrl = "https://g.test/team/site.git";

Result<source::Content> fetch(FakeGit& git, const std::string& url = kUrl) {
  return run_task(git.sources()(source::GitRequest(*source::GitUrl::parse(url)), 0)->fetch());
}

TEST(FakeGit, GivesTheFilesOfTheLastPushAndNamesItsCommit) {
  FakeGit git;
  git.push(kUrl, 'a', {{"x", "1"}});
  git.push(kUrl, 'b', {{"y", "2"}}, "next");

  const auto content = fetch(git);

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.find("x"), nullptr);
  EXPECT_NE(content->tree.find("y"), nullptr);
  EXPECT_EQ(content->revision, "next@sha1:" + std::string(40, 'b'));
  EXPECT_EQ(content->commit->branch, "next");
}

TEST(FakeGit, ReadsNothingThatIsKnownStill) {
  FakeGit git;
  git.push(kUrl, 'a', {{"x", "1"}});
  source::GitRequest request(*source::GitUrl::parse(kUrl));
  request.known.emplace();
  request.known->revision = "main@sha1:" + std::string(40, 'a');
  request.known->identity = "the same";

  const auto same = run_task(git.sources()(request, 0)->fetch());
  git.push(kUrl, 'b', {{"x", "2"}});
  const auto other = run_task(git.sources()(request, 0)->fetch());

  EXPECT_TRUE(same->unread);
  EXPECT_EQ(same->identity, "the same");
  EXPECT_FALSE(other->unread);
  EXPECT_EQ(git.reads, 1);
}

TEST(FakeGit, KeepsTheRequestsAndFailsWhereItIsToldTo) {
  FakeGit git;
  git.tag(kUrl, 'a', {{"x", "1"}}, "v1");
  EXPECT_EQ(fetch(git)->commit->tag, "v1");

  git.repository(kUrl).error = Error(Errc::kDenied, "no");

  EXPECT_THAT(fetch(git), FailsWith(Errc::kDenied, "no"));
  EXPECT_THAT(fetch(git, "https://g.test/other"),
              FailsWith(Errc::kUnavailable, "no such repository"));
  EXPECT_EQ(git.requests.size(), 3U);
}

}  // namespace
}  // namespace kiln::fakes
