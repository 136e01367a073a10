// Tags that others delete, move or keep from being moved.
#include <gtest/gtest.h>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

class Tags : public Reconcile {
 protected:
  const Json enforced_ = {{"output", {{"enforceTag", true}}}};

  /// Another one, older by its name, pushes to the same tag from now on.
  void come_to_the_tag(
      const std::string& name, const std::function<void(Json& spec)>& edit = [](Json&) {}) {
    auto other = *kube_.find_json(kImageBuilds, key_);
    other["metadata"]["name"] = name;
    other["metadata"]["uid"] = name;
    edit(other["spec"]);
    view_.applied(*kube::Object::parse(dump_json(other)), runtime::Origin::kChange);
  }

  /// A registry that lets nobody move a tag, however it says so.
  void keep_tags_immutable(Errc code, const std::string& words) {
    registry_.on_call([this, code, words](const auto& call) -> std::optional<Error> {
      const auto colon = call.target.rfind(':');
      if (call.method != "put_manifest" || call.target.find('@') != std::string::npos ||
          !registry_.tag(call.target.substr(0, colon), call.target.substr(colon + 1)))
        return std::nullopt;
      return Error(code, words);
    });
  }
};

TEST_F(Tags, ThatAnOlderImageBuildHadForAWhileAreTakenBack) {
  put_build();
  reconcile();
  come_to_the_tag("older");
  reconcile();
  ASSERT_EQ(condition("Ready"), "False TagContested");
  EXPECT_EQ(json_at(status(), "tags"), Json()) << "none holds its image";
  push_foreign();

  view_.deleted({"web", "older"});
  reconcile();

  EXPECT_EQ(tag(), digest());
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(reasons(), Names{"Restored"});
  EXPECT_EQ(status()["tags"], (Json{"latest"}));
}

TEST_F(Tags, ThatAnOlderImageBuildTakesDuringABuildAreLeftToIt) {
  put_build();
  registry_.on_call([this](const auto& call) -> std::optional<Error> {
    if (call.method == "send_blob") come_to_the_tag("older");
    return std::nullopt;
  });

  reconcile();

  EXPECT_EQ(tag(), "");
  EXPECT_EQ(condition("Ready"), "False TagContested");
}

TEST_F(Tags, OfAnImageBuildThatIsDeletedDuringItsFirstPushAreLeftAlone) {
  put_build();
  registry_.on_call([this](const auto& call) -> std::optional<Error> {
    if (call.method == "send_blob") {
      kube_.erase(kImageBuilds, key_);
      view_.deleted(key_);
    }
    return std::nullopt;
  });

  reconcile();

  EXPECT_EQ(tag(), "");
}

TEST_F(Tags, OfAnImageBuildThatIsEditedDuringItsFirstPushAreThoseOfTheEdit) {
  put_build();
  registry_.on_call([this](const auto& call) -> std::optional<Error> {
    if (call.method == "send_blob")
      put_build({{"output", {{"image", "r.test/team/site:corrected"}}}});
    return std::nullopt;
  });

  EXPECT_TRUE(reconcile().is_retry());
  EXPECT_EQ(tag(), "");
  registry_.on_call(nullptr);
  reconcile();

  EXPECT_EQ(tag(), "");
  EXPECT_EQ(registry_.tag("r.test/team/site", "corrected")->str(), digest());
}

TEST_F(Tags, ThatAnOlderImageBuildHasAmongOthersAreNamed) {
  put_build({{"output", {{"image", "r.test/team/site:latest"}, {"tags", {"stable"}}}}});
  come_to_the_tag("older", [](Json& spec) {
    spec["output"] = {{"image", "r.test/team/site:next"}, {"tags", {"stable"}}};
  });

  reconcile();

  EXPECT_EQ(condition("Ready"), "False TagContested");
  EXPECT_NE(message().find("ImageBuild older pushes to r.test/team/site:stable already"),
            std::string::npos)
      << message();
}

