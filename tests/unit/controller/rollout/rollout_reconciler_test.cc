#include "controller/rollout/rollout_reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/json.h"
#include "core/base/log.h"
#include "tests/support/fake_kube.h"
#include "tests/support/manual_clock.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::rollout {
namespace {

using namespace std::chrono_literals;
using runtime::ReconcileResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kDeployments = kWorkloadTypes[0];
constexpr const char* kSite = R"([{"imageBuild":"site","container":"web"}])";

class NoKeys final : public runtime::KeySink {
 public:
  void add(const kube::ObjectKey&, runtime::Priority) override {}
  void add_after(const kube::ObjectKey&, std::chrono::milliseconds, runtime::Priority) override {}
};

class Notes final : public runtime::EventSink {
 public:
  void record(const runtime::ObjectReference& regarding, runtime::EventType type,
              std::string_view reason, std::string_view, std::string_view note) override {
    EXPECT_EQ(regarding.kind, "Deployment");
    lines.push_back((type == runtime::EventType::kWarning ? "Warning " : "Normal ") +
                    std::string(reason) + ": " + std::string(note));
  }
  std::vector<std::string> lines;
};

/// The Deployment web/app with the containers web and helper, and ImageBuilds that are as one says.
class RolloutTest : public ::testing::Test {
 protected:
  RolloutTest() {
    log::set_level(log::Level::kOff);
    have_build("site", "r/site@1");
  }

  void have_build(const std::string& name, const std::string& image, bool ready = true) {
    BuildImage build;
    build.image = image;
    build.ready = ready;
    builds_[kube::ObjectKey("web", name)] = build;
  }
  void put(const std::string& image_from, const std::string& managers = "[]") {
    Json containers = {{{"name", "web"}, {"image", "old"}}, {{"name", "helper"}, {"image", "old"}}};
    Json metadata = {{"namespace", "web"}, {"name", "app"}};
    metadata["managedFields"] = *parse_json(managers);
    if (!image_from.empty()) metadata["annotations"] = {{kImageFrom, image_from}};
    see(kube_.put(kDeployments,
                  dump_json({{"metadata", metadata},
                             {"spec", {{"template", {{"spec", {{"containers", containers}}}}}}}})));
  }
  void see(const kube::Object& object) { deployments_.applied(object, runtime::Origin::kChange); }
  /// What a person does by `kubectl set image`.
  void set_image(const std::string& image) {
    auto object = *kube_.find_json(kDeployments, {"web", "app"});
    object["spec"]["template"]["spec"]["containers"][0]["image"] = image;
    kube_.put(kDeployments, dump_json(object));
  }
  std::string image(std::size_t container = 0) const {
    return (*kube_.find_json(
        kDeployments,
        {"web", "app"}))["spec"]["template"]["spec"]["containers"][container]["image"];
  }

  ReconcileResult reconcile() {
    std::optional<ReconcileResult> result;
    const auto keep = [](Task<ReconcileResult> task,
                         std::optional<ReconcileResult>* out) -> Task<Result<int>> {
      out->emplace(co_await std::move(task));
      co_return 0;
    };
    EXPECT_TRUE(testing::run_task(
        io_, keep(reconciler_.reconcile({"web", "Deployment/app"}, {}), &result)));
    return *result;
  }
  std::size_t writes() const { return kube_.calls_of("apply").size(); }
  std::string counted(const std::string& result) {
    const auto text = metrics_.text();
    const auto line = "kiln_rollouts_total{result=\"" + result + "\"} ";
    const auto at = text.find(line);
    return at == text.npos ? ""
                           : text.substr(at + line.size(), text.find('\n', at) - at - line.size());
  }
  RolloutOptions metered() {
    RolloutOptions options;
    options.metrics = &metrics_;
    return options;
  }

