// Whatever an authentic sender sends, reading it ends, in order and soon.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "controller/hooks/notice.h"
#include "core/base/json.h"
#include "tests/support/matchers.h"
#include "tests/unit/controller/hooks/hook_bodies.h"

namespace kiln::hooks {
namespace {

using kiln::testing::FailsWith;

struct Sender {
  std::string name;
  Kind kind;
  std::string header;
  std::string event;
  std::string body;
};

const std::vector<Sender>& senders() {
  static const std::vector<Sender> all = {
      {"GitHub", Kind::kGitHub, "X-GitHub-Event", "push", bodies::kGitHubPush},
      {"GitHubPackage", Kind::kGitHub, "X-GitHub-Event", "package", bodies::kGitHubPackage},
      {"GitLab", Kind::kGitLab, "X-Gitlab-Event", "Push Hook", bodies::kGitLabPush},
      {"Gitea", Kind::kGitea, "X-Gitea-Event", "push", bodies::kGiteaPush},
      {"BitbucketCloud", Kind::kBitbucket, "X-Event-Key", "repo:push", bodies::kBitbucketCloud},
      {"BitbucketDataCenter", Kind::kBitbucket, "X-Event-Key", "repo:refs_changed",
       bodies::kBitbucketServer},
      {"Distribution", Kind::kDistribution, "X-None", "", bodies::kDistributionPush},
      {"Harbor", Kind::kHarbor, "X-None", "", bodies::kHarborPush},
      {"Quay", Kind::kQuay, "X-None", "", bodies::kQuayPush},
      {"Generic", Kind::kGeneric, "X-None", "",
       R"({"repository":"https://g.example/a/b","ref":"refs/heads/main","image":"r.io/a/b:1"})"},
  };
  return all;
}

class HostileBody : public ::testing::TestWithParam<Sender> {
 protected:
  Result<Notice> read(std::string body) const {
    http::ServerRequest request;
    request.headers.set(GetParam().header, GetParam().event);
    request.body = std::move(body);
    return read_notice(GetParam().kind, request);
  }
  /// What is read of any body holds to the limits.
  void expect_bounded(const std::string& body) const {
    const auto notice = read(body);
    if (!notice) {
      EXPECT_EQ(notice.error().code, Errc::kInvalid);
      EXPECT_LT(notice.error().message.size(), 300U) << "an error repeats the body";
      return;
    }
    EXPECT_LE(notice->images.size(), Notice::kMostImages);
    for (const auto& push : notice->pushes) {
      EXPECT_FALSE(push.urls.empty());
      EXPECT_LE(push.refs.size(), Notice::kMostRefs);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Senders, HostileBody, ::testing::ValuesIn(senders()),
                         [](const auto& test) { return test.param.name; });

TEST_P(HostileBody, IsRefusedWhereverItIsCutOff) {
  const auto& body = GetParam().body;
  for (std::size_t length = 0; length < body.size(); ++length)
    EXPECT_THAT(read(body.substr(0, length)), FailsWith(Errc::kInvalid, "JSON")) << length;
}

TEST_P(HostileBody, MayHaveAnyTypeInAnyPlace) {
  const auto whole = Json::parse(GetParam().body).flatten();
  const std::vector<Json> others = {nullptr,
                                    true,
                                    -1.5e300,
                                    "",
                                    std::string(5000, 'x'),
                                    Json::array(),
                                    Json::object(),
                                    Json::array({Json::array()}),
                                    Json::array({nullptr, 1, "x", Json::object()}),
                                    Json::object({{"href", 5}}),
                                    std::string("\0\r\n\x1b", 4)};
  for (const auto& [pointer, unused] : whole.items()) {
    Json::json_pointer place(pointer);
    // Also what stands around it: "/repository/links/html/href", "/repository/links/html", …
    for (; !place.empty(); place.pop_back())
      for (const auto& other : others) {
        auto changed = Json::parse(GetParam().body);
        changed[place] = other;
        expect_bounded(dump_json(changed));
      }
  }
}

TEST_P(HostileBody, MayLackAnything) {
  const auto whole = Json::parse(GetParam().body).flatten();
  for (const auto& [pointer, unused] : whole.items()) {
    const Json::json_pointer place(pointer);
    auto changed = Json::parse(GetParam().body);
    auto& around = changed[place.parent_pointer()];
    if (around.is_object()) around.erase(place.back());
    expect_bounded(dump_json(changed));
  }
}

TEST_P(HostileBody, IsRefusedWhenItIsNoObject) {
  for (const auto* body : {"null", "5", "\"x\"", "[]", "[{}]", "true"})
    EXPECT_THAT(read(body), FailsWith(Errc::kInvalid, "the body must be a JSON object")) << body;
}

TEST_P(HostileBody, IsRefusedWhenItIsNestedDeeply) {
  const std::size_t depth = 500'000;
  EXPECT_THAT(read(R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}"),
              FailsWith(Errc::kInvalid, "nested deeper than 64 levels"));
}

TEST_P(HostileBody, IsRefusedWhenItIsNotUtf8) {
  EXPECT_THAT(read("{\"ref\":\"\xff\xfe\"}"), FailsWith(Errc::kInvalid, "not valid JSON"));
}

TEST_P(HostileBody, MayBeAnythingWithOneByteChanged) {
  const auto& body = GetParam().body;
  for (std::size_t at = 0; at < body.size(); ++at)
    for (const char c : {'\0', '"', '}', '0', '\xff'}) {
      auto changed = body;
      changed[at] = c;
      expect_bounded(changed);
    }
}

}  // namespace
}  // namespace kiln::hooks
