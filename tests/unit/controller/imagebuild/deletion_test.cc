#include "controller/imagebuild/deletion.h"

#include <gtest/gtest.h>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

const std::string kSite = "r.test/team/site";

class Deleting : public Reconcile {
 protected:
  void put(Json change = Json::object()) {
    change["deletionPolicy"] = "Delete";
    put_build(change);
  }
  void pushed(const Json& change = Json::object()) {
    put(change);
    reconcile();
    ASSERT_EQ(condition("Ready"), "True Succeeded");
    notes_.lines.clear();
  }
  /// What kubectl delete does.
  void remove() {
    ASSERT_TRUE(testing::run_task(io_, kube_.remove(kImageBuilds, key_, {})));
    if (!gone()) look();
  }
  bool gone() const { return kube_.find_json(kImageBuilds, key_) == nullptr; }
  Json finalizers() const {
    return json_at(json_at(*kube_.find_json(kImageBuilds, key_), "metadata"), "finalizers");
  }
  Names tags() const { return registry_.tags(kSite); }
  /// Another ImageBuild of the cluster, as the watch shows it.
  void show_another(const std::string& space, const std::string& name, const Json& spec,
                    const Json& status = Json::object()) {
    const Json object = {
        {"metadata",
         {{"namespace", space}, {"name", name}, {"uid", name}, {"resourceVersion", "1"}}},
        {"spec", spec},
        {"status", status}};
    view_.applied(*kube::Object::parse(dump_json(object)), runtime::Origin::kChange);
  }
};

TEST_F(Deleting, WithRetainNeedsNoFinalizerAndLeavesTheTags) {
  put_build();
  reconcile();
  EXPECT_TRUE(finalizers().empty());
  remove();
  EXPECT_TRUE(gone());
  EXPECT_EQ(tags().size(), 2u);
}