  boost::asio::io_context io_;
  fakes::FakeKube kube_;
  fakes::ManualClock clock_;
  Notes notes_;
  NoKeys keys_;
  obs::Metrics metrics_;
  std::map<kube::ObjectKey, BuildImage> builds_;
  WorkloadView view_{keys_};
  runtime::WatchHandler& deployments_ = view_.handler(kDeployments);
  RolloutReconciler reconciler_{kube_,
                                notes_,
                                clock_,
                                view_,
                                [this](const kube::ObjectKey& key) -> std::optional<BuildImage> {
                                  const auto found = builds_.find(key);
                                  if (found == builds_.end()) return std::nullopt;
                                  return found->second;
                                },
                                metered()};
};

TEST_F(RolloutTest, SetsTheImageAndTellsAboutIt) {
  put(kSite);
  const auto result = reconcile();
  EXPECT_FALSE(result.is_retry() || result.delay());
  EXPECT_EQ(image(), "r/site@1");
  EXPECT_EQ(image(1), "old");
  EXPECT_THAT(notes_.lines,
              ElementsAre("Normal RolledOut: container \"web\": r/site@1 (ImageBuild site)"));
  EXPECT_EQ(counted("applied"), "1");
}

TEST_F(RolloutTest, WritesNothingWhenTheImageStandsThere) {
  put(kSite);
  reconcile();
  reconcile();
  EXPECT_EQ(writes(), 1U);
  set_image("r/site@2");  // Somebody was quicker than Kiln.
  have_build("site", "r/site@2");
  reconcile();
  EXPECT_EQ(writes(), 1U);
}

TEST_F(RolloutTest, SetsSeveralImagesInOneWrite) {
  have_build("other", "r/other@1");
  put(R"([{"imageBuild":"other","container":"helper"},{"imageBuild":"site","container":"web"}])");
  reconcile();
  EXPECT_EQ(writes(), 1U);
  EXPECT_EQ(image(), "r/site@1");
  EXPECT_EQ(image(1), "r/other@1");
}

TEST_F(RolloutTest, OneThatHasToWaitDoesNotHoldUpTheOthers) {
  have_build("other", "", false);
  put(R"([{"imageBuild":"other","container":"helper"},{"imageBuild":"site","container":"web"}])");
  reconcile();
  EXPECT_EQ(image(), "r/site@1");
  EXPECT_EQ(image(1), "old");
  EXPECT_THAT(notes_.lines,
              ElementsAre("Normal WaitingForImage: ImageBuild other has made no image so far",
                          HasSubstr("RolledOut")));
}

TEST_F(RolloutTest, AnImageBuildThatFailsIsWaitedForAndItsOldImageStays) {
  have_build("site", "r/site@0", false);
  put(kSite);
  EXPECT_FALSE(reconcile().is_retry());
  EXPECT_EQ(image(), "old");
  EXPECT_THAT(notes_.lines, IsEmpty());
}

TEST_F(RolloutTest, AMissingImageBuildIsAMistakeAfterAWhile) {
  builds_.clear();
  put(kSite);
  EXPECT_EQ(reconcile().delay(), 5s);
  EXPECT_THAT(notes_.lines, IsEmpty());
  clock_.advance(5s);
  EXPECT_FALSE(reconcile().delay());
  EXPECT_THAT(notes_.lines,
              ElementsAre("Warning ImageBuildNotFound: there is no ImageBuild site in the "
                          "namespace web"));
}

TEST_F(RolloutTest, ReadsTheAnnotationAsItIsNow) {
  put(kSite);
  // Its watch lags behind.
  kube_.put(kDeployments, R"({"metadata":{"namespace":"web","name":"app"},
      "spec":{"template":{"spec":{"containers":[{"name":"web","image":"old"}]}}}})");
  reconcile();
  EXPECT_EQ(writes(), 0U);
}

struct Refused {
  std::string name, image_from, why;
};
class RolloutRefuses : public RolloutTest, public ::testing::WithParamInterface<Refused> {};

TEST_P(RolloutRefuses, WithAnEventAndWithoutAWrite) {
  put(GetParam().image_from);
  const auto result = reconcile();
  EXPECT_FALSE(result.is_retry() || result.delay());
  EXPECT_EQ(writes(), 0U);
  EXPECT_THAT(notes_.lines, ElementsAre(HasSubstr("Warning AnnotationInvalid: " + GetParam().why)));
  EXPECT_EQ(counted("refused"), "1");
}

