// The machinery of watches, queue and workers against a real API server.
#include "controller/runtime/controller.h"

#include <map>
#include <stdexcept>
#include <vector>

#include "controller/runtime/metering.h"
#include "tests/integration/kube/api_server.h"
#include "tests/unit/controller/runtime/driving.h"

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using kiln::testing::ApiServer;
using kiln::testing::Background;
using kiln::testing::IsOk;
using kiln::testing::run_until;
using kube::kConfigMaps;
using kube::ObjectKey;
using kube::Precondition;
using Time = std::chrono::steady_clock::time_point;

/// Puts every object's key into the queue.
class EnqueueAll final : public WatchHandler {
 public:
  explicit EnqueueAll(KeySink& queue) : queue_(queue) {}
  void applied(const kube::Object& object, Origin) override {
    queue_.add(object.key(), Priority::kHigh);
  }
  void deleted(const ObjectKey&) override {}
  std::vector<ObjectKey> known() const override { return {}; }

 private:
  KeySink& queue_;
};

/// Reads the object, and has a bug that strikes if its text is "poison".
class Buggy final : public Reconciler {
 public:
  explicit Buggy(kube::Client& client) : client_(client) {}
  Task<ReconcileResult> reconcile(ObjectKey key, WorkQueue::Time /*asked*/) override {
    calls[key.name].push_back(std::chrono::steady_clock::now());
    const auto object = co_await client_.get(kConfigMaps, key);
    if (object.has_error()) co_return ReconcileResult::retry();
    if (object->json().find(R"("text":"poison")") != std::string::npos)
      throw std::out_of_range("vector::at");
    co_return ReconcileResult::done();
  }

  std::map<std::string, std::vector<Time>> calls;

 private:
  kube::Client& client_;
};

class ApiServerController : public ApiServer {
 protected:
  static constexpr std::chrono::milliseconds kFirst{200};

  /// While the controller runs.
  void write(const std::string& name, const std::string& text) {
    Background done(io_, put(name, text));
    ASSERT_TRUE(done.wait());
    ASSERT_THAT(*done.result(), IsOk());
  }
  Task<Result<void>> put(std::string name, std::string text) {
    Precondition none;
    auto patch = R"({"data":{"text":")" + text + "\"}}";
    auto patched = co_await client_->merge_patch(kConfigMaps, key(name), patch, std::move(none));
    if (patched) co_return Result<void>();
    auto created = co_await client_->create(kConfigMaps, namespace_, object(name, text));
    if (created.has_error()) co_return created.error();
    co_return Result<void>();
  }
  static RetryDelays growing() {
    RetryDelays delays;
    delays.first = kFirst;
    delays.jitter = 0;
    return delays;
  }
};

TEST_F(ApiServerController, AKeyWhoseReconcileThrowsWaitsLongerAndLongerAndNobodyElseDoes) {
  KeyQueue queue(io_.get_executor(), clock_, growing());
  EnqueueAll handler(queue);
  Watcher::Options watching;
  watching.machine.selection.namespace_ = namespace_;
  Watcher watcher(*client_, kConfigMaps, handler, clock_, watching);
  Buggy reconciler(*client_);
  obs::Metrics metrics;
  Metering metering(metrics, clock_);
  Controller::Options options;
  options.concurrent = 1;  // One worker alone, which no key may keep.
  options.observer = &metering;
  Controller controller(queue, reconciler, {&watcher}, clock_, options);
  Background run(io_, controller.run());
  const auto& calls = reconciler.calls;
  const auto count = [&](const std::string& name) {
    return calls.contains(name) ? calls.at(name).size() : 0;
  };

  write("bad", "poison");
  // Each time it throws, another key is edited and reconciled before the bad one's turn comes.
  for (std::size_t thrown = 1; thrown <= 5; ++thrown) {
    ASSERT_TRUE(run_until(io_, [&] { return count("bad") >= thrown; }));
    const auto before = count("good");
    write("good", std::to_string(thrown));
    ASSERT_TRUE(run_until(io_, [&] { return count("good") > before; }));
  }

  const auto& bad = calls.at("bad");
  for (std::size_t i = 1; i < 5; ++i)
    EXPECT_GE(bad.at(i) - bad.at(i - 1), kFirst * (1 << (i - 1))) << "before call " << i;
  EXPECT_GE(count("good"), 5U);
  EXPECT_EQ(queue.queue().failures(key("good")), 0);
  EXPECT_GE(metrics.reconcile_panics.value({obs::Metrics::kController}), 5);
  EXPECT_EQ(metrics.reconcile_panics.value({obs::Metrics::kController}),
            static_cast<double>(controller.counters().exceptions));

  // Mended, it is looked at at once, and has nothing held against it.
  const auto mended = std::chrono::steady_clock::now();
  write("bad", "well");
  ASSERT_TRUE(run_until(io_, [&] { return queue.queue().failures(key("bad")) == 0; }));
  EXPECT_LT(calls.at("bad").back() - mended, kFirst * 16) << "which would have been its next turn";
  controller.stop();
  EXPECT_TRUE(run.wait());
  EXPECT_THAT(*run.result(), IsOk());
}

}  // namespace
}  // namespace kiln::runtime