TEST_F(Deleting, IsPreparedForBeforeAnythingIsPushed) {
  put();
  registry_.on_call([this](const auto& call) -> std::optional<Error> {
    if (call.target.starts_with(kSite) && call.method != "resolve") {
      EXPECT_EQ(finalizers(), Json({kFinalizer}));
    }
    return std::nullopt;
  });
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(Deleting, TakesEveryTagThatKilnPushed) {
  pushed({{"output", {{"tags", {"stable", "g${generation}"}}}}});
  put_pages("edited");
  put({{"output", {{"tags", {"stable", "g${generation}"}}}}, {"config", {{"user", "1"}}}});
  reconcile();
  ASSERT_EQ(tags().size(), 6u);

  remove();
  EXPECT_FALSE(gone());
  reconcile();

  EXPECT_TRUE(gone());
  EXPECT_EQ(tags(), Names{});
  ASSERT_FALSE(notes_.lines.empty());
  EXPECT_TRUE(notes_.lines.back().starts_with("Normal Deleted: deleted r.test/team/site:latest, "))
      << notes_.lines.back();
}

TEST_F(Deleting, LeavesTagsOfOthersAndSaysSo) {
  pushed({{"output", {{"tags", {"stable"}}}}});
  registry_.set_tag(kSite, "prod", *oci::Digest::parse(digest()));
  const auto foreign = push_foreign();
  remove();
  reconcile();
  EXPECT_TRUE(gone());
  EXPECT_EQ(tags(), (Names{"latest", "prod"}));
  EXPECT_EQ(
      notes_.lines.back(),
      "Warning TagsLeft: left what others pushed: r.test/team/site:latest (" + foreign.str() + ")");
}

TEST_F(Deleting, LeavesTagsThatAnotherImageBuildWantsOrHas) {
  pushed();
  const Json spec = {{"base", {{"image", "scratch"}}}};
  auto wants = spec;
  wants["output"] = {{"image", kSite + ":latest"}};
  show_another("other", "wants", wants);
  auto has = spec;
  has["output"] = {{"image", kSite + ":other"}};
  show_another("web", "has", has,
               {{"image", kSite + "@" + digest()},
                {"history", {{{"digest", digest()}, {"inputKey", status()["inputKey"]}}}}});
  remove();
  reconcile();
  EXPECT_TRUE(gone());
  EXPECT_EQ(tags().size(), 2u);
}

TEST_F(Deleting, CoversAPushThatWasCutOff) {
  put();
  kube_.fail_when([this](const auto& call) -> std::optional<Error> {
    if (call.verb == "update_status" && !tag().empty()) return Error(Errc::kUnavailable, "killed");
    return std::nullopt;
  });
  reconcile();
  ASSERT_EQ(tags().size(), 2u);
  kube_.fail_when(nullptr);
  remove();
  reconcile();
  EXPECT_TRUE(gone());
  EXPECT_EQ(tags(), Names{});
}

TEST_F(Deleting, WaitsForARegistryThatIsAwaySaysSoOnceAndGoesOn) {
  pushed();
  remove();
  registry_.fail_next("resolve", Error(Errc::kUnavailable, "cannot connect to r.test"), 2);
  EXPECT_EQ(*reconcile().delay(), std::chrono::seconds(30));
  EXPECT_EQ(condition("Ready"), "False Deleting");
  EXPECT_EQ(message(),
            "deleting the tags: cannot connect to r.test; it is tried until "
            "2026-01-01T00:10:00Z, then the tags are left");
  reconcile();
  EXPECT_EQ(notes_.lines.size(), 1u);
  reconcile();
  EXPECT_TRUE(gone());
  EXPECT_EQ(tags(), Names{});
}

TEST_F(Deleting, GivesUpOnARegistryThatStaysAway) {
  pushed({{"timeout", "5m"}});
  remove();
  registry_.fail_next("resolve", Error(Errc::kUnavailable, "cannot connect to r.test"), 99);
  clock_.advance(std::chrono::seconds(290));
  EXPECT_EQ(*reconcile().delay(), std::chrono::seconds(10));
  clock_.advance(std::chrono::seconds(10));
  reconcile();
  EXPECT_TRUE(gone());
  EXPECT_EQ(notes_.lines.back(),
            "Warning TagsLeft: the tags that are left could not be deleted: cannot connect to "
            "r.test");
}

TEST_F(Deleting, DoesNotWaitForARegistryThatDeletesNoTags) {
  pushed();
  remove();
  registry_.fail_next("remove", Error(Errc::kUnsupported, "unsupported"), 99);
  reconcile();
  EXPECT_TRUE(gone());
  EXPECT_TRUE(
      notes_.lines.back().starts_with("Warning TagsLeft: the registry deletes no tags, so "
                                      "these are left: r.test/team/site:latest, "))
      << notes_.lines.back();
}

TEST_F(Deleting, WaitsOnlyShortlyForASecretThatIsGone) {
  pushed();
  put({{"output", {{"secretRef", {{"name", "gone"}}}}}});
  remove();
  reconcile();
  EXPECT_FALSE(gone());
  clock_.advance(std::chrono::seconds(31));
  reconcile();
  EXPECT_TRUE(gone());
  EXPECT_NE(notes_.lines.back().find("Secret/gone is not there"), std::string::npos);
}

struct NoBuild {
  std::string name;
  Json change;
};
void PrintTo(const NoBuild& row, std::ostream* out) {
  *out << row.name;
}
class DeletingWhatCannotBeBuilt : public Deleting, public ::testing::WithParamInterface<NoBuild> {};
TEST_P(DeletingWhatCannotBeBuilt, TakesItsTagsToo) {
  pushed();
  put(GetParam().change);
  reconcile();
  remove();
  reconcile();
  EXPECT_TRUE(gone());
  EXPECT_EQ(tags(), Names{});
}
INSTANTIATE_TEST_SUITE_P(Table, DeletingWhatCannotBeBuilt,
                         ::testing::Values(NoBuild{"Suspended", {{"suspend", true}}},
                                           NoBuild{"Invalid", {{"remove", {"usr"}}}},
                                           NoBuild{"NoBase",
                                                   {{"base", {{"image", "r.test/none:1"}}}}}),
                         [](const auto& test) { return test.param.name; });

TEST_F(Deleting, OfWhatNeverPushedAsksNoRegistry) {
  put({{"suspend", true}});
  reconcile();
  EXPECT_EQ(finalizers(), Json({kFinalizer}));
  remove();
  reconcile();
  EXPECT_TRUE(gone());
  EXPECT_TRUE(registry_.calls().empty());
}

TEST_F(Deleting, LetsGoOfWhatNobodyCanReadAnyMore) {
  pushed();
  auto object = *kube_.find_json(kImageBuilds, key_);
  object["spec"]["output"] = "?";
  kube_.put(kImageBuilds, dump_json(object));
  remove();
  reconcile();
  EXPECT_TRUE(gone());
}

TEST_F(Deleting, KeepsOtherPeoplesFinalizers) {
  pushed();
  auto object = *kube_.find_json(kImageBuilds, key_);
  object["metadata"]["finalizers"] = {"example.com/theirs", kFinalizer};
  kube_.put(kImageBuilds, dump_json(object));
  look();
  remove();
  reconcile();
  EXPECT_EQ(finalizers(), Json({"example.com/theirs"}));
}

TEST_F(Deleting, SwitchedOffAgainDropsTheFinalizerAlsoOfASuspendedOne) {
  pushed();
  put_build({{"suspend", true}});
  reconcile();
  EXPECT_TRUE(finalizers().empty());
  remove();
  EXPECT_TRUE(gone());
  EXPECT_EQ(tags().size(), 2u);
}

TEST_F(Deleting, HealsWhereverItIsCutOff) {
  for (std::size_t cut = 1; cut <= 8; ++cut) {
    pushed();
    remove();
    std::size_t calls = 0;
    const auto stop = [&]() -> std::optional<Error> {
      if (++calls < cut) return std::nullopt;
      return Error(Errc::kUnavailable, "killed");
    };
    registry_.on_call([&](const auto&) { return stop(); });
    kube_.fail_when([&](const auto&) { return stop(); });
    reconcile();
    registry_.on_call(nullptr);
    kube_.fail_when(nullptr);
    if (!gone()) {
      look();
      reconcile();
    }
    EXPECT_TRUE(gone()) << "cut off at call " << cut;
    EXPECT_EQ(tags(), Names{}) << cut;
    view_.deleted(key_);
  }
}

class Leaving : public Deleting {};

TEST_F(Leaving, ATagDeletesItOnceTheNewOneIsThere) {
  pushed();
  registry_.on_call([this](const auto& call) -> std::optional<Error> {
    if (call.method == "remove") {
      EXPECT_TRUE(registry_.tag(kSite, "next"));
    }
    return std::nullopt;
  });
  put({{"output", {{"image", kSite + ":next"}}}});
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(tag(), "");
  EXPECT_EQ(status()["tags"], Json({"next"}));
}

TEST_F(Leaving, ATagWithRetainLeavesItThere) {
  put_build();
  reconcile();
  put_build({{"output", {{"image", kSite + ":next"}}}});
  reconcile();
  EXPECT_EQ(tag(), digest());
}

TEST_F(Leaving, OneOfSeveralTagsDeletesThatOne) {
  pushed({{"output", {{"tags", {"v1", "v2"}}}}});
  put({{"output", {{"tags", {"v2"}}}}});
  reconcile();
  EXPECT_FALSE(registry_.tag(kSite, "v1"));
  EXPECT_TRUE(registry_.tag(kSite, "v2"));
  EXPECT_EQ(tag(), digest());
}

TEST_F(Leaving, ARepositoryDeletesWhatIsInIt) {
  pushed({{"output", {{"tags", {"g${generation}"}}}}});
  put_pages("edited");
  reconcile();
  put({{"output", {{"image", "r.test/team/moved:latest"}}}});
  reconcile();
  EXPECT_EQ(tags(), Names{});
  EXPECT_EQ(registry_.tags("r.test/team/moved").size(), 2u);
  EXPECT_EQ(status()["history"].size(), 1u);
}

TEST_F(Leaving, ATagThatTheRegistryKeepsIsToldAndNoFailure) {
  pushed();
  registry_.fail_next("remove", Error(Errc::kUnsupported, "unsupported"));
  put({{"output", {{"image", kSite + ":next"}}}});
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(
      notes_.lines.at(0),
      "Warning BuildWarning: the registry deletes no tags, so r.test/team/site:latest is left");
}

TEST_F(Leaving, TheHistoryDeletesTheTagThatKeptItAlive) {
  pushed({{"historyLimit", 1}});
  for (const auto* page : {"2", "3"}) {
    put_pages(page);
    reconcile();
  }
  EXPECT_EQ(status()["history"].size(), 2u);
  EXPECT_EQ(tags().size(), 3u);

  put({{"historyLimit", 0}});
  reconcile();
  EXPECT_EQ(tags().size(), 2u);
  EXPECT_EQ(tag(), digest());
}

TEST_F(Leaving, TheHistoryLeavesTagsThatAreNamedAfterABuild) {
  const Json change = {{"historyLimit", 0}, {"output", {{"tags", {"${date}"}}}}};
  pushed(change);
  clock_.advance(std::chrono::hours(24));
  put_pages("edited");
  reconcile();
  EXPECT_TRUE(registry_.tag(kSite, "2026-01-01"));
  EXPECT_TRUE(registry_.tag(kSite, "2026-01-02"));
}

}  // namespace
}  // namespace kiln::imagebuild
