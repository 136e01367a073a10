#include "tests/support/fake_kube.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::fakes {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_task;
using kube::ObjectKey;
using kube::Precondition;

constexpr kube::ResourceType kBuilds("kiln.build", "v1alpha1", "imagebuilds", "ImageBuild", true);
constexpr const char* kSite =
    R"({"metadata":{"namespace":"web","name":"site"},"spec":{"a":1},"status":{}})";
const ObjectKey kKey("web", "site");

TEST(FakeKube, CountsGenerationsOfTheSpecOnly) {
  FakeKube kube;
  EXPECT_EQ(kube.put(kBuilds, kSite).meta().generation, 1);
  const auto spec =
      run_task(kube.merge_patch(kBuilds, kKey, R"({"spec":{"a":2}})", Precondition()));
  EXPECT_EQ(spec->meta().generation, 2);
  const auto status = run_task(kube.update_status(kBuilds, kKey, R"({"x":1})", Precondition()));
  EXPECT_EQ(status->meta().generation, 2);
  EXPECT_EQ(kube.find_json(kBuilds, kKey)->at("spec").at("a"), 2);
  EXPECT_EQ(kube.find_json(kBuilds, kKey)->at("status").at("x"), 1);
}

TEST(FakeKube, KeepsTheResourceVersionOfAPatchThatChangesNothing) {
  FakeKube kube;
  const auto before = kube.put(kBuilds, kSite).meta().resource_version;
  const auto after =
      run_task(kube.merge_patch(kBuilds, kKey, R"({"spec":{"a":1}})", Precondition()));
  EXPECT_EQ(after->meta().resource_version, before);
}

TEST(FakeKube, AppliesFieldsAndMergesListsByName) {
  FakeKube kube;
  kube.put(kBuilds, R"({"metadata":{"namespace":"web","name":"site"},
      "spec":{"a":1,"list":[{"name":"x","v":1,"w":1},{"name":"y","v":1}]}})");
  const auto applied = run_task(
      kube.apply(kBuilds, kKey, R"({"spec":{"b":2,"list":[{"name":"x","v":2},{"name":"z"}]}})",
                 "manager", Precondition()));
  ASSERT_THAT(applied, IsOk());
  EXPECT_EQ(dump_json(kube.find_json(kBuilds, kKey)->at("spec")),
            R"({"a":1,"b":2,"list":[{"name":"x","v":2,"w":1},{"name":"y","v":1},{"name":"z"}]})");
}

TEST(FakeKube, AppliesNothingToAnotherStateOrToWhatIsGone) {
  FakeKube kube;
  const auto before = kube.put(kBuilds, kSite).meta();
  auto stale = Precondition::unchanged(before);
  stale.resource_version = "1";
  EXPECT_THAT(run_task(kube.apply(kBuilds, kKey, "{}", "manager", stale)),
              FailsWith(Errc::kConflict, "modified"));
  kube.erase(kBuilds, kKey);
  EXPECT_THAT(run_task(kube.apply(kBuilds, kKey, "{}", "manager", Precondition::unchanged(before))),
              FailsWith(Errc::kConflict, "no existing object"));
}

TEST(FakeKube, SelectsByName) {
  FakeKube kube;
  kube.put(kBuilds, kSite);
  kube.put(kBuilds, R"({"metadata":{"namespace":"web","name":"other"},"spec":{}})");
  kube::ListOptions options;
  options.selection.name = "site";
  const auto list = run_task(kube.list(kBuilds, options));
  ASSERT_EQ(list->items.size(), 1U);
  EXPECT_EQ(list->items[0].key(), kKey);
}

TEST(FakeKube, ChecksPreconditions) {
  FakeKube kube;
  const auto unchanged = Precondition::unchanged(kube.put(kBuilds, kSite).meta());
  kube.put(kBuilds, kSite);
  EXPECT_THAT(run_task(kube.update_status(kBuilds, kKey, R"({"x":1})", unchanged)),
              FailsWith(Errc::kConflict, "has been modified"));
  EXPECT_THAT(run_task(kube.remove(kBuilds, kKey, unchanged)),
              FailsWith(Errc::kConflict, "has been modified"));
}

TEST(FakeKube, KeepsADeletedObjectUntilItsFinalizersAreGone) {
  FakeKube kube;
  kube.put(kBuilds,
           R"({"metadata":{"namespace":"web","name":"site","finalizers":["f"]},"spec":{}})");
  EXPECT_THAT(run_task(kube.remove(kBuilds, kKey, Precondition())), IsOk());
  EXPECT_TRUE(run_task(kube.get(kBuilds, kKey))->meta().is_deleting());
  EXPECT_THAT(run_task(kube.merge_patch(kBuilds, kKey, R"({"metadata":{"finalizers":null}})",
                                        Precondition())),
              IsOk());
  EXPECT_THAT(run_task(kube.get(kBuilds, kKey)), FailsWith(Errc::kNotFound, "not found"));
}

