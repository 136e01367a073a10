#include "controller/runtime/metering.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_kube.h"
#include "tests/support/manual_clock.h"
#include "tests/unit/controller/runtime/driving.h"

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using kiln::testing::Background;
using kiln::testing::run_until;
using kube::kConfigMaps;
using kube::ObjectKey;
using ::testing::HasSubstr;
using ::testing::Not;

class SilentHandler final : public WatchHandler {
 public:
  void applied(const kube::Object&, Origin) override {}
  void deleted(const ObjectKey&) override {}
  std::vector<ObjectKey> known() const override { return {}; }
};

class NothingToDo final : public Reconciler {
 public:
  Task<ReconcileResult> reconcile(ObjectKey, WorkQueue::Time) override {
    co_return ReconcileResult::done();
  }
};

class MeteringTest : public ::testing::Test {
 protected:
  static Watcher::Options watching(const std::string& place) {
    Watcher::Options options;
    options.machine.selection.namespace_ = place;
    options.machine.backoff.first = 1ms;
    return options;
  }
  bool read(const std::string& line) { return metrics_.text().find(line) != std::string::npos; }

  boost::asio::io_context io_;
  fakes::ManualClock clock_;
  fakes::FakeKube kube_;
  SilentHandler handler_;
  KeyQueue queue_{io_.get_executor(), clock_, {}};
  NothingToDo reconciler_;
  Watcher first_{kube_, kConfigMaps, handler_, clock_, watching("a")};
  Watcher second_{kube_, kConfigMaps, handler_, clock_, watching("b")};
  Watcher idle_{kube_, kube::kSecrets, handler_, clock_, watching("a")};
  Controller controller_{queue_, reconciler_, {}, clock_, Controller::Options()};
  obs::Metrics metrics_;
  Metering metering_{metrics_, clock_};
};

TEST_F(MeteringTest, CountsReconcilesByResultAndTime) {
  const ObjectKey key("web", "site");
  for (const auto* result : {"success", "requeue_after", "error", "exception"})
    metering_.reconciled(key, result, 2s, 3s);

  const auto name = obs::Metrics::kController;
  EXPECT_EQ(metrics_.reconciles.value({name, "success"}), 1);
  EXPECT_EQ(metrics_.reconciles.value({name, "requeue_after"}), 1);
  EXPECT_EQ(metrics_.reconciles.value({name, "error"}), 2) << "a bug is an error too";
  EXPECT_EQ(metrics_.reconcile_errors.value({name}), 2);
  EXPECT_EQ(metrics_.reconcile_panics.value({name}), 1);
  EXPECT_EQ(metrics_.reconcile_time.sum({name}), 12);
  EXPECT_EQ(metrics_.queue_time.sum({name}), 8);
  EXPECT_EQ(metrics_.work_time.count({name}), 4U);
  EXPECT_THAT(metrics_.text(), Not(HasSubstr("site")));
}

TEST_F(MeteringTest, ShowsTheQueueAsItIsWhenRead) {
  metering_.follow(queue_, controller_, 7, {});
  queue_.add(ObjectKey("web", "a"), Priority::kNormal);
  queue_.add(ObjectKey("web", "b"), Priority::kNormal);

  EXPECT_TRUE(read("workqueue_depth{name=\"imagebuild\"} 2\n"));
  EXPECT_TRUE(read("workqueue_adds_total{name=\"imagebuild\"} 2\n"));
  EXPECT_TRUE(read("controller_runtime_max_concurrent_reconciles{controller=\"imagebuild\"} 7\n"));

  Background taking(io_, [](KeyQueue* queue) -> Task<Result<void>> {
    (void)co_await queue->next();
    co_return Result<void>();
  }(&queue_));
  ASSERT_TRUE(taking.wait());
  queue_.retry(ObjectKey("web", "a"));
  clock_.advance(4s);

  EXPECT_TRUE(read("workqueue_depth{name=\"imagebuild\"} 1\n"));
  EXPECT_TRUE(read("workqueue_retries_total{name=\"imagebuild\"} 1\n"));
  EXPECT_TRUE(read("workqueue_unfinished_work_seconds{name=\"imagebuild\"} 4\n"));
  EXPECT_TRUE(read("workqueue_longest_running_processor_seconds{name=\"imagebuild\"} 4\n"));
}

TEST_F(MeteringTest, AddsUpTheWatchesOfAResourceAndLeavesOutThoseNotNeeded) {
  metering_.follow(queue_, controller_, 1, {&first_, &second_, &idle_});
  Background one(io_, first_.run());
  Background two(io_, second_.run());
  ASSERT_TRUE(run_until(io_, [&] {
    return first_.state() == WatchState::kWatching && second_.state() == WatchState::kWatching;
  }));
  clock_.advance(30s);
  EXPECT_TRUE(read("kiln_watch_last_activity_seconds{resource=\"configmaps\"} 30\n"));
  EXPECT_TRUE(read("kiln_watch_failing{resource=\"configmaps\"} 0\n"));
  EXPECT_THAT(metrics_.text(), Not(HasSubstr("secrets")));

  kube_.inject(kConfigMaps, kube::WatchEvent(kube::WatchEventType::kUndecodable));
  ASSERT_TRUE(run_until(io_, [&] {
    return read(
        "kiln_undecodable_objects_total{resource="
        "\"configmaps\"} 2\n");
  }));

  kube_.compact();
  kube_.fail_when([](const fakes::KubeCall&) {
    return std::optional<Error>(Error(Errc::kDenied, "configmaps is forbidden"));
  });
  kube_.end_watches();
  EXPECT_TRUE(
      run_until(io_, [&] { return read("kiln_watch_failing{resource=\"configmaps\"} 2\n"); }));
}

TEST_F(MeteringTest, TellsAnExpiredPlaceFromOtherRelists) {
  metering_.follow(queue_, controller_, 1, {&first_});
  Background one(io_, first_.run());
  ASSERT_TRUE(run_until(io_, [&] { return first_.state() == WatchState::kWatching; }));
  EXPECT_TRUE(read("kiln_watch_relists_total{reason=\"expired\",resource=\"configmaps\"} 0\n"));

  kube_.put(kube::kSecrets, R"({"metadata":{"name":"x"}})");
  kube_.compact();
  kube_.end_watches();

  const auto expired = [&] {
    (void)metrics_.text();
    return metrics_.relists.value({"configmaps", "expired"}) == 1;
  };
  EXPECT_TRUE(run_until(io_, expired));
  EXPECT_EQ(metrics_.relists.value({"configmaps", "failed"}), 0);
}

}  // namespace
}  // namespace kiln::runtime
