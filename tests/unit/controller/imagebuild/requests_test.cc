// What a build asks of servers, and what it does not ask because records tell it.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kSite = "r.test/team/site";

class Requests : public Reconcile {
 protected:
  /// An ImageBuild for one platform and one tag, which is up to date.
  void begin() {
    put_build({{"base", {{"platforms", {"linux/amd64"}}}}});
    reconcile();
    look();
    forget();
  }
  void forget() {
    registry_.forget_calls();
    kube_.forget_calls();
  }
  /// The watch of ConfigMaps tells of the content.
  void pages_changed() {
    pages_.applied(*kube::Object::parse(dump_json(*kube_.find_json(kube::kConfigMaps, kPages))),
                   runtime::Origin::kChange);
  }
  /// A moment later somebody wants it looked at now.
  void request() {
    clock_.advance(std::chrono::milliseconds(1));
    auto object = *kube_.find_json(kImageBuilds, key_);
    object["metadata"]["annotations"]["reconcile.kiln.build/requestedAt"] = "now";
    kube_.put(kImageBuilds, dump_json(object));
    look();
  }
  /// The account has credentials.
  void put_account_with_secret() {
    kube_.put(kube::kServiceAccounts, R"({"metadata":{"namespace":"web","name":"default"},)"
                                      R"("imagePullSecrets":[{"name":"pull"}]})");
    put_pull_secret("web", "pull", {{"r.test", Json::object()}});
  }
  void edit(const std::string& text) {
    put_pages(text);
    reconcile();
    look();
  }

  const kube::ObjectKey kPages{"web", "pages"};
  ContentWatch pages_{"ConfigMap", view_};
};

// On the wire: one, two for each blob that is sent, and two.
TEST_F(Requests, ToTheRegistryAreSevenForAnEdit) {
  begin();

  edit("two");

  EXPECT_THAT(registry_.call_lines(), ElementsAre("resolve " + kSite + ":latest",
                                                  StartsWith("send_blob " + kSite + "@sha256:"),
                                                  StartsWith("send_blob " + kSite + "@sha256:"),
                                                  StartsWith("put_manifest " + kSite + ":kiln-"),
                                                  "put_manifest " + kSite + ":latest"));
  EXPECT_EQ(tag(), digest());
}

TEST_F(Requests, ToTheRegistryAreSevenForAFirstImage) {
  put_build(
      {{"base", {{"image", "scratch"}, {"platforms", {"linux/amd64"}}}}, {"remove", nullptr}});
  reconcile();

  EXPECT_EQ(registry_.count("send_blob"), 2u);
  EXPECT_EQ(registry_.calls().size(), 5u) << ::testing::PrintToString(registry_.call_lines());
}

TEST_F(Requests, ToTheRegistryAreAFewForAnImageThatComesBack) {
  begin();
  const auto first = digest();
  edit("two");
  forget();

  edit("hello");

  EXPECT_EQ(digest(), first);
  EXPECT_EQ(tag(), first);
  EXPECT_EQ(registry_.count("send_blob"), 0u);
  EXPECT_EQ(status()["lastBuild"].value("uploadedBytes", 0), 0);
}

TEST_F(Requests, ToTheApiServerForAnEditAreTwoReadsAndTwoWrites) {
  begin();

  edit("two");

  const auto calls = kube_.lines();
  EXPECT_EQ(std::count_if(calls.begin(), calls.end(),
                          [](const auto& line) { return line.starts_with("get"); }),
            2);  // The ServiceAccount and the ConfigMap.
  EXPECT_EQ(kube_.calls_of("update_status").size(), 2u);
}

TEST_F(Requests, ForAnEditAreAnsweredOutOfTheApiServersMemory) {
  begin();
  put_pages("two");
  pages_changed();
  const auto edited = kube_.resource_version();

  reconcile();

  const auto calls = kube_.calls_of("get_remembered");
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].line(), "get_remembered configmaps web/pages");
  EXPECT_EQ(calls[0].body, edited) << "it must be as new as the edit";
  EXPECT_EQ(calls[1].body, "0");
  EXPECT_TRUE(kube_.calls_of("get").empty());
}

// The first of them, while the API server is asked: what it answers holds, also that it failed.
TEST_F(Requests, ForAnEditAskWhereTheTagStandsOnce) {
  begin();
  put_pages("two");
  registry_.fail_next("resolve", Error(Errc::kUnavailable, "away"));

  reconcile();

  EXPECT_EQ(condition("Ready"), "False RegistryUnavailable");
  EXPECT_EQ(registry_.count("resolve"), 1u);
}

TEST_F(Requests, AskAgainWhereTheTagStandsIfAPullSecretHasComeToTheAccount) {
  begin();
  put_pages("two");
  put_account_with_secret();

  reconcile();

  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(registry_.count("resolve"), 2u);
}

TEST_F(Requests, ThatSomebodyWaitsForAreAnsweredWithTheStateOfNow) {
  begin();
  pages_changed();
  request();

  reconcile();

  EXPECT_EQ(kube_.calls_of("get").size(), 2u);
  EXPECT_TRUE(kube_.calls_of("get_remembered").empty());
}

