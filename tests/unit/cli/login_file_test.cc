#include "cli/login_file.h"

#include <gtest/gtest.h>

#include "core/base/file.h"
#include "tests/support/matchers.h"

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;
using testing::FailsWith;
using testing::IsOk;

auth::Credential me() {
  auth::Credential credential;
  credential.username = "me";
  credential.password = "secret";  // bWU6c2VjcmV0
  return credential;
}

/// Two spaces at the beginning of a line stand for a tab, which docker writes.
std::string tabbed(std::string_view text) {
  std::string out;
  bool beginning = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool indent = beginning && text.substr(i, 2) == "  ";
    out += indent ? '\t' : text[i];
    if (indent) ++i;
    beginning = indent || text[i] == '\n';
  }
  return out;
}

struct Edit {
  std::string name, before, after, registry = "r.test";
};
void PrintTo(const Edit& row, std::ostream* out) {
  *out << row.name;
}

// --- Logging in ----------------------------------------------------------------------------------

class WithLogin : public ::testing::TestWithParam<Edit> {};
TEST_P(WithLogin, HasTheOneCredentialAndAllElseAsItWas) {
  const auto text = with_login(GetParam().before, GetParam().registry, me());
  ASSERT_THAT(text, IsOk());
  EXPECT_EQ(*text, tabbed(GetParam().after));
  EXPECT_EQ(*with_login(*text, GetParam().registry, me()), *text);
}
INSTANTIATE_TEST_SUITE_P(
    Table, WithLogin,
    ::testing::Values(
        Edit{"IntoNothing", "{}", R"({
  "auths": {
    "r.test": {
      "auth": "bWU6c2VjcmV0"
    }
  }
})"},
        Edit{"BesideOthersAndUnknownKeysInTheirOrder",
             R"({"psFormat": "{{.ID}}", "auths": {"z.test": {"auth": "eDp5", "email": "a@b"},
                 "a.test": {}}, "aFuture": {"deep": [1, 2.5, null, true]}})",
             R"({
  "psFormat": "{{.ID}}",
  "auths": {
    "z.test": {
      "auth": "eDp5",
      "email": "a@b"
    },
    "a.test": {},
    "r.test": {
      "auth": "bWU6c2VjcmV0"
    }
  },
  "aFuture": {
    "deep": [
      1,
      2.5,
      null,
      true
    ]
  }
})"},
        Edit{"InPlaceOfOldOnesWhateverTheirKey",
             R"({"auths": {"https://r.test/v2/": {"auth": "eDp5"}, "r.test": {"identitytoken": "t"},
                 "r.test/team": {"auth": "eDp5"}, "*.test": {"auth": "eDp5"}}})",
             R"({
  "auths": {
    "r.test/team": {
      "auth": "eDp5"
    },
    "*.test": {
      "auth": "eDp5"
    },
    "r.test": {
      "auth": "bWU6c2VjcmV0"
    }
  }
})"},
        Edit{"DockerHubUnderItsOldKey", R"({"auths": {"docker.io": {"auth": "eDp5"}}})", R"({
  "auths": {
    "https://index.docker.io/v1/": {
      "auth": "bWU6c2VjcmV0"
    }
  }
})",
             "index.docker.io"},
        Edit{"AuthsThatAreNull", R"({"auths": null})", R"({
  "auths": {
    "r.test": {
      "auth": "bWU6c2VjcmV0"
    }
  }
})"}),
    [](const auto& test) { return test.param.name; });

TEST(WithLogin, LeavesDockersMarkWhereAHelperKeepsIt) {
  EXPECT_EQ(*with_login(R"({"auths": {"r.test": {"auth": "eDp5"}}})", "r.test", {}),
            "{\n\t\"auths\": {\n\t\t\"r.test\": {}\n\t}\n}");
}

TEST(WithLogin, ChangesNothingThatItDoesNotUnderstand) {
  EXPECT_THAT(with_login("[]", "r.test", me()), FailsWith(Errc::kInvalid, "must be a JSON object"));
  EXPECT_THAT(with_login("{", "r.test", me()), FailsWith(Errc::kInvalid, "not valid JSON"));
  EXPECT_THAT(with_login(R"({"auths": []})", "r.test", me()),
              FailsWith(Errc::kInvalid, "\"auths\" must be an object"));
}

// --- Logging out ---------------------------------------------------------------------------------

