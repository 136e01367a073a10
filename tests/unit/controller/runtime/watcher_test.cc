#include "controller/runtime/watcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/support/fake_kube.h"
#include "tests/support/manual_clock.h"
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

/// Keeps the versions of what is there, and the story of how they came.
class RecordingHandler final : public WatchHandler {
 public:
  void applied(const kube::Object& object, Origin origin) override {
    if (object.key().name == "poison") throw std::runtime_error("cannot digest this");
    there[object.key().name] = object.meta().resource_version;
    story.push_back((origin == Origin::kInitial ? "initial " : "change ") + object.key().name);
  }
  bool is_known(const kube::ObjectState& state) const override {
    const auto found = there.find(state.key.name);
    return leaves_out_known && found != there.end() && found->second == state.resource_version;
  }
  void deleted(const ObjectKey& key) override {
    there.erase(key.name);
    story.push_back("deleted " + key.name);
  }
  std::vector<ObjectKey> known() const override {
    std::vector<ObjectKey> keys;
    for (const auto& [name, version] : there) keys.emplace_back("default", name);
    return keys;
  }
  void synced() override { ++times_synced; }

  std::map<std::string, std::string> there;
  std::vector<std::string> story;
  int times_synced = 0;
  bool leaves_out_known = false;
};

class WatcherTest : public ::testing::TestWithParam<bool> {
 protected:
  WatcherTest() {
    Watcher::Options options;
    options.machine.use_watch_list = GetParam();
    options.machine.backoff.first = 1ms;
    options.machine.backoff.cap = 2ms;
    options.machine.page_size = 2;
    watcher_ = std::make_unique<Watcher>(kube_, kConfigMaps, handler_, clock_, std::move(options));
  }
  void put(const std::string& name) {
    kube_.put(kConfigMaps, R"({"metadata":{"name":")" + name + R"("},"data":{}})");
  }
  void erase(const std::string& name) { kube_.erase(kConfigMaps, ObjectKey("default", name)); }
  bool sees(const std::string& last) {
    return run_until(io_, [&] { return !handler_.story.empty() && handler_.story.back() == last; });
  }
  /// Runs until the watcher waits in a watch for something to happen.
  bool settles() {
    return run_until(io_, [&] {
      return watcher_->state() == WatchState::kWatching && kube_.open_watches() == 1;
    });
  }

  boost::asio::io_context io_;
  SystemClock clock_;
  fakes::FakeKube kube_;
  RecordingHandler handler_;
  std::unique_ptr<Watcher> watcher_;
};

