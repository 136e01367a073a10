#include "controller/hooks/notice.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/matchers.h"
#include "tests/unit/controller/hooks/hook_bodies.h"

namespace kiln::hooks {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using Texts = std::vector<std::string>;

http::ServerRequest request(const std::string& event_header, const std::string& body) {
  http::ServerRequest made;
  const auto colon = event_header.find(": ");
  if (colon != event_header.npos)
    made.headers.set(event_header.substr(0, colon), event_header.substr(colon + 2));
  made.headers.set("Content-Type", "application/json");
  made.body = body;
  return made;
}

struct GitCase {
  std::string name;
  Kind kind;
  std::string event;
  std::string body;
  Texts urls;
  Texts refs;
};

class GitNotice : public ::testing::TestWithParam<GitCase> {};

TEST_P(GitNotice, SaysWhichRefOfWhichRepository) {
  const auto& test = GetParam();
  const auto notice = read_notice(test.kind, request(test.event, test.body));
  ASSERT_THAT(notice, IsOk());
  EXPECT_EQ(notice->what, Notice::What::kNews);
  EXPECT_TRUE(notice->images.empty());
  ASSERT_EQ(notice->pushes.size(), 1U);
  EXPECT_EQ(notice->pushes[0].urls, test.urls);
  EXPECT_EQ(notice->pushes[0].refs, test.refs);
}

INSTANTIATE_TEST_SUITE_P(
    Senders, GitNotice,
    ::testing::ValuesIn(std::vector<GitCase>{
        {"GitHub",
         Kind::kGitHub,
         "X-GitHub-Event: push",
         bodies::kGitHubPush,
         {"https://github.com/team/site.git", "git@github.com:team/site.git",
          "https://github.com/team/site"},
         {"refs/heads/main"}},
        {"GitLab",
         Kind::kGitLab,
         "X-Gitlab-Event: Push Hook",
         bodies::kGitLabPush,
         {"https://gitlab.example.com/team/site.git", "git@gitlab.example.com:team/site.git",
          "https://gitlab.example.com/team/site"},
         {"refs/heads/main"}},
        {"GitLabTag",
         Kind::kGitLab,
         "X-Gitlab-Event: Tag Push Hook",
         R"({"object_kind":"tag_push","ref":"refs/tags/v1.0.0",
             "project":{"git_http_url":"https://g.example/a/b.git"}})",
         {"https://g.example/a/b.git"},
         {"refs/tags/v1.0.0"}},
        {"GitLabSystemHook",
         Kind::kGitLab,
         "X-Gitlab-Event: System Hook",
         R"({"event_name":"push","ref":"refs/heads/main",
             "project":{"git_http_url":"https://g.example/a/b.git"}})",
         {"https://g.example/a/b.git"},
         {"refs/heads/main"}},
        {"Gitea",
         Kind::kGitea,
         "X-Gitea-Event: push",
         bodies::kGiteaPush,
         {"https://gitea.example.com/team/site.git",
          "ssh://git@gitea.example.com:2222/team/site.git", "https://gitea.example.com/team/site"},
         {"refs/heads/main"}},
        {"ForgejoTag",
         Kind::kGitea,
         "X-Forgejo-Event: create",
         bodies::kGiteaCreate,
         {"https://gitea.example.com/team/site.git"},
         {"refs/tags/v1.2.0"}},
        {"BitbucketCloud",
         Kind::kBitbucket,
         "X-Event-Key: repo:push",
         bodies::kBitbucketCloud,
         {"https://bitbucket.org/team/site"},
         {"refs/heads/main", "refs/tags/v0.9"}},
        {"BitbucketDataCenter",
         Kind::kBitbucket,
         "X-Event-Key: repo:refs_changed",
         bodies::kBitbucketServer,
         {"ssh://git@bitbucket.example.com:7999/team/site.git",
          "https://bitbucket.example.com/scm/team/site.git"},
         {"refs/heads/main"}},
        {"Generic",
         Kind::kGeneric,
         "",
         R"({"repository":"https://g.example/a/b","ref":"refs/heads/main"})",
         {"https://g.example/a/b"},
         {"refs/heads/main"}},
        {"GenericOfAnyRef",
         Kind::kGeneric,
         "",
         R"({"repository":"https://g.example/a/b"})",
         {"https://g.example/a/b"},
         {}},
    }),
    [](const auto& test) { return test.param.name; });