TEST_F(Tags, EnforcedArePutBackWithAWarningThatNamesBothDigests) {
  put_build(enforced_);
  reconcile();
  const auto foreign = push_foreign();

  reconcile();

  EXPECT_EQ(tag(), digest());
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  const auto& reason = status()["lastBuild"]["reasons"][0];
  EXPECT_EQ(reason, (Json{{"type", "Restored"}, {"from", foreign.str()}, {"to", digest()}}));
  EXPECT_EQ(notes_.lines.at(notes_.lines.size() - 2),
            "Warning BuildWarning: the tag latest held " + foreign.str() +
                ", which Kiln did not push (its own was " + digest() + "); it is put back");
}

TEST_F(Tags, ThatWereReportedArePutBackAsSoonAsTheyAreEnforced) {
  put_build();
  reconcile();
  push_foreign();
  reconcile();
  ASSERT_EQ(condition("Stalled"), "True TagMoved");

  put_build(enforced_);
  reconcile();

  EXPECT_EQ(tag(), digest());
  EXPECT_EQ(condition("Stalled"), "none");
}

TEST_F(Tags, MovedAgainAndAgainAreLeftForAWhileAndThenPutBack) {
  put_build(enforced_);
  reconcile();
  std::string foreign;
  for (int i = 0; i < 5; ++i) {
    foreign = push_foreign().str();
    reconcile();
    ASSERT_EQ(tag(), digest()) << i;
  }
  push_foreign();

  const auto result = reconcile();

  EXPECT_EQ(tag(), foreign);
  EXPECT_EQ(*result.delay(), std::chrono::minutes(1));
  EXPECT_EQ(condition("Ready"), "False TagMoved");
  EXPECT_EQ(condition("Reconciling"), "True ProgressingWithRetry");
  EXPECT_EQ(message(), "the tag latest is moved again and again: it holds " + foreign +
                           ", Kiln's image is " + digest() +
                           ". Kiln put it back 5 times in a row, and will again at "
                           "2026-01-01T00:01:00Z; find out who moves it");

  const auto version = kube_.resource_version();
  clock_.advance(std::chrono::seconds(30));
  reconcile();
  EXPECT_EQ(kube_.resource_version(), version);

  clock_.advance(std::chrono::seconds(31));
  reconcile();
  EXPECT_EQ(tag(), digest());
  EXPECT_EQ(status()["lastBuild"]["reasons"].size(), 6u);
}

TEST_F(Tags, MovedAgainAndAgainArePutBackAtOnceOnRequest) {
  put_build(enforced_);
  reconcile();
  for (int i = 0; i < 6; ++i) {
    push_foreign();
    reconcile();
  }
  ASSERT_NE(tag(), digest());
  auto object = *kube_.find_json(kImageBuilds, key_);
  object["metadata"]["annotations"]["reconcile.kiln.build/requestedAt"] = "now";
  kube_.put(kImageBuilds, dump_json(object));
  look();
  reconcile();
  EXPECT_EQ(tag(), digest());
}

TEST_F(Tags, ThatHoldTheImageAreNotPushedAgain) {
  put_build({{"output", {{"tags", {"v1"}}}}});
  reconcile();
  registry_.forget_tag("r.test/team/site", "v1");
  registry_.forget_calls();

  reconcile();

  Names pushed;
  for (const auto& line : registry_.call_lines())
    if (line.starts_with("put_manifest r.test/team/site:")) pushed.push_back(line);
  EXPECT_EQ(pushed, Names{"put_manifest r.test/team/site:v1"});
}

TEST_F(Tags, OfAnImageThatIsAdoptedAreNotPushedAgain) {
  put_build();
  reconcile();
  kube_.erase(kImageBuilds, key_);
  view_.deleted(key_);
  registry_.forget_calls();
  keep_tags_immutable(Errc::kInvalid, "tag exists");

  put_build();
  reconcile();

  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(reasons(), Names{"Adopted"});
}

