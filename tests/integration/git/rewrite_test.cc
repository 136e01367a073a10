// A branch that does not go on from where it was, as a force-push leaves it.
#include "tests/integration/git/git_fixture.h"

namespace kiln::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class GitRewriteTest : public GitHttpTest {
 protected:
  void TearDown() override { client.reset(); }

  /// Commits on top of each other, then what `main` is at: the last one's id.
  std::string push(const std::string& parent, int commits, const std::string& word) {
    const auto made = repository();
    auto last = parent;
    for (int i = 0; i < commits; ++i)
      last = made.commit_tree(
          made.tree({{"100644", "blob", made.blob(word + std::to_string(i)), "a"}}), last);
    made.set_ref("refs/heads/main", last);
    return last;
  }
  /// What is said when the content at `before` was known.
  std::vector<std::string> warnings_since(const std::string& before) {
    auto wanted = request();
    wanted.known.emplace();
    wanted.known->revision = "main@sha1:" + before;
    wanted.known->identity = "known";
    const auto content = fetch(std::move(wanted));
    EXPECT_THAT(content, IsOk());
    return content ? content->warnings : std::vector<std::string>();
  }
  std::size_t times_asked() const { return server->requests().size(); }
  std::string rewritten(const std::string& from, const std::string& to) const {
    return "the branch main of " + request().url.str() +
           " was rewritten (a force-push): from sha1:" + from + " to sha1:" + to +
           ", which does not descend from it";
  }
};

TEST_F(GitRewriteTest, ANewBeginningIsSaid) {
  const auto before = push("", 3, "old");
  ASSERT_THAT(fetch(request()), IsOk());

  const auto now = push("", 1, "new");

  EXPECT_THAT(warnings_since(before), ElementsAre(rewritten(before, now)));
}

TEST_F(GitRewriteTest, AnotherCommitInThePlaceOfTheLastIsSaidWithoutAskingMore) {
  const auto first = push("", 1, "first");
  const auto before = push(first, 1, "old");
  ASSERT_THAT(fetch(request()), IsOk());
  const auto next = push(before, 1, "next");
  const auto asked_before = times_asked();
  ASSERT_THAT(warnings_since(before), IsEmpty());
  const auto asked = times_asked() - asked_before;

  const auto now = push(before, 1, "other");
  EXPECT_THAT(warnings_since(next), ElementsAre(rewritten(next, now)));

  EXPECT_EQ(times_asked() - asked_before, 2 * asked);
}

TEST_F(GitRewriteTest, SeveralCommitsInOnePushAreNone) {
  const auto before = push("", 2, "old");
  ASSERT_THAT(fetch(request()), IsOk());

  push(before, 20, "new");

  EXPECT_THAT(warnings_since(before), IsEmpty());
}

TEST_F(GitRewriteTest, SeveralCommitsInThePlaceOfSeveralAreSaid) {
  const auto first = push("", 100, "first");
  const auto before = push(first, 5, "old");
  ASSERT_THAT(fetch(request()), IsOk());

  const auto now = push(first, 7, "new");

  EXPECT_THAT(warnings_since(before), ElementsAre(rewritten(before, now)));
}

TEST_F(GitRewriteTest, WhatIsTooFarBackToTellIsNotSaid) {
  const auto before = push("", 2, "old");
  ASSERT_THAT(fetch(request()), IsOk());

  push(before, 200, "new");

  EXPECT_THAT(warnings_since(before), IsEmpty());
}

TEST_F(GitRewriteTest, BackToAnOlderCommitIsSaid) {
  const auto older = push("", 3, "old");
  const auto before = push(older, 3, "new");
  ASSERT_THAT(fetch(request()), IsOk());
  repository().set_ref("refs/heads/main", older);

  EXPECT_THAT(warnings_since(before), ElementsAre(rewritten(before, older)));
}

TEST_F(GitRewriteTest, AServerThatKnowsNoFiltersCostsNoBuild) {
  repository().git({"config", "uploadpack.allowFilter", "false"});
  const auto before = push("", 1, "old");
  ASSERT_THAT(fetch(request()), IsOk());

  push(before, 3, "new");

  EXPECT_THAT(warnings_since(before), IsEmpty());
}

TEST_F(GitRewriteTest, WhoDoesNotKnowWhatItHadIsToldByTheCacheIfItWants) {
  options.remember_branches = true;
  new_client();
  const auto before = push("", 2, "old");
  ASSERT_THAT(fetch(request()), IsOk());
  const auto now = push("", 1, "new");
  new_client();

  const auto content = fetch(request());

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(content->warnings, ElementsAre(rewritten(before, now)));
  EXPECT_THAT(fetch(request())->warnings, IsEmpty());
}

TEST_F(GitRewriteTest, TheCacheStaysGoodForWhatComesNext) {
  const auto first = push("", 100, "first");
  const auto before = push(first, 5, "old");
  ASSERT_THAT(fetch(request()), IsOk());
  const auto now = push(first, 7, "new");
  ASSERT_THAT(warnings_since(before), ElementsAre(HasSubstr("rewritten")));

  push(now, 1, "next");
  const auto content = fetch(request());

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a"), "next0");
}

}  // namespace
}  // namespace kiln::source
