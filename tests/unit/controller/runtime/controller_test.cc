#include "controller/runtime/controller.h"

#include <gtest/gtest.h>

#include <set>

#include "core/base/deadline.h"
#include "tests/support/fake_kube.h"
#include "tests/support/matchers.h"
#include "tests/unit/controller/runtime/driving.h"

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using kiln::testing::Background;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_until;
using kube::kConfigMaps;
using kube::ObjectKey;

/// Puts every object's key into the queue.
class EnqueueAll final : public WatchHandler {
 public:
  explicit EnqueueAll(KeySink& queue) : queue_(queue) {}
  void applied(const kube::Object& object, Origin origin) override {
    queue_.add(object.key(), origin == Origin::kInitial ? Priority::kLow : Priority::kHigh);
  }
  void deleted(const ObjectKey& key) override { queue_.add(key, Priority::kNormal); }
  std::vector<ObjectKey> known() const override { return {}; }

 private:
  KeySink& queue_;
};

/// Does what the key's name says.
class ScriptedReconciler final : public Reconciler {
 public:
  Task<ReconcileResult> reconcile(ObjectKey key, WorkQueue::Time /*asked*/) override {
    ++calls[key.name];
    twice_at_once = twice_at_once || !running.insert(key.name).second;
    most_at_once = std::max(most_at_once, running.size());
    struct Leave {
      std::set<std::string>& names;
      std::string name;
      ~Leave() { names.erase(name); }
    };
    const Leave leave{running, key.name};
    if (key.name == "throws") throw std::runtime_error("a bug");
    const auto pause = key.name == "hangs" ? std::chrono::milliseconds(1h) : 1ms;
    const auto slept = co_await sleep_for(pause);
    cancelled = cancelled || slept.has_error();
    if (key.name == "fails") co_return ReconcileResult::retry();
    if (key.name == "polls") co_return ReconcileResult::again_after(1ms);
    co_return ReconcileResult::done();
  }

  std::map<std::string, int> calls;
  std::set<std::string> running;
  std::size_t most_at_once = 0;
  bool twice_at_once = false;
  bool cancelled = false;
};

class RecordingObserver final : public ReconcileObserver {
 public:
  void reconciled(const ObjectKey& key, std::string_view result,
                  std::chrono::steady_clock::duration,
                  std::chrono::steady_clock::duration took) override {
    results.insert(key.name + " " + std::string(result));
    EXPECT_GE(took, 0ns);
  }
  std::set<std::string> results;
};

class ControllerTest : public ::testing::Test {
 protected:
  ControllerTest() {
    Watcher::Options options;
    options.machine.backoff.first = 1ms;
    watcher_ = std::make_unique<Watcher>(kube_, kConfigMaps, handler_, clock_, options);
    options_.observer = &observer_;
    options_.concurrent = 2;
  }
  void put(const std::string& name) {
    kube_.put(kConfigMaps, R"({"metadata":{"name":")" + name + "\"}}");
  }
  Controller& controller() {
    if (!controller_)
      controller_ = std::make_unique<Controller>(
          queue_, reconciler_, std::vector<Watcher*>{watcher_.get()}, clock_, options_);
    return *controller_;
  }
  static RetryDelays short_delays() {
    RetryDelays delays;
    delays.first = 1ms;
    delays.cap = 2ms;
    return delays;
  }

  boost::asio::io_context io_;
  SystemClock clock_;
  fakes::FakeKube kube_;
  KeyQueue queue_{io_.get_executor(), clock_, short_delays()};
  EnqueueAll handler_{queue_};
  ScriptedReconciler reconciler_;
  RecordingObserver observer_;
  Controller::Options options_;
  std::unique_ptr<Watcher> watcher_;
  std::unique_ptr<Controller> controller_;
};

TEST_F(ControllerTest, ReconcilesEverythingAndStopsInOrder) {
  for (const auto* name : {"a", "b", "c", "d"}) put(name);
  Background run(io_, controller().run());
  ASSERT_TRUE(run_until(io_, [&] { return controller().counters().succeeded == 4; }));
  EXPECT_TRUE(controller().working());
  EXPECT_EQ(reconciler_.most_at_once, 2U);
  put("e");
  ASSERT_TRUE(run_until(io_, [&] { return reconciler_.calls["e"] == 1; }));
  controller().stop();
  EXPECT_TRUE(run.wait());
  EXPECT_THAT(*run.result(), IsOk());
  EXPECT_FALSE(controller().working());
  EXPECT_FALSE(reconciler_.cancelled) << "what was under way may end";
  EXPECT_EQ(kube_.open_watches(), 0U);
  EXPECT_TRUE(observer_.results.contains("a success"));
}

TEST_F(ControllerTest, NeverReconcilesOneKeyTwiceAtATime) {
  options_.concurrent = 8;
  Background run(io_, controller().run());
  for (int i = 0; i < 200; ++i) {
    put(i % 2 == 0 ? "a" : "b");
    ASSERT_TRUE(run_until(io_, [&] { return io_.poll_one() == 0; }));
  }
  ASSERT_TRUE(run_until(io_, [&] { return reconciler_.calls["b"] > 3; }));
  EXPECT_FALSE(reconciler_.twice_at_once);
}

