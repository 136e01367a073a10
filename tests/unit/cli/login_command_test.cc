// kiln login and kiln logout as a whole, with a registry in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "cli/command.h"
#include "core/base/encoding.h"
#include "tests/support/fake_registry.h"
#include "tests/support/helper_programs.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::cli {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// As long as it lives, standard input has this text.
class StandardInput {
 public:
  explicit StandardInput(const std::string& text) : before_(::dup(STDIN_FILENO)) {
    auto file = *nameless_file({});
    EXPECT_THAT(FdSink(file.get()).write(text), IsOk());
    EXPECT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
    EXPECT_EQ(::dup2(file.get(), STDIN_FILENO), STDIN_FILENO);
  }
  ~StandardInput() { ::dup2(before_.get(), STDIN_FILENO); }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  UniqueFd before_;
};

/// Sets variables of this process, and puts back what was.
class ChangedEnvironment {
 public:
  explicit ChangedEnvironment(const std::map<std::string, std::string>& changes) {
    const auto before = own_environment();
    for (const auto& [name, value] : changes) {
      if (before.contains(name))
        before_[name] = before.at(name);
      else
        before_[name] = std::nullopt;
      if (value.empty())
        ::unsetenv(name.c_str());
      else
        ::setenv(name.c_str(), value.c_str(), 1);
    }
  }
  ~ChangedEnvironment() {
    for (const auto& [name, value] : before_)
      if (value)
        ::setenv(name.c_str(), value->c_str(), 1);
      else
        ::unsetenv(name.c_str());
  }
  ChangedEnvironment(const ChangedEnvironment&) = delete;
  ChangedEnvironment& operator=(const ChangedEnvironment&) = delete;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

class LoginCommand : public ::testing::Test {
 protected:
  LoginCommand() {
    auth::Credential me;
    me.username = "me";
    me.password = "hunter2";
    registry_.require("r.test", me);
  }