struct ImageCase {
  std::string name;
  Kind kind;
  std::string event;
  std::string body;
  Texts images;
};

class ImageNotice : public ::testing::TestWithParam<ImageCase> {};

TEST_P(ImageNotice, SaysWhichTagOfWhichRepositoryHoldsWhat) {
  const auto& test = GetParam();
  const auto notice = read_notice(test.kind, request(test.event, test.body));
  ASSERT_THAT(notice, IsOk());
  EXPECT_EQ(notice->what, Notice::What::kNews);
  EXPECT_TRUE(notice->pushes.empty());
  Texts images;
  for (const auto& image : notice->images)
    images.push_back(image.repository.str() + ":" + image.tag + " " + image.digest);
  EXPECT_EQ(images, test.images);
}

constexpr const char* kIndexDigest =
    "sha256:fea8895f450959fa676bcc1df0611ea93823a735a01205fd8622846041d0c7cf";

INSTANTIATE_TEST_SUITE_P(
    Senders, ImageNotice,
    ::testing::ValuesIn(std::vector<ImageCase>{
        {"DistributionByBothOfItsNames",
         Kind::kDistribution,
         "",
         bodies::kDistributionPush,
         {"registry.example.com/team/base:1.27 " + std::string(kIndexDigest),
          "registry.internal:5000/team/base:1.27 " + std::string(kIndexDigest)}},
        {"Harbor",
         Kind::kHarbor,
         "",
         bodies::kHarborPush,
         {"harbor.example.com/team/base:1.27 sha256:8a9e9863"}},
        {"HarborAsCloudEvent",
         Kind::kHarbor,
         "",
         bodies::kHarborCloudEvent,
         {"harbor.example.com/team/base:1.27 sha256:954b378c"}},
        {"Quay",
         Kind::kQuay,
         "",
         bodies::kQuayPush,
         {"quay.io/team/base:1.27 ", "quay.io/team/base:latest "}},
        {"QuayOfOld",
         Kind::kQuay,
         "",
         R"({"docker_url":"quay.io/team/base","updated_tags":{"1.27":"b750fe79"}})",
         {"quay.io/team/base:1.27 "}},
        {"GitHubPackage",
         Kind::kGitHub,
         "X-GitHub-Event: package",
         bodies::kGitHubPackage,
         {"ghcr.io/team/base:1.27 sha256:1111"}},
        {"GitHubRegistryPackage",
         Kind::kGitHub,
         "X-GitHub-Event: registry_package",
         R"({"action":"published","registry_package":{"package_type":"CONTAINER",
             "package_version":{"container_metadata":{"tag":{"name":"1","digest":"sha256:2"}},
             "package_url":"ghcr.io/team/base:1"}}})",
         {"ghcr.io/team/base:1 sha256:2"}},
        {"Generic",
         Kind::kGeneric,
         "",
         R"({"image":"nginx:1.27"})",
         {"index.docker.io/library/nginx:1.27 "}},
    }),
    [](const auto& test) { return test.param.name; });

TEST(ReadNotice, KnowsWhenItIsOnlyTried) {
  const auto what = [](Kind kind, const std::string& event, const std::string& body) {
    return read_notice(kind, request(event, body))->what;
  };
  EXPECT_EQ(what(Kind::kGitHub, "X-GitHub-Event: ping", bodies::kGitHubPing), Notice::What::kPing);
  EXPECT_EQ(what(Kind::kBitbucket, "X-Event-Key: diagnostics:ping", R"({"test":true})"),
            Notice::What::kPing);
  EXPECT_EQ(what(Kind::kGeneric, "", R"({"ping":true})"), Notice::What::kPing);
}

struct Quiet {
  std::string name;
  Kind kind;
  std::string event;
  std::string body;
};

class NoNotice : public ::testing::TestWithParam<Quiet> {};

