#include "controller/runtime/watcher_list.h"

#include <gtest/gtest.h>

#include <list>
#include <set>
#include <string>
#include <vector>

#include "tests/support/fake_kube.h"
#include "tests/unit/controller/runtime/driving.h"

namespace kiln::runtime {
namespace {

using namespace std::chrono_literals;
using kiln::testing::Background;
using kiln::testing::run_until;
using kube::kConfigMaps;
using kube::ObjectKey;

/// Remembers whole keys.
class KeyHandler final : public WatchHandler {
 public:
  void applied(const kube::Object& object, Origin) override { there.insert(object.key().str()); }
  void deleted(const ObjectKey& key) override { there.erase(key.str()); }
  std::vector<ObjectKey> known() const override {
    std::vector<ObjectKey> keys;
    for (const auto& name : there)
      keys.emplace_back(name.substr(0, name.find('/')), name.substr(name.find('/') + 1));
    return keys;
  }
  std::set<std::string> there;
};

TEST(WatcherList, OfSeveralNamespacesShareAHandlerAndForgetOnlyWhatIsTheirs) {
  boost::asio::io_context io;
  SystemClock clock;
  fakes::FakeKube kube;
  KeyHandler handler;
  const auto put = [&](const std::string& place, const std::string& name) {
    kube.put(kConfigMaps,
             R"({"metadata":{"namespace":")" + place + R"(","name":")" + name + "\"}}");
  };
  Watcher::Options options;
  options.machine.backoff.first = 1ms;
  auto watchers = watch_namespaces(kube, kConfigMaps, handler, clock, {{"a", "b"}, options});
  std::list<Background> runs;
  for (auto& watcher : watchers) runs.emplace_back(io, watcher.run());
  for (const auto* place : {"a", "b", "c"})
    for (const auto* name : {"x", "y"}) put(place, name);
  using Names = std::set<std::string>;
  ASSERT_TRUE(run_until(io, [&] { return handler.there.size() == 4; }));
  EXPECT_EQ(handler.there, (Names{"a/x", "a/y", "b/x", "b/y"}));

  // Nobody sees these deletions; the lists that follow show them.
  kube.fail_when([](const fakes::KubeCall&) { return Error(Errc::kUnavailable, "down"); });
  kube.cut_watches(Error(Errc::kUnavailable, "connection was cut"));
  ASSERT_TRUE(run_until(io, [&] { return kube.open_watches() == 0; }));
  kube.erase(kConfigMaps, ObjectKey("a", "x"));
  kube.erase(kConfigMaps, ObjectKey("b", "y"));
  kube.compact();
  kube.fail_when(nullptr);

  EXPECT_TRUE(run_until(io, [&] { return handler.there == Names{"a/y", "b/x"}; }));
  EXPECT_EQ(watchers.front().counters().relists_expired, 1U);
}

TEST(WatcherList, HasOneWatcherForAllNamespacesOrOneForEachNamed) {
  SystemClock clock;
  fakes::FakeKube kube;
  KeyHandler handler;
  const auto namespaces_of = [&](const std::vector<std::string>& named) {
    std::vector<std::string> watched;
    for (const auto& watcher : watch_namespaces(kube, kConfigMaps, handler, clock, {named, {}}))
      watched.push_back(watcher.watched_namespace());
    return watched;
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(namespaces_of({}), List{""});
  EXPECT_EQ(namespaces_of({"a", "b"}), (List{"a", "b"}));
}

TEST(WatcherList, PointersNameTheWatchersOfAllListsInOrder) {
  SystemClock clock;
  fakes::FakeKube kube;
  KeyHandler handler;
  auto one = watch_namespaces(kube, kConfigMaps, handler, clock, {{"a", "b"}, {}});
  auto two = watch_namespaces(kube, kube::kSecrets, handler, clock, {});

  const auto all = pointers_to<const Watcher>({&one, &two});

  EXPECT_EQ(all, (std::vector<const Watcher*>{&one.front(), &one.back(), &two.front()}));
}

}  // namespace
}  // namespace kiln::runtime
