#include "controller/imagebuild/build_meter.h"

#include <gmock/gmock.h>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using BuildMeter = Reconcile;

TEST_F(BuildMeter, CountsABuildByItsReasonWithAllThatItsStatusSays) {
  put_build();
  reconcile();

  EXPECT_EQ(metrics_.builds.value({"Created", "succeeded"}), 1);
  EXPECT_EQ(metrics_.build_time.count(), 1U);
  EXPECT_GT(metrics_.build_time.sum(), 0);
  for (const auto* stage : {"content", "base", "layers", "push", "publish"})
    EXPECT_EQ(metrics_.stage_time.count({stage}), 1U) << stage;
  const auto& last = status()["lastBuild"];
  EXPECT_EQ(metrics_.layers.value(), static_cast<double>(status()["layers"].size()));
  EXPECT_EQ(metrics_.content_bytes.value(), 5) << "hello";
  EXPECT_EQ(metrics_.uploaded_bytes.value(), last.value("uploadedBytes", 0));
  EXPECT_EQ(metrics_.reused_bytes.value(), last.value("reusedBytes", 0));
  EXPECT_EQ(metrics_.base_polls.value(), 1);
}

TEST_F(BuildMeter, CountsNoBuildWhereThereIsNothingToDoButTheLookAtTheBase) {
  put_build();
  reconcile();
  clock_.advance(std::chrono::minutes(10));
  reconcile();
  EXPECT_EQ(metrics_.build_time.count(), 1U);
  EXPECT_EQ(metrics_.base_polls.value(), 2);
}

TEST_F(BuildMeter, CountsLayersThatFitANewBaseAsReusedAndNotAsMade) {
  put_build();
  reconcile();
  const auto made = metrics_.layers.value();
  const auto read = metrics_.content_bytes.value();
  change_base();

  reconcile();

  EXPECT_EQ(metrics_.builds.value({"BaseChanged", "succeeded"}), 1);
  EXPECT_EQ(metrics_.stage_time.count({"reuse"}), 1U);
  EXPECT_EQ(metrics_.layers_reused.value(), static_cast<double>(status()["layers"].size()));
  EXPECT_EQ(metrics_.layers.value(), made);
  EXPECT_EQ(metrics_.content_bytes.value(), read);
}

TEST_F(BuildMeter, CountsABuildThatFailsAndWhy) {
  put_build();
  registry_.on_call([](const fakes::FakeRegistry::Call& call) -> std::optional<Error> {
    if (call.method == "put_manifest") return Error(Errc::kDenied, "no");
    return std::nullopt;
  });

  reconcile();

  EXPECT_EQ(metrics_.builds.value({"Created", "failed"}), 1);
  EXPECT_EQ(metrics_.builds.value({"Created", "succeeded"}), 0);
  EXPECT_EQ(metrics_.reconcile_failures.value({"PushDenied"}), 1);
}

TEST_F(BuildMeter, CountsAFailureBeforeAnyBuildAsAFailureAlone) {
  put_build({{"content", {{{"configMap", {{"name", "none"}}}, {"path", "/srv"}}}}});

  reconcile();

  EXPECT_EQ(metrics_.reconcile_failures.value({"ConfigMapNotFound"}), 1);
  EXPECT_THAT(metrics_.text(), Not(HasSubstr("result=\"failed\"} 1")));
  EXPECT_EQ(metrics_.base_polls.value(), 0);
}

TEST_F(BuildMeter, CountsATagThatSomebodyMovedAsAFailure) {
  put_build();
  reconcile();
  push_foreign();
  reconcile();
  EXPECT_EQ(metrics_.reconcile_failures.value({"TagMoved"}), 1);
}

TEST_F(BuildMeter, CountsNoFailureWhereNothingIsWanted) {
  put_build({{"suspend", true}});
  reconcile();
  EXPECT_EQ(condition("Ready"), "False Suspended");
  EXPECT_EQ(metrics_.reconcile_failures.value({"Suspended"}), 0);
}

TEST_F(BuildMeter, ShowsTheViewWheneverTheMetricsAreRead) {
  meter_view(metrics_, view_);
  put_build();
  EXPECT_THAT(metrics_.text(), HasSubstr("kiln_imagebuilds{ready=\"unknown\"} 1\n"));

  reconcile();

  EXPECT_THAT(metrics_.text(), HasSubstr("kiln_imagebuilds{ready=\"unknown\"} 0\n"));
  EXPECT_THAT(metrics_.text(), HasSubstr("kiln_imagebuilds{ready=\"true\"} 1\n"));
}

}  // namespace
}  // namespace kiln::imagebuild