TEST_P(NoNotice, SaysNothingThatHasToBeLookedAt) {
  const auto& test = GetParam();
  const auto notice = read_notice(test.kind, request(test.event, test.body));
  ASSERT_THAT(notice, IsOk());
  EXPECT_EQ(notice->what, Notice::What::kNothing);
  EXPECT_TRUE(notice->pushes.empty());
  EXPECT_TRUE(notice->images.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Events, NoNotice,
    ::testing::ValuesIn(std::vector<Quiet>{
        {"GitHubIssue", Kind::kGitHub, "X-GitHub-Event: issues", bodies::kGitHubPush},
        {"GitHubEventOfTheFuture", Kind::kGitHub, "X-GitHub-Event: repo_blessed", "{}"},
        {"GitHubPackageForNpm", Kind::kGitHub, "X-GitHub-Event: package",
         R"({"package":{"package_type":"npm","package_version":{"package_url":"x"}}})"},
        {"GitHubPackageWithoutATag", Kind::kGitHub, "X-GitHub-Event: package",
         R"({"package":{"package_type":"CONTAINER","package_version":{
             "container_metadata":{"tag":{"name":""}},"package_url":"ghcr.io/team/base:"}}})"},
        {"GitLabIssue", Kind::kGitLab, "X-Gitlab-Event: Issue Hook", R"({"object_kind":"issue"})"},
        {"GiteaIssue", Kind::kGitea, "X-Gitea-Event: issues", "{}"},
        {"BitbucketComment", Kind::kBitbucket, "X-Event-Key: repo:commit_comment_created", "{}"},
        {"DistributionPullsAndBlobs", Kind::kDistribution, "",
         R"({"events":[
             {"action":"pull","target":{"repository":"a/b","tag":"1"},"request":{"host":"r.io"}},
             {"action":"delete","target":{"repository":"a/b","tag":"1"},"request":{"host":"r.io"}},
             {"action":"push","target":{"repository":"a/b","digest":"sha256:1"},
              "request":{"host":"r.io"}}]})"},
        {"DistributionWithoutEvents", Kind::kDistribution, "", R"({"events":[]})"},
        {"HarborScan", Kind::kHarbor, "", R"({"type":"SCANNING_COMPLETED","event_data":{}})"},
        {"HarborPushByDigest", Kind::kHarbor, "",
         R"({"type":"PUSH_ARTIFACT","event_data":{"resources":[{"digest":"sha256:1",
             "tag":"sha256:1","resource_url":"h.example/a/b:x"}]}})"},
        {"QuayWithoutTags", Kind::kQuay, "",
         R"({"docker_url":"quay.io/team/base","updated_tags":[]})"},
    }),
    [](const auto& test) { return test.param.name; });

struct Wrong {
  std::string name;
  Kind kind;
  std::string event;
  std::string body;
  std::string why;
};

class BadNotice : public ::testing::TestWithParam<Wrong> {};

