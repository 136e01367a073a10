#include "tests/unit/controller/imagebuild/reconcile_fixture.h"

namespace kiln::imagebuild {
namespace {

struct Unwelcome {
  std::string name;
  Json change;
  std::string message;
};
void PrintTo(const Unwelcome& row, std::ostream* out) {
  *out << row.name;
}

/// p.test asks for credentials. The Secret `wrong` has others, `other` those of another registry;
/// the accounts `helped` and `mistaken` name them.
class AdviceOnCredentials : public Reconcile, public ::testing::WithParamInterface<Unwelcome> {
 protected:
  AdviceOnCredentials() {
    auth::Credential right;
    right.username = "me";
    right.password = "right";
    registry_.require("p.test", right);
    put_secret("wrong", "p.test");
    put_secret("other", "elsewhere.test");
    put_account("mistaken", "wrong");
    put_account("helped", "other");
  }
  void put_secret(const std::string& name, const std::string& host) {
    put_pull_secret("web", name, {{host, {{"username", "me"}, {"password", "secret-word"}}}});
  }
  void put_account(const std::string& name, const std::string& secret) {
    kube_.put(kube::kServiceAccounts,
              dump_json({{"metadata", {{"namespace", "web"}, {"name", name}}},
                         {"imagePullSecrets", {{{"name", secret}}}}}));
  }
};

TEST_P(AdviceOnCredentials, SaysWhichFieldAndWhichSecret) {
  Json change = {{"output", {{"image", "p.test/team/site:latest"}}}};
  change.merge_patch(GetParam().change);
  put_build(change);

  reconcile();

  EXPECT_EQ(condition("Ready"), "False AuthenticationFailed");
  EXPECT_EQ(message(), GetParam().message);
}

const std::string kAsks =
    "looking at the output's tags: p.test asks for credentials and none were "
    "given; ";
const std::string kRefuses = "looking at the output's tags: p.test refused the credentials; ";

INSTANTIATE_TEST_SUITE_P(
    Table, AdviceOnCredentials,
    ::testing::Values(
        Unwelcome{"None", Json::object(),
                  kAsks + "name a Secret with them in spec.output.secretRef, or in "
                          "imagePullSecrets of the service account default"},
        Unwelcome{"WrongOnesOfTheField",
                  {{"output", {{"secretRef", {{"name", "wrong"}}}}}},
                  kRefuses + "they are from the Secret wrong (spec.output.secretRef)"},
        Unwelcome{"TheFieldHasOthers",
                  {{"output", {{"secretRef", {{"name", "other"}}}}}},
                  kAsks + "the Secret other (spec.output.secretRef) has none for p.test"},
        Unwelcome{"WrongOnesOfTheAccount",
                  {{"serviceAccountName", "mistaken"}},
                  kRefuses + "they are from imagePullSecrets of the service account mistaken "
                             "(wrong)"},
        Unwelcome{"TheAccountHasOthers",
                  {{"serviceAccountName", "helped"}},
                  kAsks + "imagePullSecrets of the service account helped (other) have none for "
                          "p.test: add them there, or name a Secret in spec.output.secretRef"},
        Unwelcome{"OfTheBase",
                  {{"base", {{"image", "p.test/nginx:1"}}}},
                  "resolving the base image: p.test asks for credentials and none were given; "
                  "name a Secret with them in spec.base.secretRef, or in imagePullSecrets of the "
                  "service account default"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::imagebuild
