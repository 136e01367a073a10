#include "controller/imagebuild/hook_starter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kiln::imagebuild {
namespace {

using runtime::Priority;

class Keys final : public runtime::KeySink {
 public:
  void add(const kube::ObjectKey& key, Priority priority) override {
    if (priority == Priority::kHigh) added.push_back(key.name);
  }
  void add_after(const kube::ObjectKey& key, std::chrono::milliseconds delay,
                 Priority priority) override {
    if (priority == Priority::kHigh)
      added.push_back(key.name + " after " + std::to_string(delay.count()));
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

  Keys keys_;
  ClusterView view_{keys_};
  HookStarter starter_{view_};
};

TEST_F(HookStarterTest, StartsThoseOnTheBaseWithHighPriority) {
  have_on_base("site", "r.io/base/nginx:1");
  have_on_base("shop", "r.io/base/nginx:1");
  have_on_base("other", "r.io/base/nginx:2");
  hooks::Notice notice;
  notice.images = {{{"r.io", "base/nginx"}, "1", ""}, {{"r.internal", "base/nginx"}, "1", ""}};

  EXPECT_EQ(starter_.start(notice), 2U);
  EXPECT_EQ(keys_.added, (Names{"shop", "site"}));
}

TEST_F(HookStarterTest, WaitsUntilTheRegistryShowsWhatItTells) {
  have_on_base("site", "r.io/base/nginx:1");
  hooks::Notice notice;
  notice.images = {{{"r.io", "base/nginx"}, "1", ""}};
  notice.visible_after = std::chrono::milliseconds(2'000);

  EXPECT_EQ(starter_.start(notice), 1U);
  EXPECT_EQ(keys_.added, Names{"site after 2000"});
}

TEST_F(HookStarterTest, StartsNothingForNothing) {
  have_on_base("site", "r.io/base/nginx:1");
  EXPECT_EQ(starter_.start(hooks::Notice()), 0U);
  EXPECT_TRUE(keys_.added.empty());
}

}  // namespace
}  // namespace kiln::imagebuild