TEST_P(BadNotice, IsRefusedWithWhatIsMissing) {
  const auto& test = GetParam();
  EXPECT_THAT(read_notice(test.kind, request(test.event, test.body)),
              FailsWith(Errc::kInvalid, test.why));
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, BadNotice,
    ::testing::ValuesIn(std::vector<Wrong>{
        {"GitHubWithoutAnEvent", Kind::kGitHub, "", bodies::kGitHubPush,
         "the header X-GitHub-Event is missing"},
        {"GitHubWithoutARef", Kind::kGitHub, "X-GitHub-Event: push",
         R"({"repository":{"clone_url":"https://g.example/a/b"}})", "ref is missing"},
        {"GitHubWithoutARepository", Kind::kGitHub, "X-GitHub-Event: push",
         R"({"ref":"refs/heads/main"})", "the body names no address of the repository"},
        {"GitHubWithoutAPackage", Kind::kGitHub, "X-GitHub-Event: package", "{}",
         "package is missing"},
        {"GitLabWithoutAKind", Kind::kGitLab, "", "{}", "object_kind is missing"},
        {"GitLabWithoutARef", Kind::kGitLab, "", R"({"object_kind":"push"})", "ref is missing"},
        {"GiteaWithoutAnEvent", Kind::kGitea, "", "{}", "the header X-Gitea-Event is missing"},
        {"GiteaWithAnOddRefType", Kind::kGitea, "X-Gitea-Event: create",
         R"({"ref":"x","ref_type":"note"})", "ref is missing"},
        {"BitbucketWithoutAnEvent", Kind::kBitbucket, "", "{}",
         "the header X-Event-Key is missing"},
        {"BitbucketWithoutChanges", Kind::kBitbucket, "X-Event-Key: repo:push", "{}",
         "changes is missing"},
        {"BitbucketWithoutARef", Kind::kBitbucket, "X-Event-Key: repo:push",
         R"({"push":{"changes":[{"new":null,"old":null}]}})", "the ref of a change is missing"},
        {"BitbucketWithoutAnAddress", Kind::kBitbucket, "X-Event-Key: repo:refs_changed",
         R"({"changes":[{"ref":{"id":"refs/heads/main"}}],"repository":{"slug":"site"}})",
         "the body names no address of the repository"},
        {"DistributionWithoutEvents", Kind::kDistribution, "", "{}", "events is missing"},
        {"HarborWithoutAType", Kind::kHarbor, "", "{}", "type is missing"},
        {"HarborWithoutResources", Kind::kHarbor, "", R"({"type":"PUSH_ARTIFACT"})",
         "resources is missing"},
        {"QuayWithoutARepository", Kind::kQuay, "", "{}", "docker_url is missing"},
        {"GenericWithNothing", Kind::kGeneric, "", "{}", R"(write {"repository": URL)"},
        {"GenericWithAShortRef", Kind::kGeneric, "",
         R"({"repository":"https://g.example/a/b","ref":"main"})", "ref must be a full name"},
        {"GenericWithABrokenImage", Kind::kGeneric, "", R"({"image":"Not An Image"})", "image: "},
        {"GenericWithADigestAlone", Kind::kGeneric, "",
         R"({"image":"r.io/a/b@)" + std::string(kIndexDigest) + R"("})", "image must have a tag"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(ReadNotice, OfDistributionComesBeforeTheTagIsSet) {
  EXPECT_GT(read_notice(Kind::kDistribution, request("", bodies::kDistributionPush))->visible_after,
            std::chrono::milliseconds(0));
  EXPECT_EQ(read_notice(Kind::kHarbor, request("", bodies::kHarborPush))->visible_after,
            std::chrono::milliseconds(0));
}

TEST(ReadNotice, TakesNoForms) {
  auto form = request("X-GitHub-Event: push", "payload=%7B%7D");
  form.headers.set("Content-Type", "application/x-www-form-urlencoded");
  EXPECT_THAT(read_notice(Kind::kGitHub, form),
              FailsWith(Errc::kUnsupported, "the body must be application/json"));
}

TEST(ReadNotice, TakesTheContentTypeOfDistribution) {
  auto events = request("", bodies::kDistributionPush);
  events.headers.set("Content-Type", "application/vnd.docker.distribution.events.v2+json");
  EXPECT_THAT(read_notice(Kind::kDistribution, events), IsOk());
}

TEST(ReadNotice, OfVeryManyRefsDoesNotSayWhich) {
  std::string changes;
  for (std::size_t i = 0; i <= Notice::kMostRefs; ++i)
    changes += (i == 0 ? "" : ",") + std::string(R"({"ref":{"id":"refs/heads/b)") +
               std::to_string(i) + R"("}})";
  const auto notice = read_notice(
      Kind::kBitbucket,
      request("X-Event-Key: repo:refs_changed",
              R"({"repository":{"links":{"clone":[{"href":"https://b.example/a/b.git"}]}},)"
              R"("changes":[)" +
                  changes + "]}"));
  ASSERT_THAT(notice, IsOk());
  EXPECT_TRUE(notice->pushes.at(0).refs.empty());
}

TEST(ReadNotice, TakesABoundedNumberOfImages) {
  std::string tags;
  for (std::size_t i = 0; i < 2 * Notice::kMostImages; ++i)
    tags += (i == 0 ? "\"t" : ",\"t") + std::to_string(i) + "\"";
  const auto notice = read_notice(
      Kind::kQuay,
      request("", R"({"docker_url":"quay.io/team/base","updated_tags":[)" + tags + "]}"));
  ASSERT_THAT(notice, IsOk());
  EXPECT_EQ(notice->images.size(), Notice::kMostImages);
}

}  // namespace
}  // namespace kiln::hooks
