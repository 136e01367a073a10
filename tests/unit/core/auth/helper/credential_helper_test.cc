#include "core/auth/helper/credential_helper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/helper_programs.h"
#include "tests/support/matchers.h"

namespace kiln::auth {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

const std::string kHub = "https://index.docker.io/v1/";

class Helper : public ::testing::Test {
 protected:
  /// The helper "fake", which does what the script says.
  CredentialHelper helper(const std::string& script) {
    programs_.add("fake", script);
    return *CredentialHelper::named("fake", options());
  }
  HelperOptions options() const {
    HelperOptions options;
    options.environment = programs_.environment();
    return options;
  }

  fakes::HelperPrograms programs_;
};

Credential login(std::string username, std::string password) {
  Credential credential;
  credential.username = std::move(username);
  credential.password = std::move(password);
  return credential;
}

Credential identity(std::string token) {
  Credential credential;
  credential.identity_token = std::move(token);
  return credential;
}

// --- get -----------------------------------------------------------------------------------------

TEST_F(Helper, IsAskedWithTheServerOnItsInput) {
  const auto found =
      helper(R"(echo '{"ServerURL": "x", "Username": "me", "Secret": "a b"}')").get(kHub);

  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(*found, login("me", "a b"));
  EXPECT_EQ(programs_.log(), "get https://index.docker.io/v1/\n");
}

TEST_F(Helper, GivesAnIdentityTokenUnderANameOfItsOwn) {
  const auto found = helper(R"(echo '{"Username": "<token>", "Secret": "refresh"}')").get("r.test");

  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(*found, identity("refresh"));
}

TEST_F(Helper, GetsOurEnvironment) {
  programs_.add("fake", R"(echo "{\"Username\": \"$WHO\", \"Secret\": \"s\"}")");
  auto with_who = options();
  with_who.environment["WHO"] = "me";

  const auto found = CredentialHelper::named("fake", with_who)->get("r.test");

  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(*found, login("me", "s"));
}

struct Absence {
  std::string name, script;
};
void PrintTo(const Absence& row, std::ostream* out) {
  *out << row.name;
}
class HelperWithout : public Helper, public ::testing::WithParamInterface<Absence> {};
TEST_P(HelperWithout, CredentialsLeavesUsAnonymous) {
  const auto found = helper(GetParam().script).get("r.test");

  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(*found, std::nullopt);
}
INSTANTIATE_TEST_SUITE_P(
    Table, HelperWithout,
    ::testing::Values(
        Absence{"AsTheProtocolSays", "echo 'credentials not found in native keychain'; exit 1"},
        Absence{"OnStandardError", "echo 'credentials not found in native keychain' >&2; exit 1"},
        Absence{"EmptyFields", R"(echo '{"ServerURL": "", "Username": "", "Secret": ""}')"},
        Absence{"NoFields", "echo '{}'"}),
    [](const auto& test) { return test.param.name; });

struct Failure {
  std::string name, script;
  Errc code;
  std::string why;
};
void PrintTo(const Failure& row, std::ostream* out) {
  *out << row.name;
}
class HelperThatFails : public Helper, public ::testing::WithParamInterface<Failure> {};
TEST_P(HelperThatFails, IsQuotedWithoutSecrets) {
  const auto found = helper(GetParam().script).get("r.test");

  EXPECT_THAT(found, FailsWith(GetParam().code, GetParam().why));
  EXPECT_THAT(found.error().message, Not(HasSubstr("hunter2")));
  EXPECT_THAT(found.error().message, Not(HasSubstr("\n")));
  EXPECT_LT(found.error().message.size(), 500u);
}
INSTANTIATE_TEST_SUITE_P(
    Table, HelperThatFails,
    ::testing::Values(
        Failure{"WithWords", "echo 'the keyring is locked'; exit 1", Errc::kUnavailable,
                "docker-credential-fake get r.test: exit code 1: the keyring is locked"},
        Failure{"WithWordsOnStandardError", "echo 'no session' >&2; exit 2", Errc::kUnavailable,
                "exit code 2: no session"},
        Failure{"WithoutWords", "exit 3", Errc::kUnavailable, "get r.test: exit code 3"},
        Failure{"BySignal", "kill -9 $$", Errc::kUnavailable, "signal 9 (Killed)"},
        Failure{"WithLinesThatSteerTheTerminal", R"(printf 'a\033[2Jb\nc'; exit 1)",
                Errc::kUnavailable, "exit code 1: a [2Jb c"},
        Failure{"WithItsAnswer", R"(echo '{"Username": "me", "Secret": "hunter2"}'; exit 1)",
                Errc::kUnavailable, "what it says is not shown here"},
        Failure{"WithAToken", "echo 'Authorization: Bearer hunter2'; exit 1", Errc::kUnavailable,
                "Authorization: Bearer ***"},
        Failure{"WithALongStory", "head -c 5000 /dev/zero | tr '\\0' 'x'; exit 1",
                Errc::kUnavailable, "xxx"},
        Failure{"Garbage", "echo 'me hunter2'", Errc::kCorrupt,
                "docker-credential-fake get r.test: its answer is not a JSON object"},
        Failure{"NoObject", R"(echo '["me", "hunter2"]')", Errc::kCorrupt, "is not a JSON object"},
        Failure{"Nothing", "exit 0", Errc::kCorrupt, "is not a JSON object"},
        Failure{"TokenWithALineBreak",
                R"(printf %s '{"Username": "<token>", "Secret": "hunter2\n"}')", Errc::kCorrupt,
                "has a token with a line break"},
        Failure{"UsernameWithAColon", R"(echo '{"Username": "me:", "Secret": "hunter2"}')",
                Errc::kCorrupt, "has a username with a colon"},
        Failure{"WithoutEnd", "cat /dev/zero", Errc::kInvalid,
                "the output of docker-credential-fake"}),
    [](const auto& test) { return test.param.name; });

TEST_F(Helper, ThatHangsMeetsItsDeadline) {
  programs_.add("fake", "exec sleep 60");
  auto impatient = options();
  impatient.deadline = milliseconds(60);

  EXPECT_THAT(CredentialHelper::named("fake", impatient)->get("r.test"),
              FailsWith(Errc::kTimeout, "docker-credential-fake took longer than 60ms"));
}

TEST_F(Helper, EndsWhenAStopIsAskedFor) {
  programs_.add("fake", "exec sleep 60");
  std::stop_source stop;
  stop.request_stop();
  auto stopped = options();
  stopped.stop = stop.get_token();

  EXPECT_THAT(CredentialHelper::named("fake", stopped)->get("r.test"),
              FailsWith(Errc::kCancelled, "docker-credential-fake was stopped"));
}

TEST_F(Helper, ThatIsNotOnPathIsNamed) {
  EXPECT_THAT(CredentialHelper::named("missing", options())->get("r.test"),
              FailsWith(Errc::kNotFound, "there is no program docker-credential-missing on PATH"));
}

// --- store, erase, list --------------------------------------------------------------------------

TEST_F(Helper, IsGivenWhatItShallKeep) {
  ASSERT_THAT(helper("").store("r.test", login("me", "a \"b\"")), IsOk());
  ASSERT_THAT(helper("").store("r.test", identity("refresh")), IsOk());

  EXPECT_EQ(programs_.log(),
            R"(store {"Secret":"a \"b\"","ServerURL":"r.test","Username":"me"})"
            "\n"
            R"(store {"Secret":"refresh","ServerURL":"r.test","Username":"<token>"})"
            "\n");
}

