#include "controller/imagebuild/hook_starter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/base/log.h"

namespace kiln::imagebuild {
namespace {

using runtime::Priority;

class Keys final : public runtime::KeySink {
 public:
  void add(const kube::ObjectKey& key, Priority priority) override {
    added.push_back(key.name + (priority == Priority::kHigh ? "" : ", others first"));
  }
  void add_after(const kube::ObjectKey& key, std::chrono::milliseconds delay,
                 Priority priority) override {
    added.push_back(key.name + " after " + std::to_string(delay.count()) +
                    (priority == Priority::kHigh ? "" : ", others first"));
  }
  std::vector<std::string> added;
};
using Names = std::vector<std::string>;

class HookStarterTest : public ::testing::Test {
 protected:
  void have(const std::string& name, const std::string& spec) {
    view_.applied(
        *kube::Object::parse(R"({"metadata":{"namespace":"web","name":")" + name +
                             R"(","uid":"u-)" + name + R"(","resourceVersion":"1"},"spec":{)" +
                             spec + R"(,"output":{"image":"r.io/team/)" + name + R"("}}})"),
        runtime::Origin::kChange);
    keys_.added.clear();
  }
  void have_on_base(const std::string& name, const std::string& image) {
    have(name, R"("base":{"image":")" + image + R"("})");
  }

  void have_from_git(const std::string& name, const std::string& git) {
    have(name, R"("base":{"image":"scratch"},"content":[{"path":"/srv","git":{)" + git + "}}]");
  }
  static hooks::Notice push(std::vector<std::string> urls, std::vector<std::string> refs) {
    hooks::GitPush one;
    one.urls = std::move(urls);
    one.refs = std::move(refs);
    hooks::Notice notice;
    notice.pushes.push_back(std::move(one));
    return notice;
  }

  Keys keys_;
  ClusterView view_{keys_};
  HookStarter starter_{view_};
};

TEST_F(HookStarterTest, StartsThoseOnTheBaseBehindThoseWhoseUsersWait) {
  have_on_base("site", "r.io/base/nginx:1");
  have_on_base("shop", "r.io/base/nginx:1");
  have_on_base("other", "r.io/base/nginx:2");
  hooks::Notice notice;
  notice.images = {{{"r.io", "base/nginx"}, "1", ""}, {{"r.internal", "base/nginx"}, "1", ""}};

  EXPECT_EQ(starter_.start(notice), 2U);
  EXPECT_EQ(keys_.added, (Names{"shop, others first", "site, others first"}));
}

TEST_F(HookStarterTest, LogsTheAddressAsItWasNamed) {
  have_from_git("site", R"("url":"http://h.example:8417/t/site.git")");
  const auto before = log::level();
  log::set_level(log::Level::kInfo);
  ::testing::internal::CaptureStderr();

  starter_.start(push({"http://h.example:8417/t/site.git"}, {}));

  const auto logged = ::testing::internal::GetCapturedStderr();
  log::set_level(before);
  EXPECT_THAT(logged, ::testing::HasSubstr("repository=http://h.example:8417/t/site.git"));
}

TEST_F(HookStarterTest, WaitsUntilTheRegistryShowsWhatItTells) {
  have_on_base("site", "r.io/base/nginx:1");
  hooks::Notice notice;
  notice.images = {{{"r.io", "base/nginx"}, "1", ""}};
  notice.visible_after = std::chrono::milliseconds(2'000);

  EXPECT_EQ(starter_.start(notice), 1U);
  EXPECT_EQ(keys_.added, Names{"site after 2000, others first"});
}

TEST_F(HookStarterTest, StartsThoseThatFollowTheRefOfTheRepositoryHoweverItIsWritten) {
  have_from_git("by-https", R"("url":"https://Git.example/team/site.git","ref":{"branch":"main"})");
  have_from_git("by-ssh",
                R"("url":"ssh://git@git.example:2222/team/site","ref":{"branch":"main"})");
  have_from_git("next", R"("url":"https://git.example/team/site","ref":{"branch":"next"})");
  have_from_git("tags", R"("url":"https://git.example/team/site","ref":{"semver":"1.x"})");
  have_from_git("pinned", R"("url":"https://git.example/team/site","ref":{"commit":")" +
                              std::string(40, 'a') + R"("})");
  have_from_git("other", R"("url":"https://git.example/team/other","ref":{"branch":"main"})");
  const std::vector<std::string> urls = {"https://git.example/team/site.git",
                                         "git@git.example:team/site.git", "no address"};

  EXPECT_EQ(starter_.start(push(urls, {"refs/heads/main"})), 2U);
  EXPECT_EQ(std::exchange(keys_.added, {}), (Names{"by-https", "by-ssh"}));
  EXPECT_EQ(starter_.start(push(urls, {"refs/tags/v1.2.3"})), 1U);
  EXPECT_EQ(std::exchange(keys_.added, {}), Names{"tags"});
  EXPECT_EQ(starter_.start(push(urls, {"refs/heads/main", "refs/heads/next"})), 3U);
  EXPECT_EQ(std::exchange(keys_.added, {}), (Names{"by-https", "by-ssh", "next"}));
  EXPECT_EQ(starter_.start(push(urls, {})), 4U) << "all but the pinned one";
}

TEST_F(HookStarterTest, StartsNothingForNothing) {
  have_on_base("site", "r.io/base/nginx:1");
  EXPECT_EQ(starter_.start(hooks::Notice()), 0U);
  EXPECT_TRUE(keys_.added.empty());
}

}  // namespace
}  // namespace kiln::imagebuild