  /// The exit code, with what is told on standard error in `told_`.
  Result<int> run(std::vector<std::string> words, const std::string& input = "") {
    CLI::App app("test", "kiln");
    Chosen chosen;
    add_login(app, chosen);
    std::reverse(words.begin(), words.end());
    app.parse(words);
    const StandardInput standard_input(input);
    ::testing::internal::CaptureStderr();
    auto result =
        kiln::testing::run_task(chosen.action(Engine(registry_, pool_, builder_, clock_, {}, {})));
    told_ = ::testing::internal::GetCapturedStderr();
    return result;
  }
  Result<int> log_in(const std::string& password) {
    return run({"login", "r.test", "-u", "me", "--password-stdin"}, password);
  }
  std::string config() const {
    const auto text = read_file(directory_.path() / "config.json", 10'000);
    return text ? *text : "";
  }
  void write_config(const std::string& text) {
    ASSERT_THAT(write_file_atomically(directory_.path() / "config.json", text), IsOk());
  }

  TempDir directory_ = *TempDir::create("kiln-test");
  fakes::HelperPrograms helpers_;
  ChangedEnvironment environment_{{{"DOCKER_CONFIG", directory_.path().string()},
                                   {"HOME", directory_.path().string()},
                                   {"XDG_RUNTIME_DIR", (directory_.path() / "run").string()},
                                   {"REGISTRY_AUTH_FILE", ""},
                                   {"XDG_CONFIG_HOME", ""},
                                   {"PATH", helpers_.environment()["PATH"]}}};
  fakes::FakeRegistry registry_;
  WorkPool pool_{1};
  build::Builder builder_{registry_, pool_, build::Builder::Options{}};
  SystemClock clock_;
  std::string told_;
};

TEST_F(LoginCommand, KeepsWhatTheRegistryAcceptsAndWarnsThatItIsReadable) {
  ASSERT_THAT(log_in("hunter2\n"), IsOk());

  EXPECT_THAT(registry_.call_lines(), ElementsAre("check_login r.test"));
  EXPECT_THAT(config(), HasSubstr("\"auth\": \"" + base64_encode("me:hunter2") + "\""));
  EXPECT_THAT(told_, HasSubstr("stored unencrypted in " + directory_.path().string()));
  EXPECT_THAT(told_, Not(HasSubstr("hunter2")));
}

TEST_F(LoginCommand, KeepsNothingThatTheRegistryRefuses) {
  EXPECT_THAT(log_in("wrong"),
              FailsWith(Errc::kUnauthorized, "r.test refused the credentials; nothing was stored"));
  EXPECT_EQ(config(), "");
}

TEST_F(LoginCommand, SaysWhenNobodyChecked) {
  ASSERT_THAT(run({"login", "open.test", "-u", "me", "--password-stdin"}, "x"), IsOk());
  EXPECT_THAT(told_, HasSubstr("open.test asked for no credentials, so nobody checked these"));
  EXPECT_THAT(config(), HasSubstr("open.test"));
}

TEST_F(LoginCommand, LeavesTheSecretToTheHelperAndTakesAnOldOneOutOfTheFile) {
  helpers_.add("fake", "");
  write_config(R"({"credsStore": "fake", "auths": {"r.test": {"auth": "eDp5"}}})");

  ASSERT_THAT(log_in("hunter2"), IsOk());

  EXPECT_EQ(helpers_.log(), R"(store {"Secret":"hunter2","ServerURL":"r.test","Username":"me"})"
                            "\n");
  EXPECT_EQ(config(), "{\n\t\"credsStore\": \"fake\",\n\t\"auths\": {\n\t\t\"r.test\": {}\n\t}\n}");
  EXPECT_THAT(told_, Not(HasSubstr("unencrypted")));
}

TEST_F(LoginCommand, FailsWithTheHelperAndLeavesTheFileAsItWas) {
  helpers_.add("fake", "echo \"no room for $input\"; exit 1");
  write_config(R"({"credHelpers": {"r.test": "fake"}})");

  const auto result = log_in("hunter2");

  EXPECT_THAT(result, FailsWith(Errc::kUnavailable, "docker-credential-fake store r.test"));
  EXPECT_THAT(result.error().message, Not(HasSubstr("hunter2")));
  EXPECT_EQ(config(), R"({"credHelpers": {"r.test": "fake"}})");
}

TEST_F(LoginCommand, AsksNobodyWhereThereIsNoTerminal) {
  const auto result = run({"login", "r.test", "-u", "me"}, "hunter2\n");

  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(*result, kWrongUsage);
  EXPECT_THAT(told_, HasSubstr("--password-stdin"));
  EXPECT_THAT(registry_.calls(), IsEmpty());
}

TEST_F(LoginCommand, LooksAtTheFileBeforeItAsksAnybody) {
  write_config("not json");
  EXPECT_THAT(log_in("hunter2"), FailsWith(Errc::kInvalid, "config.json"));
  EXPECT_THAT(registry_.calls(), IsEmpty());
}

TEST_F(LoginCommand, LogsOutOfFileAndHelper) {
  helpers_.add("fake", "");
  write_config(R"({"credsStore": "fake", "auths": {"r.test": {"auth": "eDp5"}}})");

  ASSERT_THAT(run({"logout", "r.test"}), IsOk());

  EXPECT_EQ(helpers_.log(), "erase r.test\n");
  EXPECT_THAT(config(), Not(HasSubstr("r.test")));
}

TEST_F(LoginCommand, LogsOutOfTheFileThoughTheHelperFails) {
  helpers_.add("fake", "echo 'the keyring is locked'; exit 1");
  write_config(R"({"credsStore": "fake", "auths": {"r.test": {"auth": "eDp5"}}})");

  EXPECT_THAT(run({"logout", "r.test"}), FailsWith(Errc::kUnavailable, "the keyring is locked"));
  EXPECT_THAT(config(), Not(HasSubstr("r.test")));
}

TEST_F(LoginCommand, LoggingOutTwiceIsNoFailureAndTouchesNothing) {
  EXPECT_THAT(run({"logout", "r.test"}), IsOk());
  EXPECT_EQ(config(), "");
}

TEST_F(LoginCommand, SaysAfterALogoutWhereElseCredentialsAre) {
  const auto other = directory_.path() / "run" / "containers" / "auth.json";
  std::filesystem::create_directories(other.parent_path());
  ASSERT_THAT(write_file_atomically(other, R"({"auths": {"r.test": {"auth": "eDp5"}}})"), IsOk());

  ASSERT_THAT(run({"logout", "r.test"}), IsOk());

  EXPECT_THAT(told_, HasSubstr(other.string() + " still has credentials that fit r.test"));
}

// --- Wrong usage ---------------------------------------------------------------------------------

struct Wrong {
  std::string name;
  std::vector<std::string> words;
  std::string why;
};
void PrintTo(const Wrong& row, std::ostream* out) {
  *out << row.name;
}
class LoginRefuses : public LoginCommand, public ::testing::WithParamInterface<Wrong> {};
TEST_P(LoginRefuses, WithoutRepeatingASecret) {
  try {
    (void)run(GetParam().words);
    ADD_FAILURE() << "it was taken";
  } catch (const CLI::ParseError& error) {
    EXPECT_NE(error.get_exit_code(), 0);
    EXPECT_THAT(error.what(), HasSubstr(GetParam().why));
    EXPECT_THAT(error.what(), Not(HasSubstr("hunter2")));
  }
}
INSTANTIATE_TEST_SUITE_P(
    Table, LoginRefuses,
    ::testing::Values(
        Wrong{"Password", {"login", "r.test", "-u", "me", "-p", "hunter2"}, "--password-stdin"},
        Wrong{"PasswordAtOnce", {"login", "r.test", "-u", "me", "-phunter2"}, "--password-stdin"},
        Wrong{"LongPassword", {"login", "r.test", "--password=hunter2"}, "--password-stdin"},
        Wrong{"NoRegistry", {"login"}, "REGISTRY is required"},
        Wrong{"NoHost", {"login", "team"}, "\"team\" is no registry"},
        Wrong{"Path", {"logout", "r.test/team"}, "\"r.test/team\" is no registry"},
        Wrong{"InputWithoutUser", {"login", "r.test", "--password-stdin"}, "--username"},
        Wrong{"EmptyUser", {"login", "r.test", "-u", ""}, "must have a name"},
        Wrong{"UserWithColon", {"login", "r.test", "-u", "me:x"}, "has no colon"}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::cli