TEST(FakeKube, CreatesOnce) {
  FakeKube kube;
  EXPECT_THAT(run_task(kube.create(kBuilds, "web", kSite)), IsOk());
  EXPECT_THAT(run_task(kube.create(kBuilds, "web", kSite)),
              FailsWith(Errc::kConflict, "already exists"));
}

TEST(FakeKube, FailsAsItIsTold) {
  FakeKube kube;
  kube.put(kBuilds, kSite);
  kube.fail_next("get", Error(Errc::kUnavailable, "down"));
  EXPECT_THAT(run_task(kube.get(kBuilds, kKey)), FailsWith(Errc::kUnavailable, "down"));
  EXPECT_THAT(run_task(kube.get(kBuilds, kKey)), IsOk());
  EXPECT_EQ(kube.lines(), (std::vector<std::string>(2, "get imagebuilds.kiln.build web/site")));
}

TEST(FakeKube, ListsInPagesAndForgetsOldOnes) {
  FakeKube kube;
  for (const auto* name : {"a", "b", "c"})
    kube.put(kBuilds, std::string(R"({"metadata":{"name":")") + name + "\"}}");
  kube::ListOptions options;
  options.limit = 2;
  const auto first = run_task(kube.list(kBuilds, options));
  EXPECT_EQ(first->items.size(), 2U);
  options.continue_token = first->continue_token;
  EXPECT_EQ(run_task(kube.list(kBuilds, options))->items.size(), 1U);
  kube.put(kBuilds, kSite);
  kube.compact();
  EXPECT_THAT(run_task(kube.list(kBuilds, options)), FailsWith(Errc::kGone, "too old"));
}

TEST(FakeKube, SelectsByNamespaceAndLabel) {
  FakeKube kube;
  kube.put(kBuilds, R"({"metadata":{"namespace":"a","name":"x","labels":{"l":"1"}}})");
  kube.put(kBuilds, R"({"metadata":{"namespace":"b","name":"y","labels":{"l":"1"}}})");
  kube.put(kBuilds, R"({"metadata":{"namespace":"b","name":"z"}})");
  kube::ListOptions options;
  options.selection.namespace_ = "b";
  options.selection.label_selector = "l=1";
  const auto list = run_task(kube.list(kBuilds, options));
  ASSERT_EQ(list->items.size(), 1U);
  EXPECT_EQ(list->items[0].key(), ObjectKey("b", "y"));
}

Task<Result<std::vector<std::string>>> read_watch(FakeKube& kube, kube::WatchOptions options) {
  auto stream = co_await kube.watch(kBuilds, options);
  if (!stream) co_return stream.error();
  kube.end_watches();
  std::vector<std::string> seen;
  for (;;) {
    const auto event = co_await (*stream)->next();
    if (!event) co_return event.error();
    if (!*event) co_return seen;
    if ((*event)->type == kube::WatchEventType::kError)
      seen.push_back((*event)->error.message);
    else
      seen.push_back((*event)->object ? (*event)->object->key().name : "bookmark");
  }
}

TEST(FakeKube, WatchesFromAResourceVersion) {
  FakeKube kube;
  kube.put(kBuilds, R"({"metadata":{"name":"a"}})");
  kube::WatchOptions options;
  options.resource_version = kube.resource_version();
  kube.put(kBuilds, R"({"metadata":{"name":"b"}})");
  kube.erase(kBuilds, ObjectKey("default", "a"));
  EXPECT_EQ(*run_task(read_watch(kube, options)), (std::vector<std::string>{"b", "a"}));
  kube.compact();
  EXPECT_EQ(*run_task(read_watch(kube, options)),
            std::vector<std::string>{"too old resource version"});
}

TEST(FakeKube, WatchesWithTheStateFirst) {
  FakeKube kube;
  kube.put(kBuilds, R"({"metadata":{"name":"a"}})");
  kube::WatchOptions options;
  options.send_initial_events = true;
  EXPECT_EQ(*run_task(read_watch(kube, options)), (std::vector<std::string>{"a", "bookmark"}));
  kube.support_watch_list(false);
  EXPECT_THAT(run_task(read_watch(kube, options)), FailsWith(Errc::kInvalid, "forbidden"));
}

}  // namespace
}  // namespace kiln::fakes