class WithoutLogin : public ::testing::TestWithParam<Edit> {};
TEST_P(WithoutLogin, HasAllElseAsItWas) {
  const auto text = without_login(GetParam().before, GetParam().registry);
  ASSERT_THAT(text, IsOk());
  EXPECT_EQ(*text, tabbed(GetParam().after));
}
INSTANTIATE_TEST_SUITE_P(
    Table, WithoutLogin,
    ::testing::Values(
        Edit{"TheOnlyOne", R"({"auths": {"r.test": {"auth": "eDp5"}}, "credsStore": "pass"})", R"({
  "auths": {},
  "credsStore": "pass"
})"},
        Edit{"UnderEveryKey",
             R"({"auths": {"r.test": {}, "http://r.test": {"auth": "eDp5"}, "r.test:5000": {}}})",
             R"({
  "auths": {
    "r.test:5000": {}
  }
})"},
        Edit{"DockerHub",
             R"({"auths": {"https://index.docker.io/v1/": {"auth": "eDp5"}, "docker.io": {}}})",
             "{\n\t\"auths\": {}\n}", "index.docker.io"},
        Edit{"NotThereSoNoCharacterChanges", R"({"auths":   {"other.test": {}}})",
             R"({"auths":   {"other.test": {}}})"}),
    [](const auto& test) { return test.param.name; });

// --- The file ------------------------------------------------------------------------------------

class LoginFiles : public ::testing::Test {
 protected:
  Environment environment() const { return {{"HOME", (directory_.path() / "home").string()}}; }
  fs::path config() const { return directory_.path() / "home" / ".docker" / "config.json"; }
  static int mode_of(const fs::path& path) {
    return static_cast<int>(fs::status(path).permissions());
  }

  TempDir directory_ = *TempDir::create("kiln-test");
};

TEST_F(LoginFiles, AreMadeForTheirOwnerAlone) {
  const auto file = LoginFile::read(environment());
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->path(), config());

  ASSERT_THAT(file->add("r.test", me()), IsOk());

  EXPECT_EQ(mode_of(config()), 0600);
  EXPECT_EQ(mode_of(config().parent_path()), 0700);
  EXPECT_EQ(LoginFile::read(environment())->helper_for("r.test"), "");
  EXPECT_TRUE(*LoginFile::read(environment())->remove("r.test"));
  EXPECT_FALSE(*LoginFile::read(environment())->remove("r.test"));
  EXPECT_EQ(*read_file(config(), 1000), "{\n\t\"auths\": {}\n}");
}

TEST_F(LoginFiles, BecomePrivateThatWereNot) {
  fs::create_directories(config().parent_path());
  ASSERT_THAT(write_file_atomically(config(), "{}", 0644), IsOk());

  ASSERT_THAT(LoginFile::read(environment())->add("r.test", me()), IsOk());

  EXPECT_EQ(mode_of(config()), 0600);
}

TEST_F(LoginFiles, ThatAreLinksStayLinks) {
  const auto elsewhere = directory_.path() / "dotfiles" / "docker.json";
  fs::create_directories(config().parent_path());
  fs::create_symlink("../../dotfiles/docker.json", config());

  ASSERT_THAT(LoginFile::read(environment())->add("r.test", me()), IsOk());

  EXPECT_TRUE(fs::is_symlink(config()));
  EXPECT_EQ(mode_of(elsewhere), 0600);
}

TEST_F(LoginFiles, StandWhereTheEnvironmentSays) {
  auto environment = this->environment();
  environment["DOCKER_CONFIG"] = "/d";
  EXPECT_EQ(LoginFile::read(environment)->path(), "/d/config.json");
  environment["REGISTRY_AUTH_FILE"] = "/a.json";
  EXPECT_EQ(LoginFile::read(environment)->path(), "/a.json");
  EXPECT_THAT(LoginFile::read({}), FailsWith(Errc::kInvalid, "set HOME or DOCKER_CONFIG"));
}

TEST_F(LoginFiles, ThatAreNoDockerConfigAreLeftAlone) {
  fs::create_directories(config().parent_path());
  ASSERT_THAT(write_file_atomically(config(), "not json"), IsOk());

  EXPECT_THAT(LoginFile::read(environment()), FailsWith(Errc::kInvalid, config().string()));
}

}  // namespace
}  // namespace kiln::cli