TEST_F(ControllerTest, ComesBackToWhatFailsThrowsOrPolls) {
  for (const auto* name : {"fails", "throws", "polls", "a"}) put(name);
  Background run(io_, controller().run());
  ASSERT_TRUE(run_until(io_, [&] {
    return reconciler_.calls["fails"] > 2 && reconciler_.calls["throws"] > 2 &&
           reconciler_.calls["polls"] > 2;
  }));
  EXPECT_EQ(reconciler_.calls["a"], 1);
  EXPECT_GT(queue_.queue().failures(ObjectKey("default", "throws")), 1);
  EXPECT_EQ(queue_.queue().failures(ObjectKey("default", "polls")), 0);
  EXPECT_EQ(observer_.results, (std::set<std::string>{"a success", "fails error",
                                                      "polls requeue_after", "throws exception"}));
}

TEST_F(ControllerTest, DoesNotStartBeforeEverythingIsRead) {
  kube_.fail_when([](const fakes::KubeCall&) { return Error(Errc::kUnavailable, "starting"); });
  queue_.add(ObjectKey("default", "early"), Priority::kHigh);
  Background run(io_, controller().run());
  ASSERT_TRUE(run_until(io_, [&] { return watcher_->counters().failures > 3; }));
  EXPECT_TRUE(reconciler_.calls.empty());
  EXPECT_FALSE(controller().working());
  kube_.fail_when(nullptr);
  EXPECT_TRUE(run_until(io_, [&] { return reconciler_.calls["early"] == 1; }));
}

TEST_F(ControllerTest, GivesUpWhenItCannotReadEverythingInTime) {
  options_.sync_limit = 30ms;
  kube_.fail_when([](const fakes::KubeCall&) { return Error(Errc::kDenied, "forbidden"); });
  Background run(io_, controller().run());
  EXPECT_TRUE(run.wait());
  EXPECT_THAT(*run.result(), FailsWith(Errc::kTimeout, "reading all configmaps"));
  EXPECT_THAT(*run.result(), FailsWith(Errc::kTimeout, "forbidden"));
}

TEST_F(ControllerTest, WaitsForWhatMustComeBeforeWork) {
  struct Gate {
    static Task<Result<void>> refuse() { co_return Error(Errc::kInternal, "not the leader"); }
  };
  options_.before_work = [] { return Gate::refuse(); };
  put("a");
  Background run(io_, controller().run());
  EXPECT_TRUE(run.wait());
  EXPECT_THAT(*run.result(), FailsWith(Errc::kInternal, "not the leader"));
  EXPECT_TRUE(reconciler_.calls.empty());
}

TEST_F(ControllerTest, StopsWhileItStarts) {
  kube_.fail_when([](const fakes::KubeCall&) { return Error(Errc::kUnavailable, "starting"); });
  Background run(io_, controller().run());
  ASSERT_TRUE(run_until(io_, [&] { return watcher_->counters().failures > 1; }));
  controller().stop();
  EXPECT_TRUE(run.wait());
  EXPECT_THAT(*run.result(), IsOk());
}

TEST_F(ControllerTest, CancelsWhatDoesNotEndWithinTheGrace) {
  options_.grace = 20ms;
  put("hangs");
  Background run(io_, controller().run());
  ASSERT_TRUE(run_until(io_, [&] { return reconciler_.calls["hangs"] == 1; }));
  controller().stop();
  EXPECT_TRUE(run.wait());
  EXPECT_THAT(*run.result(), IsOk());
  EXPECT_TRUE(reconciler_.cancelled);
}

TEST_F(ControllerTest, EndsAtOnceWhenItIsCancelled) {
  put("hangs");
  Background run(io_, controller().run());
  ASSERT_TRUE(run_until(io_, [&] { return reconciler_.calls["hangs"] == 1; }));
  run.cancel();
  EXPECT_FALSE(run.threw());
  EXPECT_THAT(*run.result(), FailsWith(Errc::kCancelled, "cancelled"));
  EXPECT_EQ(kube_.open_watches(), 0U);
}

TEST_F(ControllerTest, AbandonedItCancelsWhatIsUnderWayAtOnceAndSaysWhy) {
  put("hangs");
  Background run(io_, controller().run());
  ASSERT_TRUE(run_until(io_, [&] { return reconciler_.calls["hangs"] == 1; }));

  controller().abandon(Error(Errc::kUnavailable, "the lead was lost"));

  ASSERT_TRUE(run.wait());
  EXPECT_TRUE(reconciler_.cancelled);
  EXPECT_THAT(*run.result(), FailsWith(Errc::kUnavailable, "the lead was lost"));
}

TEST_F(ControllerTest, AbandonedInItsGraceItWaitsNoLonger) {
  put("hangs");
  Background run(io_, controller().run());
  ASSERT_TRUE(run_until(io_, [&] { return reconciler_.calls["hangs"] == 1; }));
  controller().stop();

  controller().abandon(Error(Errc::kUnavailable, "the lead was lost"));

  ASSERT_TRUE(run.wait());
  EXPECT_THAT(*run.result(), FailsWith(Errc::kUnavailable, "the lead was lost"));
}

}  // namespace
}  // namespace kiln::runtime