INSTANTIATE_TEST_SUITE_P(Either, WatcherTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Streaming" : "Listing"; });

TEST_P(WatcherTest, TellsWhatIsThereAndWhatChanges) {
  for (const auto* name : {"a", "b", "c"}) put(name);
  Background run(io_, watcher_->run());
  ASSERT_TRUE(settles());
  EXPECT_EQ(handler_.story, (std::vector<std::string>{"initial a", "initial b", "initial c"}));
  EXPECT_EQ(handler_.times_synced, 1);
  EXPECT_TRUE(watcher_->synced());
  put("d");
  EXPECT_TRUE(sees("change d"));
  put("a");
  EXPECT_TRUE(sees("change a"));
  erase("b");
  EXPECT_TRUE(sees("deleted b"));
  run.cancel();
  EXPECT_FALSE(run.threw());
  EXPECT_THAT(*run.result(), FailsWith(Errc::kCancelled, "watching configmaps was cancelled"));
  EXPECT_EQ(kube_.open_watches(), 0U);
}

TEST_P(WatcherTest, GoesOnWhereItWasWhenAWatchEnds) {
  put("a");
  Background run(io_, watcher_->run());
  ASSERT_TRUE(settles());
  for (const bool cut : {false, true}) {
    if (cut)
      kube_.cut_watches(Error(Errc::kUnavailable, "connection was cut"));
    else
      kube_.end_watches();
    put("b");
    EXPECT_TRUE(sees("change b"));
    handler_.story.clear();
    ASSERT_TRUE(settles());
  }
  EXPECT_EQ(watcher_->counters().lists_started, 1U);
}

TEST_P(WatcherTest, TellsWhatVanishedWhileItCouldNotSee) {
  for (const auto* name : {"a", "b", "c"}) put(name);
  Background run(io_, watcher_->run());
  ASSERT_TRUE(settles());
  kube_.fail_when([](const fakes::KubeCall&) { return Error(Errc::kUnavailable, "down"); });
  kube_.cut_watches(Error(Errc::kUnavailable, "connection was cut"));
  ASSERT_TRUE(run_until(io_, [&] { return watcher_->counters().failures > 3; }));
  EXPECT_EQ(watcher_->last_failure(), "down");
  erase("b");
  put("c");
  put("d");
  kube_.compact();
  kube_.fail_when(nullptr);
  EXPECT_TRUE(sees("deleted b"));
  ASSERT_TRUE(settles());
  EXPECT_EQ(handler_.there.size(), 3U);
  EXPECT_EQ(handler_.there.at("c"), kube_.find_json(kConfigMaps, ObjectKey("default", "c"))
                                        ->at("metadata")
                                        .at("resourceVersion"));
  EXPECT_EQ(watcher_->counters().relists_expired, 1U);
  EXPECT_EQ(handler_.times_synced, 2);
  EXPECT_EQ(watcher_->last_failure(), "");
}

TEST_P(WatcherTest, DoesNotTakeForGoneWhatItLeavesOutSinceItIsKnown) {
  handler_.leaves_out_known = true;
  put("a");
  put("b");
  Background run(io_, watcher_->run());
  ASSERT_TRUE(settles());
  handler_.story.clear();
  kube_.fail_when([](const fakes::KubeCall&) { return Error(Errc::kUnavailable, "down"); });
  kube_.cut_watches(Error(Errc::kUnavailable, "connection was cut"));
  ASSERT_TRUE(run_until(io_, [&] { return watcher_->counters().failures > 0; }));
  erase("b");
  kube_.compact();
  kube_.fail_when(nullptr);
  EXPECT_TRUE(sees("deleted b"));
  ASSERT_TRUE(settles());
  EXPECT_EQ(handler_.there.count("a"), 1U);
  // Pages of a list are read in any case.
  const auto told_again = std::count(handler_.story.begin(), handler_.story.end(), "initial a");
  EXPECT_EQ(told_again, GetParam() ? 0 : 1);
}

TEST_P(WatcherTest, SkipsWhatCannotBeReadAndWhatCannotBeHandled) {
  put("poison");
  put("a");
  Background run(io_, watcher_->run());
  ASSERT_TRUE(settles());
  kube::WatchEvent garbage(kube::WatchEventType::kUndecodable);
  garbage.error = Error(Errc::kCorrupt, "not valid JSON");
  kube_.inject(kConfigMaps, garbage);
  put("b");
  EXPECT_TRUE(sees("change b"));
  EXPECT_EQ(watcher_->counters().skipped, 1U);
  EXPECT_EQ(watcher_->handler_failures(), 1U);
}

TEST_P(WatcherTest, WaitsUntilEverythingWasTold) {
  put("a");
  Background run(io_, watcher_->run());
  Background wait(io_, watcher_->wait_synced(10s));
  EXPECT_TRUE(wait.wait());
  EXPECT_THAT(*wait.result(), IsOk());
}

TEST_P(WatcherTest, SaysWhyItIsNotInTime) {
  kube_.fail_when([](const fakes::KubeCall&) {
    return Error(Errc::kDenied, "configmaps is forbidden: User \"kiln\" cannot list");
  });
  Background run(io_, watcher_->run());
  Background wait(io_, watcher_->wait_synced(30ms));
  EXPECT_TRUE(wait.wait());
  EXPECT_THAT(*wait.result(), FailsWith(Errc::kTimeout, "cannot list"));
}

TEST_P(WatcherTest, FallsBackToListsOnAnOlderServer) {
  kube_.support_watch_list(false);
  put("a");
  Background run(io_, watcher_->run());
  ASSERT_TRUE(settles());
  EXPECT_EQ(handler_.story, std::vector<std::string>{"initial a"});
  EXPECT_EQ(handler_.times_synced, 1);
}

TEST(WatcherDeadline, CutsAStreamThatLivesForTooLong) {
  boost::asio::io_context io;
  const SystemClock clock;
  fakes::FakeKube kube;
  RecordingHandler handler;
  Watcher::Options options;
  options.machine.min_watch = options.machine.max_watch = 0s;
  options.machine.backoff.first = 1ms;
  options.margin = 20ms;  // The fake never ends a watch: as frozen as can be.
  Watcher watcher(kube, kConfigMaps, handler, clock, std::move(options));
  Background run(io, watcher.run());
  EXPECT_TRUE(run_until(io, [&] { return watcher.counters().watches_opened >= 3; }));
  EXPECT_EQ(watcher.counters().lists_started, 1U);
}

}  // namespace
}  // namespace kiln::runtime