// Many that are asked for at once wait for each other: what the first has learned since then holds.
TEST_F(Requests, ThatSomebodyWaitsForTakeWhatOthersHaveLearnedSinceTheyWereAskedFor) {
  put_account_with_secret();
  const auto asked = clock_.steady_now();
  begin();
  request();

  reconcile_asked_at(asked);

  EXPECT_THAT(kube_.lines(), Not(Contains(HasSubstr("serviceaccounts"))));
  EXPECT_THAT(kube_.lines(), Not(Contains(HasSubstr("secrets"))));
  EXPECT_THAT(registry_.call_lines(), Not(Contains("resolve r.test/nginx:1.27")));
  EXPECT_EQ(condition("Ready"), "True Succeeded");
}

TEST_F(Requests, ThatHaveWaitedLongTakeNothingThatIsOlderThanSomeSeconds) {
  put_account_with_secret();
  const auto asked = clock_.steady_now();
  begin();
  request();
  clock_.advance(kNewEnough);

  reconcile_asked_at(asked);

  EXPECT_THAT(kube_.lines(), Contains("get serviceaccounts web/default"));
  EXPECT_THAT(kube_.lines(), Contains("get secrets web/pull"));
  EXPECT_THAT(registry_.call_lines(), Contains("resolve r.test/nginx:1.27"));
}

TEST_F(Requests, ThatSomebodyWaitsForTakeNothingThatIsOlderThanTheirQuestion) {
  put_account_with_secret();
  begin();
  request();

  reconcile();

  EXPECT_THAT(kube_.lines(), Contains("get serviceaccounts web/default"));
  EXPECT_THAT(kube_.lines(), Contains("get secrets web/pull"));
  EXPECT_THAT(registry_.call_lines(), Contains("resolve r.test/nginx:1.27"));
}

// Another API server, or one whose database came out of a backup.
TEST_F(Requests, AreMadeOnceMoreWhereTheApiServerIsBehind) {
  begin();
  put_pages("two");
  pages_changed();
  kube_.fail_next("get_remembered", Error(Errc::kGone, "Too large resource version"));

  reconcile();
  look();

  EXPECT_EQ(kube_.calls_of("get").size(), 1u);
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(reasons(), Names{"ContentChanged"});
}

TEST_F(Requests, ToTheApiServerForAFirstImageAreOneWrite) {
  put_build();
  reconcile();
  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(kube_.calls_of("update_status").size(), 1u);
}

// A garbage collection took what the records believe is there: the registry refuses the manifest.
TEST_F(Requests, AreMadeAfterAllWhereTheRecordsProveWrong) {
  begin();
  const auto lost = *oci::Digest::parse(json_string(status()["layers"][0], "digest"));
  registry_.forget_blob(kSite, lost);

  edit("two");

  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(tag(), digest());
  EXPECT_TRUE(registry_.has(kSite, lost));
}

TEST_F(Requests, AreMadeAfterAllWhereTheManifestOfOnePlatformIsRefused) {
  put_build();
  reconcile();
  look();
  const auto lost = *oci::Digest::parse(json_string(status()["layers"][0], "digest"));
  registry_.forget_blob(kSite, lost);

  edit("two");

  EXPECT_EQ(condition("Ready"), "True Succeeded");
  EXPECT_EQ(tag(), digest());
}

TEST_F(Requests, WithoutAStatusFindTheImageAndSendNothing) {
  begin();
  auto object = *kube_.find_json(kImageBuilds, key_);
  object.erase("status");
  kube_.put(kImageBuilds, dump_json(object));
  look();
  forget();

  reconcile();

  EXPECT_EQ(reasons(), Names{"Adopted"});
  EXPECT_EQ(registry_.count("send_blob"), 0u);
}

TEST_F(Requests, AreNotSavedWhereTheTagIsNotAtTheLastImage) {
  begin();
  push_foreign();

  edit("two");

  const auto lines = registry_.call_lines();
  EXPECT_TRUE(std::any_of(lines.begin(), lines.end(), [](const auto& line) {
    return line.starts_with("ensure_blob") || line.starts_with("mount_blob") ||
           line.starts_with("has_blob");
  }));
  EXPECT_EQ(tag(), digest());
}

// Nothing was put under a tag, so nothing is pending; and trying again writes nothing.
TEST_F(Requests, OfAPushThatFailsLeaveNothingPending) {
  begin();
  registry_.on_call([](const auto& call) -> std::optional<Error> {
    if (call.method == "send_blob") return Error(Errc::kDenied, "no");
    return std::nullopt;
  });

  edit("two");

  EXPECT_EQ(condition("Ready"), "False PushDenied");
  EXPECT_FALSE(status().contains("pending"));
  forget();
  reconcile();
  EXPECT_TRUE(kube_.calls_of("update_status").empty());
}

}  // namespace
}  // namespace kiln::imagebuild
