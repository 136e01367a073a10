// What the reconciler makes of content from git: reconciler_test.cc has all else.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

constexpr const char* kUrl = "https://g.test/team/site.git";

class GitReconcile : public Reconcile {
 protected:
  GitReconcile() { git_.push(kUrl, 'a', {{"index.html", "hello"}}); }

  void put_git_build(const Json& git = Json::object(), const Json& change = Json::object()) {
    Json source = {{"url", kUrl}};
    source.merge_patch(git);
    Json spec = {{"content", {{{"git", source}, {"path", "/usr/share/nginx/html"}}}}};
    spec.merge_patch(change);
    put_build(spec);
  }
  std::string revision() const { return status()["content"][0]["revision"]; }
  std::string message() const {
    for (const auto& one : status()["conditions"])
      if (one["type"] == "Ready") return one["message"];
    return "";
  }
  bool noted(const std::string& words) const {
    return std::any_of(notes_.lines.begin(), notes_.lines.end(),
                       [&](const auto& line) { return line.find(words) != std::string::npos; });
  }
};

TEST_F(GitReconcile, BuildsWhatTheBranchHasAndNamesTheCommit) {
  put_git_build();
  reconcile();

  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(digest(), tag());
  EXPECT_EQ(revision(), "main@sha1:" + std::string(40, 'a'));
  EXPECT_EQ(status()["content"][0]["source"], std::string("git ") + kUrl);
}

TEST_F(GitReconcile, OfANewCommitBuildsAndSaysFromWhichToWhich) {
  put_git_build();
  reconcile();
  const auto first = digest();

  git_.push(kUrl, 'b', {{"index.html", "edited"}});
  reconcile();

  EXPECT_NE(digest(), first);
  EXPECT_EQ(reasons(), Names{"ContentChanged"});
  const auto reason = status()["lastBuild"]["reasons"][0];
  EXPECT_NE(reason["from"].get<std::string>().find(std::string(40, 'a')), std::string::npos);
  EXPECT_NE(reason["to"].get<std::string>().find(std::string(40, 'b')), std::string::npos);
}

TEST_F(GitReconcile, OfTheSameCommitWritesNothing) {
  put_git_build();
  reconcile();
  const auto version = kube_.resource_version();

  reconcile();

  EXPECT_EQ(kube_.resource_version(), version);
}

TEST_F(GitReconcile, OfTheSameCommitReadsNothingUnlessSomebodyAsks) {
  put_git_build();
  reconcile();
  EXPECT_EQ(git_.reads, 1);

  reconcile();
  EXPECT_EQ(git_.reads, 1);

  auto object = *kube_.find_json(kImageBuilds, key_);
  object["metadata"]["annotations"]["reconcile.kiln.build/requestedAt"] = "now";
  kube_.put(kImageBuilds, dump_json(object));
  look();
  reconcile();
  EXPECT_EQ(git_.reads, 2);
}

TEST_F(GitReconcile, ThatSomebodyWaitsForTakesRefsThatOthersHaveAskedForSince) {
  const auto asked = clock_.steady_now();
  put_git_build();
  clock_.advance(std::chrono::seconds(2));

  reconcile_asked_at(asked);

  EXPECT_EQ(git_.requests.back().max_age, std::chrono::seconds(2));
}

TEST_F(GitReconcile, ThatSomebodyHasWaitedForLongTakesNoRefsThatAreOlderThanSomeSeconds) {
  const auto asked = clock_.steady_now();
  put_git_build();
  clock_.advance(kNewEnough + std::chrono::seconds(1));

  reconcile_asked_at(asked);

  EXPECT_EQ(git_.requests.back().max_age, kNewEnough);
}

TEST_F(GitReconcile, ReadsTheSameCommitAgainWhereSomethingElseNeedsABuild) {
  put_git_build();
  reconcile();
  const auto first = digest();
  change_base_below_content();

  reconcile();

  EXPECT_NE(digest(), first);
  EXPECT_EQ(reasons(), Names{"BaseChanged"});
  EXPECT_EQ(git_.reads, 2);
  EXPECT_EQ(status()["content"][0]["files"], 1);
}

