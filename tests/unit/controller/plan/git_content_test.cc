#include "controller/plan/git_content.h"

#include <gtest/gtest.h>

#include "controller/plan/plan.h"
#include "tests/support/fake_git.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/unit/controller/plan/spec_text.h"

namespace kiln::plan {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_task;

/// Secrets in memory.
class Secrets final : public ContentProvider {
 public:
  Task<Result<NamedData>> config_map(std::string name) override {
    co_return Error(Errc::kNotFound, name);
  }
  Task<Result<NamedData>> secret(std::string name) override {
    const auto found = all.find(name);
    if (found == all.end()) co_return Error(Errc::kNotFound, "Secret/" + name + " is not there");
    co_return found->second;
  }
  std::map<std::string, NamedData> all;
};

class GitEntry : public ::testing::Test {
 protected:
  Result<Plan> plan(const Json& more, const Json& output = Json::object()) {
    Json git = {{"url", "https://g.test/team/site.git"}};
    git.merge_patch(more);
    Json wanted = {{"image", "r.test/team/site:latest"}};
    wanted.merge_patch(output);
    const auto build =
        build_with({{"content", {{{"path", "/srv"}, {"git", git}}}}, {"output", wanted}});
    Accesses accesses;
    return run_task(make_plan(build, secrets_, accesses, git_.sources(), {}));
  }
  void put_secret(std::map<std::string, std::string> keys) {
    secrets_.all["cred"].files = std::move(keys);
  }
  static Json with_secret(const std::string& url) {
    return {{"url", url}, {"secretRef", {{"name", "cred"}}}};
  }

  Secrets secrets_;
  fakes::FakeGit git_;
};

TEST_F(GitEntry, BecomesARequestWithAllThatTheSpecSays) {
  ASSERT_THAT(plan({{"ref", {{"branch", "next"}}},
                    {"subPath", "public"},
                    {"include", {"**"}},
                    {"exclude", {"a", "b"}},
                    {"recurseSubmodules", true},
                    {"lfs", true}}),
              IsOk());

  const auto& request = git_.requests.at(0);
  EXPECT_EQ(request.url.str(), "https://g.test/team/site.git");
  EXPECT_EQ(request.ref.branch, "next");
  EXPECT_EQ(request.sub_path, "public");
  EXPECT_EQ(request.include.size(), 1U);
  EXPECT_EQ(request.exclude.size(), 2U);
  EXPECT_TRUE(request.submodules);
  EXPECT_TRUE(request.lfs);
  EXPECT_EQ(request.credentials.authorization(), "");
}

TEST_F(GitEntry, TakesItsCredentialsFromTheSecretOfSecretRef) {
  put_secret({{"username", "me"}, {"password", "pw"}});
  ASSERT_THAT(plan(with_secret("https://g.test/a")), IsOk());
  EXPECT_EQ(git_.requests.back().credentials.authorization(), "Basic bWU6cHc=");

  put_secret({{"identity", "-----BEGIN OPENSSH PRIVATE KEY-----"}, {"known_hosts", "g.test x"}});
  ASSERT_THAT(plan(with_secret("ssh://git@g.test/a")), IsOk());
  EXPECT_EQ(git_.requests.back().credentials.known_hosts(), "g.test x\n");
}

TEST_F(GitEntry, NamesASecretThatIsMissing) {
  EXPECT_THAT(
      plan(with_secret("https://g.test/a")),
      FailsWith(Errc::kNotFound, "spec.content[0].git.secretRef: Secret/cred is not there"));
}

struct BadKeys {
  std::string name, url;
  std::map<std::string, std::string> keys;
  std::string message;
};
void PrintTo(const BadKeys& bad, std::ostream* out) {
  *out << bad.name;
}

class BadGitSecret : public GitEntry, public ::testing::WithParamInterface<BadKeys> {};

TEST_P(BadGitSecret, IsRefusedNamingSecretAndKeyAndMayHeal) {
  put_secret(GetParam().keys);
  EXPECT_THAT(plan(with_secret(GetParam().url)),
              FailsWith(Errc::kUnauthorized,
                        "spec.content[0].git.secretRef: Secret/cred: " + GetParam().message));
}

constexpr const char* kKey = "-----BEGIN OPENSSH PRIVATE KEY-----";
INSTANTIATE_TEST_SUITE_P(
    All, BadGitSecret,
    ::testing::Values(
        BadKeys{"Empty", "https://g.test/a", {}, "has none of the keys for https"},
        BadKeys{"GitHubApp",
                "https://g.test/a",
                {{"githubAppID", "1"}, {"githubAppPrivateKey", "x"}},
                "githubAppInstallationID is missing"},
        BadKeys{"SshKeyForHttps",
                "https://g.test/a",
                {{"identity", kKey}},
                "has a key for ssh (identity), and url is not ssh: write ssh://g.test/a"},
        BadKeys{"NoUser", "https://g.test/a", {{"password", "x"}}, "username is missing"},
        BadKeys{"NoKnownHosts", "ssh://g.test/a", {{"identity", kKey}}, "known_hosts is missing"},
        BadKeys{"NoIdentity", "ssh://g.test/a", {{"known_hosts", "x"}}, "identity is missing"},
        BadKeys{"NoPem", "https://g.test/a", {{"ca.crt", "x"}}, "ca.crt is no PEM"}),
    [](const auto& test) { return test.param.name; });

std::vector<build::FetchedContent> fetch_all(const Plan& plan) {
  std::vector<build::FetchedContent> all;
  for (const auto& one : plan.request->content)
    all.push_back({*run_task(one.source->fetch()), one.source->description()});
  return all;
}

TEST_F(GitEntry, GivesFilesTheTimeOfTheirCommitWhenAskedTo) {
  git_.push("https://g.test/team/site.git", 'a', {{"index.html", "x"}});
  const auto made = plan(Json::object(), {{"timestamps", "SourceRevision"}});
  ASSERT_THAT(made, IsOk());
  auto content = fetch_all(*made);
  const auto before = content[0].content.identity;
  auto request = *made->request;

  ASSERT_THAT(apply_commit_times(request, content), IsOk());

  const auto time = content[0].content.commit->time;
  EXPECT_EQ(content[0].content.tree.find("index.html")->mtime, time);
  EXPECT_NE(content[0].content.identity, before);
  EXPECT_EQ(request.timestamps.kind, layer::Timestamps::kFixed);
  EXPECT_EQ(request.timestamps.fixed, time);
  EXPECT_EQ(request.created, format_rfc3339(WallTime(std::chrono::seconds(time))));
}

TEST_F(GitEntry, LeavesATimeOfCreationThatSomethingElseHasSet) {
  git_.push("https://g.test/team/site.git", 'a', {{"index.html", "x"}});
  const auto made = plan(Json::object());
  auto content = fetch_all(*made);
  auto request = *made->request;
  request.created = "2001-01-01T00:00:00Z";

  ASSERT_THAT(apply_commit_times(request, content), IsOk());

  EXPECT_EQ(request.created, "2001-01-01T00:00:00Z");
}

TEST(CommitTimes, AreRefusedForContentThatIsOfNoCommit) {
  build::BuildRequest request;
  std::vector<build::FetchedContent> content(1);
  content[0].description = "ConfigMap/pages";

  EXPECT_THAT(apply_commit_times(request, content),
              FailsWith(Errc::kInvalid, "timestamps: ConfigMap/pages is of no git commit"));
}

}  // namespace
}  // namespace kiln::plan
