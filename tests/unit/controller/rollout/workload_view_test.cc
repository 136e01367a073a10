#include "controller/rollout/workload_view.h"

#include <gtest/gtest.h>

#include <utility>

#include "controller/rollout/annotation.h"
#include "core/base/json.h"

namespace kiln::rollout {
namespace {

using runtime::Origin;
using runtime::Priority;
using Lines = std::vector<std::string>;

class Keys final : public runtime::KeySink {
 public:
  void add(const kube::ObjectKey& key, Priority priority) override {
    added.push_back(key.str() + (priority == Priority::kHigh ? " at once" : ""));
  }
  void add_after(const kube::ObjectKey&, std::chrono::milliseconds, Priority) override {}
  std::vector<std::string> added;
};

class WorkloadViewTest : public ::testing::Test {
 protected:
  static kube::Object object(const std::string& name, const std::string& image_from,
                             int generation = 1, const std::string& uid = "u") {
    Json metadata = {
        {"namespace", "web"}, {"name", name}, {"uid", uid}, {"generation", generation}};
    if (!image_from.empty()) metadata["annotations"] = {{kImageFrom, image_from}};
    return *kube::Object::parse(dump_json({{"metadata", metadata}}));
  }
  Lines told() { return std::exchange(keys_.added, {}); }

  static constexpr const char* kSite = R"([{"imageBuild":"site","container":"web"}])";
  Keys keys_;
  WorkloadView view_{keys_};
  runtime::WatchHandler& deployments_ = view_.handler(kWorkloadTypes[0]);
  runtime::WatchHandler& cron_jobs_ = view_.handler(kWorkloadTypes[3]);
};

TEST_F(WorkloadViewTest, KeepsOnlyWhatIsAnnotated) {
  deployments_.applied(object("plain", ""), Origin::kInitial);
  deployments_.applied(object("site", kSite), Origin::kInitial);
  EXPECT_EQ(view_.size(), 1U);
  EXPECT_EQ(told(), Lines{"web/Deployment/site"});
  EXPECT_EQ(deployments_.known(), (std::vector<kube::ObjectKey>{{"web", "site"}}));
  EXPECT_TRUE(cron_jobs_.known().empty());
}

TEST_F(WorkloadViewTest, KeepsWorkloadsOfOneNameApart) {
  deployments_.applied(object("site", kSite), Origin::kChange);
  cron_jobs_.applied(object("site", kSite), Origin::kChange);
  EXPECT_EQ(told(), (Lines{"web/Deployment/site at once", "web/CronJob/site at once"}));
  EXPECT_EQ(view_.find({"web", "CronJob/site"})->reference.kind, "CronJob");
  EXPECT_EQ(view_.find({"web", "CronJob/site"})->reference.api_version, "batch/v1");
}

TEST_F(WorkloadViewTest, IsNotWokenByAStatus) {
  deployments_.applied(object("site", kSite), Origin::kChange);
  told();
  deployments_.applied(object("site", kSite), Origin::kChange);
  EXPECT_TRUE(told().empty());
}

TEST_F(WorkloadViewTest, IsWokenByAnotherTemplateAnnotationOrObject) {
  deployments_.applied(object("site", kSite), Origin::kChange);
  told();
  for (const auto& change :
       {object("site", kSite, 2), object("site", "[]", 2), object("site", "[]", 2, "another")}) {
    deployments_.applied(change, Origin::kChange);
    EXPECT_EQ(told(), Lines{"web/Deployment/site at once"}) << change.json();
  }
}

TEST_F(WorkloadViewTest, ForgetsWhatIsGoneOrNoLongerAnnotated) {
  deployments_.applied(object("a", kSite), Origin::kChange);
  deployments_.applied(object("b", kSite), Origin::kChange);
  told();
  deployments_.deleted({"web", "a"});
  deployments_.applied(object("b", ""), Origin::kChange);
  EXPECT_EQ(view_.size(), 0U);
  EXPECT_EQ(told(), (Lines{"web/Deployment/a", "web/Deployment/b"})) << "for a last look";
  deployments_.deleted({"web", "a"});
  EXPECT_TRUE(told().empty());
}

TEST_F(WorkloadViewTest, NewsOfAnImageBuildWakeThoseThatNameIt) {
  deployments_.applied(object("a", kSite), Origin::kChange);
  deployments_.applied(object("b", R"([{"imageBuild":"other","volume":"v"}])"), Origin::kChange);
  deployments_.applied(object("c", "no JSON"), Origin::kChange);
  told();
  view_.image_build_changed({"web", "site"});
  EXPECT_EQ(told(), Lines{"web/Deployment/a at once"});
  view_.image_build_changed({"elsewhere", "site"});
  EXPECT_TRUE(told().empty());
}

}  // namespace
}  // namespace kiln::rollout
