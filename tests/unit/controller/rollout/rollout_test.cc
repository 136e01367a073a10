#include "controller/rollout/rollout.h"

#include <gtest/gtest.h>

#include "core/base/json.h"
#include "core/base/log.h"
#include "tests/support/fake_kube.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/controller/runtime/driving.h"

namespace kiln::rollout {
namespace {

class NoEvents final : public runtime::EventSink {
 public:
  void record(const runtime::ObjectReference&, runtime::EventType, std::string_view,
              std::string_view, std::string_view) override {}
};

class RolloutProgram : public ::testing::Test {
 protected:
  RolloutProgram() { log::set_level(log::Level::kOff); }

  void put(const kube::ResourceType& type) {
    kube_.put(type, R"({"metadata":{"namespace":"web","name":"app","annotations":{
        "kiln.build/image-from":"[{\"imageBuild\":\"site\",\"container\":\"web\"}]"}},
        "spec":{"template":{"spec":{"containers":[{"name":"web","image":"old"}]}}}})");
  }
  std::string image(const kube::ResourceType& type) const {
    return (*kube_.find_json(type,
                             {"web", "app"}))["spec"]["template"]["spec"]["containers"][0]["image"];
  }

  boost::asio::io_context io_;
  fakes::FakeKube kube_;
  fakes::ManualClock clock_;
  NoEvents events_;
  BuildImage build_;
  Rollout rollout_{kube_,
                   events_,
                   clock_,
                   io_.get_executor(),
                   [this](const kube::ObjectKey&) { return std::optional<BuildImage>(build_); },
                   Rollout::Options()};
};

TEST_F(RolloutProgram, WatchesAsMetadataAndBringsNewImagesIntoWorkloads) {
  const auto& deployments = kWorkloadTypes[0];
  const auto& daemon_sets = kWorkloadTypes[2];
  put(deployments);
  std::list<kiln::testing::Background> watches;
  for (auto& watcher : rollout_.watchers()) watches.emplace_back(io_, watcher.run());
  EXPECT_EQ(watches.size(), kWorkloadTypes.size());
  kiln::testing::Background run(io_, rollout_.run());
  ASSERT_TRUE(kiln::testing::run_until(io_, [&] { return kube_.open_watches() == 4; }));

  build_.image = "r/site@1";
  build_.ready = true;
  rollout_.image_build_changed({"web", "site"});
  put(daemon_sets);

  EXPECT_TRUE(kiln::testing::run_until(
      io_, [&] { return image(deployments) == "r/site@1" && image(daemon_sets) == "r/site@1"; }));
  rollout_.stop();
  EXPECT_TRUE(run.wait());
  EXPECT_FALSE(run.result()->has_error());
}

}  // namespace
}  // namespace kiln::rollout