struct Immutable {
  std::string name;
  Errc code;
  std::string words;
};
void PrintTo(const Immutable& row, std::ostream* out) {
  *out << row.name;
}
class ImmutableTags : public Tags, public ::testing::WithParamInterface<Immutable> {};
TEST_P(ImmutableTags, WithAnotherImageAreNamedAndHealWhenTheyGo) {
  put_build();
  reconcile();
  const auto first = digest();
  keep_tags_immutable(GetParam().code, GetParam().words);
  put_pages("edited");

  EXPECT_FALSE(reconcile().is_retry());

  EXPECT_EQ(tag(), first);
  EXPECT_EQ(condition("Ready"), "False TagImmutable");
  EXPECT_EQ(condition("Stalled"), "True TagImmutable");
  EXPECT_TRUE(message().starts_with("the tag latest holds " + first +
                                    " and the registry does not let it be moved to sha256:"))
      << message();
  EXPECT_NE(message().find(GetParam().words), std::string::npos) << message();

  registry_.forget_tag("r.test/team/site", "latest");
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_NE(tag(), first);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ImmutableTags,
    ::testing::Values(
        Immutable{"Ecr", Errc::kInvalid, "tag invalid: The image tag 'latest' already exists"},
        Immutable{"Harbor", Errc::kInvalid, "configured as immutable, cannot be updated"},
        Immutable{"Denied", Errc::kDenied, "denied: tag latest is immutable"}),
    [](const auto& test) { return test.param.name; });

TEST_F(Tags, RefusedByARegistryWhereTheyHoldTheImageAreFine) {
  put_build();
  reconcile();
  const auto first = digest();
  put_pages("edited");
  reconcile();
  put_pages("hello");  // Its history's tag is there already.
  registry_.on_call([](const auto& call) -> std::optional<Error> {
    if (call.method == "put_manifest" && call.target.find(":kiln-") != std::string::npos)
      return Error(Errc::kInvalid, "tag exists");
    return std::nullopt;
  });
  reconcile();
  EXPECT_EQ(digest(), first);
  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(Tags, OfAPushThatMayNotBeAreNoMatterOfImmutability) {
  put_build();
  reconcile();
  put_pages("edited");
  registry_.fail_next("put_manifest", Error(Errc::kDenied, "denied: requested access"), 9);
  reconcile();
  EXPECT_EQ(condition("Ready"), "False PushDenied");
}

TEST_F(Tags, ThatACutOffPushMovedStayKilnsOwn) {
  put_build();
  reconcile();
  put_pages("second");
  kube_.fail_when([this, n = 0](const auto& call) mutable -> std::optional<Error> {
    if (call.verb != "update_status" || ++n < 2) return std::nullopt;
    return Error(Errc::kUnavailable, "killed");
  });
  reconcile();
  const auto second = tag();
  ASSERT_NE(second, digest());
  kube_.fail_when(nullptr);
  look();

  put_pages("third");
  registry_.on_call([](const auto& call) -> std::optional<Error> {
    if (call.method == "put_manifest" && call.target.starts_with("r.test/team/site:"))
      return Error(Errc::kCancelled, "killed");
    return std::nullopt;
  });
  reconcile();
  ASSERT_EQ(tag(), second);
  registry_.on_call(nullptr);
  put_pages("hello");
  look();
  reconcile();

  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(tag(), digest());
}

TEST_F(Tags, OfAShorterHistoryStayInTheRegistry) {
  put_build();
  for (const auto* page : {"1", "2", "3"}) {
    put_pages(page);
    reconcile();
  }
  const auto tags = registry_.tags("r.test/team/site").size();
  put_build({{"historyLimit", 1}});
  reconcile();
  EXPECT_EQ(status()["history"].size(), 2u);
  EXPECT_EQ(registry_.tags("r.test/team/site").size(), tags);
}

TEST_F(Tags, OfAHistoryNameEachDigestOnce) {
  put_build();
  for (const auto* page : {"1", "2", "1", "2", "1"}) {
    put_pages(page);
    reconcile();
  }
  EXPECT_EQ(status()["history"].size(), 2u);
  EXPECT_EQ(status()["history"][0]["digest"], digest());
}

}  // namespace
}  // namespace kiln::imagebuild