TEST_F(GitReconcile, ReadsNothingForAnotherBaseThatContentFits) {
  put_git_build();
  reconcile();
  const auto first = digest();
  const auto content = status()["content"];
  change_base();

  reconcile();

  EXPECT_NE(digest(), first);
  EXPECT_EQ(reasons(), Names{"BaseChanged"});
  EXPECT_EQ(git_.reads, 1);
  EXPECT_EQ(status()["content"], content);
}

TEST_F(GitReconcile, ReadsTheSameCommitAfterAllWhereTheRegistryHasLostALayer) {
  put_git_build();
  reconcile();
  change_base();
  const auto layer = *oci::Digest::parse(status()["layers"][1]["digest"].get<std::string>());
  bool gone = false;
  registry_.on_call([&](const fakes::FakeRegistry::Call& call) -> std::optional<Error> {
    // After it was looked for.
    if (call.method == "mount_blob" && !std::exchange(gone, true))
      registry_.forget_blob("r.test/team/site", layer);
    return std::nullopt;
  });

  reconcile();

  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(digest(), tag());
  EXPECT_EQ(git_.reads, 2);
  EXPECT_TRUE(registry_.has("r.test/team/site", layer));
}

TEST_F(GitReconcile, ReadsTheSameCommitAgainToRestoreATag) {
  put_git_build();
  reconcile();
  registry_.forget_tag("r.test/team/site", "latest");

  reconcile();

  EXPECT_EQ(tag(), digest());
  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(GitReconcile, OfACommitThatChangesNothingOfItNotesTheRevisionAndBuildsNothing) {
  put_git_build();
  reconcile();
  const auto first = digest();
  registry_.forget_calls();

  git_.push(kUrl, 'b', {{"index.html", "hello"}});
  reconcile();

  EXPECT_EQ(digest(), first);
  EXPECT_EQ(registry_.count("put_manifest"), 0U);
  EXPECT_EQ(revision(), "main@sha1:" + std::string(40, 'b'));
}

TEST_F(GitReconcile, OfADeletedBranchKeepsTheImageAndTellsThenHeals) {
  put_git_build();
  reconcile();
  const auto first = digest();
  git_.repository(kUrl).error = Error(Errc::kNotFound, "there is no branch main");

  const auto result = reconcile();

  EXPECT_TRUE(result.is_retry());
  EXPECT_EQ(condition("Ready"), "False GitRevisionNotFound");
  EXPECT_EQ(condition("ContentReady"), "False GitRevisionNotFound");
  EXPECT_NE(message().find("there is no branch main"), std::string::npos) << message();
  EXPECT_EQ(digest(), first);
  EXPECT_EQ(tag(), first);
  EXPECT_TRUE(noted("Warning GitRevisionNotFound"));

  git_.repository(kUrl).error.reset();
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(condition("ContentReady"), "True Succeeded");
}

struct Failing {
  std::string name;
  Errc code;
  std::string reason;
  bool retried;
};

class GitFailure : public GitReconcile, public ::testing::WithParamInterface<Failing> {};

TEST_P(GitFailure, HasAReasonOfItsOwn) {
  git_.repository(kUrl).error = Error(GetParam().code, "what the server said");
  put_git_build();

  const auto result = reconcile();

  EXPECT_EQ(condition("Ready"), "False " + GetParam().reason);
  EXPECT_EQ(result.is_retry(), GetParam().retried);
  EXPECT_NE(message().find("what the server said"), std::string::npos) << message();
}

INSTANTIATE_TEST_SUITE_P(
    All, GitFailure,
    ::testing::Values(Failing{"Login", Errc::kUnauthorized, "AuthenticationFailed", true},
                      Failing{"Rights", Errc::kDenied, "AuthenticationFailed", true},
                      Failing{"Away", Errc::kUnavailable, "GitOperationFailed", true},
                      Failing{"TooOften", Errc::kRateLimited, "GitOperationFailed", true},
                      Failing{"Broken", Errc::kCorrupt, "GitOperationFailed", true},
                      Failing{"Slow", Errc::kTimeout, "Timeout", true},
                      Failing{"Full", Errc::kNoSpace, "NoSpace", true},
                      Failing{"BadContent", Errc::kInvalid, "ContentInvalid", false},
                      Failing{"Egress", Errc::kEgressDenied, "EgressDenied", false}),
    [](const auto& test) { return test.param.name; });

TEST_F(GitReconcile, OfAMissingHostKeyNamesTheKeyOfTheSecretAndTriesAgain) {
  kube_.put(kube::kSecrets, dump_json({{"metadata", {{"namespace", "web"}, {"name", "cred"}}},
                                       {"data", {{"identity", "LS0tLS1CRUdJTiBLRVktLS0tLQ=="}}}}));
  put_git_build({{"url", "ssh://git@g.test/team/site.git"}, {"secretRef", {{"name", "cred"}}}});

  const auto result = reconcile();

  EXPECT_TRUE(result.is_retry());
  EXPECT_EQ(condition("Ready"), "False AuthenticationFailed");
  EXPECT_NE(message().find("Secret/cred: known_hosts is missing"), std::string::npos) << message();
}

TEST_F(GitReconcile, OfAMissingSecretSaysSo) {
  put_git_build({{"secretRef", {{"name", "cred"}}}});
  reconcile();
  EXPECT_EQ(condition("Ready"), "False SecretNotFound");
}

TEST_F(GitReconcile, WarnsOfATagThatWasMoved) {
  git_.tag(kUrl, 'a', {{"index.html", "hello"}}, "v1");
  put_git_build({{"ref", {{"tag", "v1"}}}});
  reconcile();
  EXPECT_FALSE(noted("was moved"));

  git_.tag(kUrl, 'b', {{"index.html", "edited"}}, "v1");
  reconcile();

  EXPECT_TRUE(noted("the tag v1 of git https://g.test/team/site.git was moved: from sha1:" +
                    std::string(40, 'a') + " to sha1:" + std::string(40, 'b')));
}

TEST_F(GitReconcile, SaysNothingOfAnotherTagInTheSameRange) {
  git_.tag(kUrl, 'a', {{"index.html", "hello"}}, "v1.0.0");
  put_git_build({{"ref", {{"semver", "^1"}}}});
  reconcile();

  git_.tag(kUrl, 'b', {{"index.html", "edited"}}, "v1.1.0");
  reconcile();

  EXPECT_FALSE(noted("was moved"));
}

TEST_F(GitReconcile, NamesTagsAfterTheCommit) {
  put_git_build(
      Json::object(),
      {{"output",
        {{"image", "r.test/team/site:latest"}, {"tags", {"${git.branch}-${git.shortCommit}"}}}}});
  reconcile();

  const auto held = registry_.tag("r.test/team/site", "main-aaaaaaa");
  ASSERT_TRUE(held);
  EXPECT_EQ(held->str(), digest());
}

TEST_F(GitReconcile, WithTimesOfCommitsBuildsEachCommit) {
  put_git_build(
      Json::object(),
      {{"output", {{"image", "r.test/team/site:latest"}, {"timestamps", "SourceRevision"}}}});
  reconcile();
  const auto first = digest();

  git_.push(kUrl, 'b', {{"index.html", "hello"}});
  reconcile();

  EXPECT_NE(digest(), first);
}

TEST_F(GitReconcile, SharesNewsOfTheServerWhenPollingAndAsksAnewForPeople) {
  put_git_build();
  reconcile();
  EXPECT_EQ(git_.requests.back().max_age.count(), 0) << "a new ImageBuild";
  reconcile();
  EXPECT_EQ(git_.requests.back().max_age, std::chrono::seconds(60)) << "a poll";

  put_git_build({{"subPath", "public"}});
  reconcile();
  EXPECT_EQ(git_.requests.back().max_age.count(), 0) << "a new spec";
  reconcile();
  git_.repository(kUrl).error = Error(Errc::kUnavailable, "away");
  reconcile();
  reconcile();
  EXPECT_EQ(git_.requests.back().max_age.count(), 0) << "after a failure";
}

}  // namespace
}  // namespace kiln::imagebuild
