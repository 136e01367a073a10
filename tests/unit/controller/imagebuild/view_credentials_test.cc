#include <string>
#include <vector>

#include "controller/imagebuild/cluster_view.h"
#include "tests/unit/controller/imagebuild/view_fixture.h"

namespace kiln::imagebuild {
namespace {

/// One that has its credentials from the Secret "login", at the place that `spec` says, with this
/// status of Ready ("" = none yet).
kube::Object build_with_login(const std::string& name, const std::string& spec,
                              const std::string& ready) {
  auto text = R"({"metadata":{"namespace":"web","name":")" + name + R"(","uid":"u-)" + name +
              R"(","resourceVersion":"1"},"spec":)" + spec;
  if (!ready.empty())
    text += R"(,"status":{"conditions":[{"type":"Ready","status":")" + ready +
            R"(","reason":"R","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]})";
  return *kube::Object::parse(text + "}");
}

constexpr const char* kPull =
    R"({"base":{"image":"r.io/a:1","secretRef":{"name":"login"}},"output":{"image":"r.io/team/a"}})";
constexpr const char* kPush =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/team/b","secretRef":{"name":"login"}}})";
constexpr const char* kAuthority =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/team/c","certSecretRef":{"name":"login"}}})";
constexpr const char* kGit =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/team/d"},"content":[{"path":"/srv",)"
    R"("git":{"url":"https://h.example/a","secretRef":{"name":"login"}}}]})";

constexpr const char* kCopy =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/team/e"},"content":[{"path":"/srv",)"
    R"("image":{"reference":"r.io/b","secretRef":{"name":"login"}}}]})";

kube::Object secret(const std::string& name, int version) {
  return config_map(name, version);
}

TEST_F(View, StartsThoseThatAreNotReadyWhenTheirCredentialsChange) {
  ContentWatch secrets("Secret", view_);
  view_.applied(build_with_login("pull", kPull, "False"), Origin::kChange);
  view_.applied(build_with_login("push", kPush, "False"), Origin::kChange);
  view_.applied(build_with_login("authority", kAuthority, "Unknown"), Origin::kChange);
  view_.applied(build_with_login("git", kGit, ""), Origin::kChange);
  view_.applied(build_with_login("copy", kCopy, "False"), Origin::kChange);
  secrets.applied(secret("login", 7), Origin::kInitial);
  keys_.take();

  secrets.applied(secret("login", 7), Origin::kChange);
  secrets.applied(secret("other", 8), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{});

  secrets.applied(secret("login", 9), Origin::kChange);
  EXPECT_EQ(keys_.take(), (Names{"authority", "copy", "git", "pull", "push"}));
  EXPECT_EQ(secrets.known(), (std::vector<kube::ObjectKey>{{"web", "login"}}));
}

TEST_F(View, DoesNotAskARegistryForEveryReadyOneWhenAPullSecretIsReplaced) {
  ContentWatch secrets("Secret", view_);
  for (const auto* name : {"a", "b", "c"})
    view_.applied(build_with_login(name, kPull, "True"), Origin::kChange);
  secrets.applied(secret("login", 7), Origin::kInitial);
  keys_.take();

  secrets.applied(secret("login", 8), Origin::kChange);

  EXPECT_EQ(keys_.take(), Names{});
}

TEST_F(View, StartsWhoWaitedForASecretThatComes) {
  ContentWatch secrets("Secret", view_);
  view_.applied(build_with_login("git", kGit, "False"), Origin::kChange);
  keys_.take();

  secrets.applied(secret("login", 1), Origin::kChange);

  EXPECT_EQ(keys_.take(), Names{"git"});
}

constexpr const char* kByAccount = R"({"base":{"image":"scratch"},"output":{"image":"r.io/e"}})";
constexpr const char* kByAnother =
    R"({"base":{"image":"scratch"},"output":{"image":"r.io/f"},"serviceAccountName":"builder"})";
const kube::ObjectKey kDefaultAccount("web", "default");

TEST_F(View, StartsThoseThatAreNotReadyWhenASecretOfTheirAccountChanges) {
  ContentWatch secrets("Secret", view_);
  view_.applied(build_with_login("waits", kByAccount, "False"), Origin::kChange);
  view_.applied(build_with_login("is-well", kByAccount, "True"), Origin::kChange);
  view_.applied(build_with_login("has-another", kByAnother, "False"), Origin::kChange);
  view_.applied(build_with_login("names-its-own",
                                 R"({"base":{"image":"r.io/a:1","secretRef":)"
                                 R"({"name":"own"}},"output":{"image":"r.io/g",)"
                                 R"("secretRef":{"name":"own"}}})",
                                 "False"),
                Origin::kChange);
  view_.account_names(kDefaultAccount, {"login", "late"});
  keys_.take();

  for (const auto* name : {"login", "late"}) {
    secrets.applied(secret(name, 7), Origin::kChange);
    EXPECT_EQ(keys_.take(), Names{"waits"}) << name;
  }
  secrets.applied(secret("other", 8), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{});
}

TEST_F(View, ForgetsTheSecretsThatAnAccountNoLongerNames) {
  ContentWatch secrets("Secret", view_);
  view_.applied(build_with_login("waits", kByAccount, "False"), Origin::kChange);
  view_.account_names(kDefaultAccount, {"login"});
  view_.account_names({"other", "default"}, {"theirs"});
  view_.account_names(kDefaultAccount, {"new"});
  keys_.take();

  for (const auto* name : {"login", "theirs"}) secrets.applied(secret(name, 7), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{});
  EXPECT_EQ(secrets.known(), std::vector<kube::ObjectKey>{});

  secrets.applied(secret("new", 7), Origin::kChange);
  EXPECT_EQ(keys_.take(), Names{"waits"});
}

TEST_F(View, WantsSecretsWatchedFromTheFirstAccountThatNamesOneOn) {
  int wanted = 0;
  view_.on_secret_use([&] { ++wanted; });
  view_.applied(build_with_login("a", kByAccount, "False"), Origin::kChange);
  view_.account_names(kDefaultAccount, {});
  EXPECT_EQ(wanted, 0);

  view_.account_names(kDefaultAccount, {"login"});
  view_.account_names({"web", "builder"}, {"login"});

  EXPECT_EQ(wanted, 1);
}

TEST_F(View, WantsSecretsWatchedFromTheFirstThatUsesOneOn) {
  int wanted = 0;
  view_.on_secret_use([&] { ++wanted; });
  view_.applied(build({}), Origin::kChange);
  EXPECT_EQ(wanted, 0);

  view_.applied(build_with_login("git", kGit, ""), Origin::kChange);
  view_.applied(build_with_login("pull", kPull, ""), Origin::kChange);

  EXPECT_EQ(wanted, 1);
}

}  // namespace
}  // namespace kiln::imagebuild
