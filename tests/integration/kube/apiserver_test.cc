// Client, watcher and event recorder against a real API server.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <map>

#include "controller/runtime/event_recorder.h"
#include "controller/runtime/watcher.h"
#include "core/base/json.h"
#include "tests/integration/kube/api_server.h"

namespace kiln {
namespace {

using namespace std::chrono_literals;
using kiln::testing::ApiServer;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kube::kConfigMaps;
using kube::kEvents;
using kube::kNamespaces;

using kube::ObjectKey;
using kube::Precondition;

TEST_F(ApiServer, ReadsWritesAndDeletes) {
  const auto created = create("site");
  ASSERT_THAT(created, IsOk());
  EXPECT_EQ(created->json().find("managedFields"), std::string::npos);
  EXPECT_THAT(create("site"), FailsWith(Errc::kConflict, "already exists"));

  const auto before = Precondition::unchanged(created->meta());
  const auto patched =
      run(client_->merge_patch(kConfigMaps, key("site"), R"({"data":{"text":"2"}})", before));
  ASSERT_THAT(patched, IsOk());
  EXPECT_EQ(
      kube::is_newer_version(patched->meta().resource_version, created->meta().resource_version),
      true);
  EXPECT_THAT(
      run(client_->merge_patch(kConfigMaps, key("site"), R"({"data":{"text":"3"}})", before)),
      FailsWith(Errc::kConflict, "has been modified"));
  EXPECT_NE(run(client_->get(kConfigMaps, key("site")))->json().find(R"("text":"2")"),
            std::string::npos);
  EXPECT_EQ(run(client_->get_metadata(kConfigMaps, key("site")))->json().find("\"data\""),
            std::string::npos);

  Precondition another;
  another.uid = "6c9a0f4e-0000-0000-0000-000000000000";
  EXPECT_THAT(run(client_->remove(kConfigMaps, key("site"), another)),
              FailsWith(Errc::kConflict, ""));
  EXPECT_THAT(run(client_->remove(kConfigMaps, key("site"), Precondition())), IsOk());
  EXPECT_THAT(run(client_->get(kConfigMaps, key("site"))),
              FailsWith(Errc::kNotFound, "configmaps \"site\" not found"));
}

TEST_F(ApiServer, UpdatesTheStatusSubresource) {
  const auto space = run(client_->get(kNamespaces, ObjectKey("", namespace_)));
  ASSERT_THAT(space, IsOk());
  const auto written = run(client_->update_status(
      kNamespaces, space->key(), R"({"phase":"Active"})", Precondition::unchanged(space->meta())));
  ASSERT_THAT(written, IsOk());
  EXPECT_EQ(written->meta().uid, space->meta().uid);
  EXPECT_EQ(written->json().find("\"status\""), std::string::npos) << "only metadata travels back";
}

TEST_F(ApiServer, AnswersOutOfItsMemoryWhatIsNotOlderThanWhatIsKnown) {
  const auto made = run(client_->create(kConfigMaps, namespace_, object("known", "x")));
  ASSERT_THAT(made, IsOk());
  for (const auto& version : {made->meta().resource_version, std::string("0")}) {
    const auto read = run(client_->get_remembered(kConfigMaps, key("known"), version));
    ASSERT_THAT(read, IsOk()) << version;
    EXPECT_EQ(read->meta().uid, made->meta().uid) << version;
  }
  EXPECT_THAT(run(client_->get_remembered(kConfigMaps, key("known"), "9000000000000000000")),
              FailsWith(Errc::kGone, "Too large resource version"));
}

TEST_F(ApiServer, RefusesWhatIsTooLargeForGood) {
  EXPECT_THAT(
      run(client_->create(kConfigMaps, namespace_, object("big", std::string(1100 * 1024, 'x')))),
      FailsWith(Errc::kInvalid, ""));
  EXPECT_THAT(
      run(client_->create(kConfigMaps, namespace_, object("huge", std::string(4000 * 1024, 'x')))),
      FailsWith(Errc::kInvalid, ""));
  // Of a type without a limit of its own: only the database refuses it, which is told as a 500.
  constexpr kube::ResourceType kRevisions("apps", "v1", "controllerrevisions", "ControllerRevision",
                                          true);
  const auto revision = R"({"metadata":{"name":"large"},"revision":1,"data":{"text":")" +
                        std::string(1800 * 1024, 'x') + "\"}}";
  EXPECT_THAT(run(client_->create(kRevisions, namespace_, revision)),
              FailsWith(Errc::kInvalid, "request is too large"));
}

TEST_F(ApiServer, ListsInPages) {
  for (const auto* name : {"a", "b", "c"}) ASSERT_THAT(create(name), IsOk());
  kube::ListOptions options;
  options.selection.namespace_ = namespace_;
  options.selection.metadata_only = true;
  options.limit = 2;
  const auto first = run(client_->list(kConfigMaps, options));
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->items.size(), 2U);
  options.continue_token = first->continue_token;
  const auto second = run(client_->list(kConfigMaps, options));
  ASSERT_THAT(second, IsOk());
  ASSERT_EQ(second->items.size(), 1U);
  EXPECT_EQ(second->items[0].key(), key("c"));
  EXPECT_EQ(second->items[0].json().find("\"data\""), std::string::npos);
  EXPECT_EQ(second->continue_token, "");
}