TEST_F(Helper, ThatDoesNotKeepItSaysWhyWithoutTheSecret) {
  EXPECT_THAT(helper("echo 'the keyring is full'; exit 1").store("r.test", login("me", "hunter2")),
              FailsWith(Errc::kUnavailable,
                        "docker-credential-fake store r.test: exit code 1: the keyring is full"));

  const auto echoing =
      helper("echo \"cannot keep $input\"; exit 1").store("r.test", login("me", "hunter2"));
  EXPECT_THAT(echoing, FailsWith(Errc::kUnavailable, "not shown here"));
  EXPECT_THAT(echoing.error().message, Not(HasSubstr("hunter2")));
}

TEST_F(Helper, CannotKeepATokenForTheRegistryItself) {
  Credential bearer;
  bearer.registry_token = "hunter2";
  EXPECT_THAT(helper("").store("r.test", bearer), FailsWith(Errc::kInvalid, "passwords and"));
  EXPECT_EQ(programs_.log(), "");
}

TEST_F(Helper, ErasesAlsoWhatIsNotThere) {
  EXPECT_THAT(helper("").erase("r.test"), IsOk());
  EXPECT_THAT(helper("echo 'credentials not found in native keychain'; exit 1").erase("r.test"),
              IsOk());
  EXPECT_THAT(helper("echo 'the keyring is locked'; exit 1").erase("r.test"),
              FailsWith(Errc::kUnavailable, "erase r.test: exit code 1: the keyring is locked"));
  EXPECT_EQ(programs_.log(), "erase r.test\nerase r.test\nerase r.test\n");
}

TEST_F(Helper, ListsWhatItHas) {
  const auto users =
      helper(R"(echo '{"r.test": "me", "https://index.docker.io/v1/": "you"}')").list();

  ASSERT_THAT(users, IsOk());
  EXPECT_THAT(*users, ElementsAre(Pair(kHub, "you"), Pair("r.test", "me")));
  EXPECT_THAT(*helper("echo '{}'").list(), IsEmpty());
  EXPECT_THAT(helper("echo nothing").list(), FailsWith(Errc::kCorrupt, "list: its answer is not"));
}

// --- Names ---------------------------------------------------------------------------------------

TEST(HelperNames, CannotLeadAnywhereElse) {
  for (const auto* name :
       {"", "../../bin/touch", "/bin/touch", "a/b", "a b", "a;b", "a$b", "ä", "a\nb", "\x1b[2J"})
    EXPECT_THAT(CredentialHelper::named(name),
                FailsWith(Errc::kInvalid, "is not the name of a credential helper"))
        << name;
  for (const auto* name : {"pass", "ecr-login", "gcloud", "a.b_c-1", ".."})
    EXPECT_THAT(CredentialHelper::named(name), IsOk()) << name;
}

}  // namespace
}  // namespace kiln::auth
