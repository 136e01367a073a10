#include "controller/imagebuild/credentials.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/matchers.h"
#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

class SharedCredentials : public Reconcile {
 protected:
  SharedCredentials() { put_secret("web", "one"); }

  void put_secret(const std::string& space, const std::string& user) {
    put_pull_secret(space, "pull", {{"r.test", {{"username", user}, {"password", "of " + user}}}});
  }
  /// Who logs in to push an ImageBuild of this namespace.
  std::string user_in(const std::string& space) {
    auto build = std::make_shared<api::ImageBuild>();
    build->metadata.namespace_ = space;
    build->spec.output.registry.secret = "pull";
    const auto found =
        run(credentials_.read_keychains(build, clock_.steady_now(), Accounts::kAsTheyAre));
    EXPECT_THAT(found, testing::IsOk());
    const auto to = oci::Reference::parse("r.test/team/site")->repository();
    return found ? found->output->find(to).at(0).username : "";
  }
  template <class T>
  Result<T> run(Task<Result<T>> task) {
    return testing::run_task(io_, std::move(task));
  }
  bool reads_the_secret() {
    const auto lines = kube_.lines();
    kube_.forget_calls();
    return std::find(lines.begin(), lines.end(), "get secrets web/pull") != lines.end();
  }
};

TEST_F(SharedCredentials, OfOneNameInTwoNamespacesAreTwo) {
  put_secret("other", "two");
  EXPECT_EQ(user_in("web"), "one");
  EXPECT_EQ(user_in("other"), "two");
}

TEST_F(SharedCredentials, AreReadAnewForWhoAsksAfterTheyChanged) {
  EXPECT_EQ(user_in("web"), "one");
  put_secret("web", "two");
  clock_.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(user_in("web"), "two");
}

/// What is to be done, as soon as somebody asks for it, and a while after.
struct Work {
  const char* what;
  Json spec;            ///< What changes in it. `pin`: what was pushed first.
  std::string becomes;  ///< The condition; "" = it is gone.
};

class SharedCredentialsOf : public SharedCredentials, public ::testing::WithParamInterface<Work> {
 protected:
  SharedCredentialsOf() {
    put_build(login_);
    reconcile();
    clock_.advance(std::chrono::milliseconds(1));
  }
  void ask() {
    auto change = login_;
    change.merge_patch(GetParam().spec);
    if (change.contains("pin")) change["pin"] = digest();
    put_build(change);
    if (!GetParam().becomes.empty()) return;
    reconcile();  // The finalizer.
    clock_.advance(std::chrono::milliseconds(1));
    EXPECT_TRUE(run(kube_.remove(kImageBuilds, key_, {})));
    look();
  }
  /// Somebody else reads them, a moment later.
  void read() {
    clock_.advance(std::chrono::milliseconds(1));
    EXPECT_EQ(user_in("web"), "one");
    clock_.advance(std::chrono::milliseconds(1));
    kube_.forget_calls();
  }
  void expect_done() {
    const bool there = kube_.find_json(kImageBuilds, key_) != nullptr;
    EXPECT_EQ(there ? condition("Ready") : "", GetParam().becomes);
  }

  const Json login_ = {{"output", {{"secretRef", {{"name", "pull"}}}}}};
};

TEST_P(SharedCredentialsOf, AreNotReadIfSomebodyElseHasReadThemSince) {
  ask();
  const auto asked = clock_.steady_now();
  read();

  reconcile_asked_at(asked);

  EXPECT_FALSE(reads_the_secret());
  expect_done();
}

TEST_P(SharedCredentialsOf, AreReadIfTheyWereReadBefore) {
  ask();
  read();

  reconcile();

  EXPECT_TRUE(reads_the_secret());
  expect_done();
}

INSTANTIATE_TEST_SUITE_P(
    Each, SharedCredentialsOf,
    ::testing::Values(Work{"Build", {{"config", {{"user", "1"}}}}, "True Succeeded"},
                      Work{"Pin", {{"pin", ""}}, "True Pinned"},
                      Work{"Deletion", {{"deletionPolicy", "Delete"}}, ""}),
    [](const auto& one) { return std::string(one.param.what); });

}  // namespace
}  // namespace kiln::imagebuild