TEST_F(ApiServer, TellsAResourceVersionThatIsAheadOfIt) {
  kube::ListOptions options;
  options.selection.namespace_ = namespace_;
  options.resource_version = "999999999";
  EXPECT_THAT(run(client_->list(kConfigMaps, options)), FailsWith(Errc::kGone, "Too large"));
}

/// Keeps what is there.
class Keeper final : public runtime::WatchHandler {
 public:
  void applied(const kube::Object& object, runtime::Origin origin) override {
    there[object.key()] = object.json();
    if (origin == runtime::Origin::kChange) ++changes;
  }
  void deleted(const ObjectKey& key) override { there.erase(key); }
  std::vector<ObjectKey> known() const override {
    std::vector<ObjectKey> keys;
    for (const auto& [key, json] : there) keys.push_back(key);
    return keys;
  }
  std::map<ObjectKey, std::string> there;
  int changes = 0;
};

class ApiServerWatch : public ApiServer, public ::testing::WithParamInterface<bool> {
 protected:
  bool wait(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!done() && std::chrono::steady_clock::now() < end) {
      io_.restart();
      io_.run_one_for(50ms);
    }
    return done();
  }
  /// A list that begins at "0" answers from the server's cache, which runs a little behind.
  Result<kube::ObjectList> wait_for_cache(const kube::ObjectMeta& written) {
    kube::ListOptions options;
    options.selection.namespace_ = namespace_;
    options.resource_version = written.resource_version;
    return run(client_->list(kConfigMaps, options));
  }
  /// One call while the watcher runs on the same context.
  template <class T>
  Result<T> beside(Task<Result<T>> task) {
    std::optional<Result<T>> result;
    auto store = [](Task<Result<T>> inner, std::optional<Result<T>>* into) -> Task<void> {
      into->emplace(co_await std::move(inner));
    };
    boost::asio::co_spawn(io_, store(std::move(task), &result), boost::asio::detached);
    EXPECT_TRUE(wait([&] { return result.has_value(); }));
    return std::move(*result);
  }
};

INSTANTIATE_TEST_SUITE_P(Either, ApiServerWatch, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Streaming" : "Listing"; });

TEST_P(ApiServerWatch, TellsEditsAndDeletions) {
  const auto first = create("a");
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(wait_for_cache(first->meta()), IsOk());
  Keeper keeper;
  runtime::Watcher::Options options;
  options.machine.use_watch_list = GetParam();
  options.machine.selection.namespace_ = namespace_;
  options.machine.selection.metadata_only = GetParam();
  options.machine.min_watch = options.machine.max_watch = 2s;  // To see watches end, too.
  runtime::Watcher watcher(*client_, kConfigMaps, keeper, clock_, std::move(options));
  boost::asio::cancellation_signal stop;
  bool ended = false;
  boost::asio::co_spawn(
      io_, watcher.run(),
      boost::asio::bind_cancellation_slot(
          stop.slot(), [&](const std::exception_ptr&, const Result<void>&) { ended = true; }));

  EXPECT_TRUE(wait([&] { return watcher.state() == runtime::WatchState::kWatching; }));
  EXPECT_EQ(keeper.there.count(key("a")), 1U);
  EXPECT_EQ(keeper.changes, 0);
  ASSERT_THAT(beside(client_->create(kConfigMaps, namespace_, object("b"))), IsOk());
  EXPECT_TRUE(wait([&] { return keeper.there.contains(key("b")); }));
  EXPECT_EQ(keeper.there[key("b")].find("\"data\"") == std::string::npos, GetParam());
  ASSERT_THAT(beside(client_->remove(kConfigMaps, key("a"), Precondition())), IsOk());
  EXPECT_TRUE(wait([&] { return !keeper.there.contains(key("a")); }));
  EXPECT_TRUE(wait([&] { return watcher.counters().watches_opened >= 3; }));
  ASSERT_THAT(beside(client_->merge_patch(kConfigMaps, key("b"), R"({"data":{"text":"9"}})",
                                          Precondition())),
              IsOk());
  EXPECT_TRUE(wait([&] { return keeper.changes >= 2; }));
  EXPECT_EQ(watcher.counters().lists_started, 1U) << "a watch that ends goes on where it was";
  EXPECT_EQ(watcher.counters().failures, 0U) << watcher.last_failure();
  stop.emit(boost::asio::cancellation_type::terminal);
  EXPECT_TRUE(wait([&] { return ended; }));
}

TEST_F(ApiServer, TakesOurEvents) {
  runtime::EventRecorder::Options options;
  options.series_refresh = 0s;
  runtime::EventRecorder recorder(*client_, io_.get_executor(), clock_, options);
  const auto site = create("site");
  ASSERT_THAT(site, IsOk());
  const runtime::ObjectReference regarding(kConfigMaps, site->meta());
  for (int i = 0; i < 2; ++i) {
    recorder.record(regarding, runtime::EventType::kWarning, "ContentInvalid", "Building", "no");
    ASSERT_THAT(run(recorder.flush()), IsOk());
  }
  EXPECT_EQ(recorder.dropped(), 0U);
  kube::ListOptions all;
  all.selection.namespace_ = namespace_;
  const auto events = run(client_->list(kEvents, all));
  ASSERT_THAT(events, IsOk());
  ASSERT_EQ(events->items.size(), 1U);
  const auto event = *parse_json(events->items[0].json());
  EXPECT_EQ(event["series"]["count"], 2);
  EXPECT_EQ(event["note"], "no");
}

}  // namespace
}  // namespace kiln