INSTANTIATE_TEST_SUITE_P(
    Annotation, RolloutRefuses,
    ::testing::ValuesIn(std::vector<Refused>{
        {"NoJson", "site", "kiln.build/image-from is not valid JSON"},
        {"NoSuchContainer", R"([{"imageBuild":"site","container":"wbe"}])",
         "the pod template has no container \"wbe\"; it has \"web\", \"helper\""},
        {"OneOfTwo",
         R"([{"imageBuild":"site","container":"web"},{"imageBuild":"site","volume":"v"}])",
         "the pod template has no volume \"v\"; it has none at all"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(RolloutTest, AppliesOnlyToTheStateThatItHasRead) {
  put(kSite);
  bool changed = false;
  kube_.on_call([&](const fakes::KubeCall& call) {
    if (call.verb != "apply" || changed) return;
    changed = true;
    set_image("changed meanwhile");
  });
  EXPECT_FALSE(reconcile().is_retry());
  EXPECT_EQ(kube_.calls_of("get").size(), 2U) << "it read anew";
  EXPECT_EQ(image(), "r/site@1");
}

TEST_F(RolloutTest, OneThatIsChangedAllTheTimeIsTriedAgainLater) {
  put(kSite);
  int number = 0;
  kube_.on_call([&](const fakes::KubeCall& call) {
    if (call.verb == "apply") set_image("changed " + std::to_string(++number));
  });
  EXPECT_TRUE(reconcile().is_retry());
  EXPECT_EQ(number, 4);
}

TEST_F(RolloutTest, OneThatIsGoneMeanwhileIsNotMadeAnew) {
  put(kSite);
  kube_.on_call([&](const fakes::KubeCall& call) {
    if (call.verb == "apply") kube_.erase(kDeployments, {"web", "app"});
  });
  EXPECT_FALSE(reconcile().is_retry());
  EXPECT_EQ(kube_.count(kDeployments), 0U);
  EXPECT_THAT(notes_.lines, IsEmpty());
}

struct Failure {
  std::string name;
  Error error;
  std::string event;  ///< "" = none.
};
class RolloutFails : public RolloutTest, public ::testing::WithParamInterface<Failure> {};

TEST_P(RolloutFails, AndIsTriedAgain) {
  put(kSite);
  kube_.fail_next("apply", GetParam().error);
  EXPECT_TRUE(reconcile().is_retry());
  if (GetParam().event.empty())
    EXPECT_THAT(notes_.lines, IsEmpty());
  else
    EXPECT_THAT(notes_.lines, ElementsAre(GetParam().event));
  EXPECT_EQ(counted("failed"), "1");
  reconcile();
  EXPECT_EQ(image(), "r/site@1");
}

INSTANTIATE_TEST_SUITE_P(Apply, RolloutFails,
                         ::testing::ValuesIn(std::vector<Failure>{
                             {"WithoutTheRights", Error(Errc::kDenied, "cannot patch resource"),
                              "Warning RolloutDenied: cannot patch resource"},
                             {"AgainstAPolicy", Error(Errc::kInvalid, "no digests here"),
                              "Warning RolloutRefused: no digests here"},
                             {"WhenTheServerIsAway",
                              Error(Errc::kUnavailable, "connection refused"), ""},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(RolloutTest, HonoursTheHintOfABusyServer) {
  put(kSite);
  kube_.fail_next("get", Error(Errc::kRateLimited, "later", 30s));
  const auto result = reconcile();
  EXPECT_TRUE(result.is_retry());
  EXPECT_EQ(result.delay(), 30s);
}

TEST_F(RolloutTest, WhatSomebodyUndoesIsWrittenAtOnceAndThenWithGrowingPauses) {
  put(kSite);
  reconcile();
  set_image("theirs");
  EXPECT_FALSE(reconcile().delay());
  EXPECT_EQ(image(), "r/site@1") << "once may be an accident";

  for (const auto pause : {10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
    notes_.lines.clear();
    set_image("theirs");
    EXPECT_EQ(reconcile().delay(), pause);
    EXPECT_EQ(image(), "theirs");
    EXPECT_THAT(notes_.lines, ElementsAre(HasSubstr("Warning ImageContested: somebody else")));
    clock_.advance(pause);
    reconcile();
    EXPECT_EQ(image(), "r/site@1");
  }
}

TEST_F(RolloutTest, AnotherImageIsNotHeldUpByAnEarlierQuarrel) {
  put(kSite);
  for (int i = 0; i < 2; ++i) {
    reconcile();
    set_image("theirs");
  }
  have_build("site", "r/site@2");
  EXPECT_FALSE(reconcile().delay());
  EXPECT_EQ(image(), "r/site@2");
}

TEST_F(RolloutTest, AQuarrelIsForgottenInTheEnd) {
  put(kSite);
  for (int i = 0; i < 2; ++i) {
    reconcile();
    set_image("theirs");
  }
  clock_.advance(61min);
  notes_.lines.clear();
  EXPECT_FALSE(reconcile().delay());
  EXPECT_THAT(notes_.lines, ElementsAre(HasSubstr("RolledOut")));
}

TEST_F(RolloutTest, LeavesAloneWhatIsBeingDeleted) {
  put(kSite);
  auto object = *kube_.find_json(kDeployments, {"web", "app"});
  object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  object["metadata"]["finalizers"] = {"foregroundDeletion"};
  kube_.put(kDeployments, dump_json(object));
  reconcile();
  EXPECT_EQ(writes(), 0U);
}

api::ImageBuild build_with(const std::string& ready, std::int64_t observed) {
  return *api::parse_image_build(
      R"({"metadata":{"name":"site","namespace":"web","generation":2},
          "spec":{"base":{"image":"scratch"},"output":{"image":"r/site"}},
          "status":{"observedGeneration":)" +
          std::to_string(observed) +
          R"(,"image":"r/site@1","conditions":[{"type":"Ready","status":")" + ready + R"("}]}})",
      api::UnknownFields::kIgnore);
}

TEST(BuildImageTest, IsReadyWhenTheConditionSaysSoOfTheNewestGeneration) {
  EXPECT_TRUE(BuildImage(build_with("True", 2)).ready);
  EXPECT_EQ(BuildImage(build_with("True", 2)).image, "r/site@1");
  EXPECT_FALSE(BuildImage(build_with("True", 1)).ready) << "of what was before the edit";
  EXPECT_FALSE(BuildImage(build_with("False", 2)).ready);
  EXPECT_FALSE(BuildImage(build_with("Unknown", 2)).ready);
}

}  // namespace
}  // namespace kiln::rollout
