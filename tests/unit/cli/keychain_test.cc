#include "cli/keychain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/base/deadline.h"
#include "core/base/encoding.h"
#include "core/base/gather.h"
#include "tests/support/helper_programs.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using kiln::testing::run_task;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string entry(const std::string& key, const std::string& user) {
  return "\"" + key + R"(": {"auth": ")" + base64_encode(user + ":secret") + "\"}";
}

std::string auths(const std::string& key, const std::string& user) {
  return R"({"auths": {)" + entry(key, user) + "}}";
}

/// A helper that has something for every registry.
std::string knows(const std::string& user) {
  return R"(echo '{"Username": ")" + user + R"(", "Secret": "secret"}')";
}

class Keychains : public ::testing::Test {
 protected:
  Keychains() : environment_(helpers_.environment()) {
    for (const auto* name : {"DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME"})
      environment_.erase(name);
    environment_["HOME"] = path("home");
    environment_["XDG_RUNTIME_DIR"] = path("run");
  }
  std::string path(const std::string& name) const { return (directory_.path() / name).string(); }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(path(name)).parent_path());
    ASSERT_THAT(write_file_atomically(path(name), text), IsOk());
  }
  std::shared_ptr<UserKeychain> read() { return *UserKeychain::read(environment_); }

  /// Who one may be for a repository, best first, once the helpers were asked.
  std::vector<std::string> users(UserKeychain& keychain, const oci::Repository& repository) {
    const auto asked = run_task(keychain.ask_helpers(repository.registry, pool_));
    EXPECT_THAT(asked, IsOk());
    std::vector<std::string> names;
    for (const auto& credential : keychain.find(repository)) names.push_back(credential.username);
    return names;
  }
  std::vector<std::string> users(const oci::Repository& repository) {
    return users(*read(), repository);
  }
  Result<void> ask(const std::string& registry) {
    return run_task(read()->ask_helpers(registry, pool_));
  }

  TempDir directory_ = *TempDir::create("kiln-test");
  fakes::HelperPrograms helpers_;
  Environment environment_;
  WorkPool pool_{2};
  const oci::Repository shop_{"r.test", "team/shop"};
};

// --- Where ---------------------------------------------------------------------------------------

TEST_F(Keychains, AreReadFromTheFilesOfDockerPodmanAndCraneInThisOrder) {
  environment_["REGISTRY_AUTH_FILE"] = path("podman.json");
  write("podman.json", auths("r.test", "podman"));
  write("home/.docker/config.json", auths("r.test", "docker"));
  write("run/containers/auth.json", auths("r.test", "run"));
  write("home/.config/containers/auth.json", auths("r.test", "lasting"));

  EXPECT_THAT(users(shop_), ElementsAre("podman", "docker", "run", "lasting"));
}

struct Place {
  std::string name;
  Environment changes;
  std::vector<std::string> files;
};
void PrintTo(const Place& row, std::ostream* out) {
  *out << row.name;
}
class CredentialFiles : public ::testing::TestWithParam<Place> {};
TEST_P(CredentialFiles, StandWhereTheEnvironmentSays) {
  std::vector<std::string> files;
  for (const auto& file : credential_files(GetParam().changes)) files.push_back(file.string());
  EXPECT_EQ(files, GetParam().files);
}
INSTANTIATE_TEST_SUITE_P(
    Table, CredentialFiles,
    ::testing::Values(
        Place{"Home",
              {{"HOME", "/h"}, {"XDG_RUNTIME_DIR", "/run/user/1"}},
              {"/h/.docker/config.json", "/run/user/1/containers/auth.json",
               "/h/.config/containers/auth.json"}},
        Place{"EverythingElsewhere",
              {{"HOME", "/h"},
               {"REGISTRY_AUTH_FILE", "/a.json"},
               {"DOCKER_CONFIG", "/d"},
               {"XDG_RUNTIME_DIR", "/r"},
               {"XDG_CONFIG_HOME", "/c"}},
              {"/a.json", "/d/config.json", "/r/containers/auth.json", "/c/containers/auth.json"}},
        Place{"NothingSet", {}, {"/run/containers/" + std::to_string(::getuid()) + "/auth.json"}},
        Place{"EmptyIsNotSet",
              {{"HOME", "/h"}, {"DOCKER_CONFIG", ""}, {"XDG_RUNTIME_DIR", "/r"}},
              {"/h/.docker/config.json", "/r/containers/auth.json",
               "/h/.config/containers/auth.json"}}),
    [](const auto& test) { return test.param.name; });

TEST_F(Keychains, NeedNoFile) {
  EXPECT_THAT(users(shop_), IsEmpty());
  write("home/.docker/config.json", "\n");
  EXPECT_THAT(users(shop_), IsEmpty());
}

TEST_F(Keychains, NameTheFileThatIsWrong) {
  write("run/containers/auth.json", R"({"auths": []})");
  EXPECT_THAT(UserKeychain::read(environment_),
              FailsWith(Errc::kInvalid, path("run/containers/auth.json")));
}

TEST_F(Keychains, TellWhichFilesHaveSomethingForARegistry) {
  write("home/.docker/config.json", auths("r.test/team", "docker"));
  write("run/containers/auth.json", auths("https://r.test/v2/", "run"));

  EXPECT_THAT(read()->files_with("r.test"), ElementsAre(path("run/containers/auth.json")));
}

// --- Helpers -------------------------------------------------------------------------------------

struct Precedence {
  std::string name, config, registry;
  std::vector<std::string> users;
  std::string asked;
};
void PrintTo(const Precedence& row, std::ostream* out) {
  *out << row.name;
}
class KeychainPrefers : public Keychains, public ::testing::WithParamInterface<Precedence> {};
TEST_P(KeychainPrefers, WhatDockerPrefers) {
  helpers_.add("host", knows("host"));
  helpers_.add("store", knows("store"));
  helpers_.add("empty", "echo 'credentials not found in native keychain'; exit 1");
  write("home/.docker/config.json", GetParam().config);

  EXPECT_EQ(users({GetParam().registry, "team/shop"}), GetParam().users);
  EXPECT_EQ(helpers_.log(), GetParam().asked);
}
INSTANTIATE_TEST_SUITE_P(
    Table, KeychainPrefers,
    ::testing::Values(
        Precedence{"HostBeforeStore",
                   R"({"credHelpers": {"r.test": "host"}, "credsStore": "store"})",
                   "r.test",
                   {"host"},
                   "get r.test\n"},
        Precedence{"StoreForOtherHosts",
                   R"({"credHelpers": {"r.test": "host"}, "credsStore": "store"})",
                   "r.test:5000",
                   {"store"},
                   "get r.test:5000\n"},
        Precedence{"HelperBeforeAuths",
                   R"({"credsStore": "store", "auths": {)" + entry("r.test", "plain") + "}}",
                   "r.test",
                   {"store", "plain"},
                   "get r.test\n"},
        Precedence{"AuthsWhereTheHelperHasNothing",
                   R"({"credsStore": "empty", "auths": {)" + entry("r.test", "plain") + "}}",
                   "r.test",
                   {"plain"},
                   "get r.test\n"},
        Precedence{"DockersMarkIsNoCredential",
                   R"({"credsStore": "empty", "auths": {"r.test": {}}})",
                   "r.test",
                   {},
                   "get r.test\n"},
        Precedence{"HubHasItsOldKey",
                   R"({"credsStore": "store"})",
                   "index.docker.io",
                   {"store"},
                   "get https://index.docker.io/v1/\n"},
        Precedence{"NoHelperForOtherHosts",
                   R"({"credHelpers": {"other.test": "host"}})",
                   "r.test",
                   {},
                   ""}),
    [](const auto& test) { return test.param.name; });

TEST_F(Keychains, AskTheHelpersOfLaterFilesOnlyWhereEarlierOnesHaveNothing) {
  helpers_.add("later", knows("later"));
  write("home/.docker/config.json", R"({"auths": {)" + entry("r.test", "docker") + ", " +
                                        entry("path.test/team", "team") + "}}");
  write("run/containers/auth.json",
        R"({"credHelpers": {"r.test": "later", "path.test": "later"}})");

  EXPECT_THAT(users(shop_), ElementsAre("docker"));
  EXPECT_THAT(users({"path.test", "team/shop"}), ElementsAre("team", "later"));
  EXPECT_EQ(helpers_.log(), "get path.test\n");
}

TEST_F(Keychains, TakeAnIdentityTokenForWhatItIs) {
  helpers_.add("store", R"(echo '{"Username": "<token>", "Secret": "refresh"}')");
  write("home/.docker/config.json", R"({"credsStore": "store"})");
  const auto keychain = read();
  ASSERT_THAT(run_task(keychain->ask_helpers("r.test", pool_)), IsOk());

  const auto found = keychain->find(shop_);

  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].identity_token, "refresh");
}

TEST_F(Keychains, AskOnceAboutARegistryWhoeverWantsToKnow) {
  helpers_.add("store", knows("me"));
  write("home/.docker/config.json", R"({"credsStore": "store"})");
  const auto keychain = read();

  EXPECT_THAT(users(*keychain, shop_), ElementsAre("me"));
  EXPECT_THAT(users(*keychain, shop_), ElementsAre("me"));
  EXPECT_THAT(users(*keychain, {"other.test", "x"}), ElementsAre("me"));

  EXPECT_EQ(helpers_.log(), "get r.test\nget other.test\n");
}

Task<Result<bool>> ask_about(std::shared_ptr<UserKeychain> keychain, WorkPool* pool) {
  KILN_CO_TRY(co_await keychain->ask_helpers("r.test", *pool));
  co_return true;
}

TEST_F(Keychains, AskOnceAlsoWhenSeveralWantToKnowAtTheSameTime) {
  helpers_.add("store", knows("me"));
  write("home/.docker/config.json", R"({"credsStore": "store"})");

  const auto keychain = read();
  std::vector<Task<Result<bool>>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(ask_about(keychain, &pool_));

  EXPECT_THAT(run_task(gather(std::move(tasks), 3)), IsOk());

  EXPECT_EQ(helpers_.log(), "get r.test\n");
}

TEST_F(Keychains, NameTheFileWhoseHelperFails) {
  helpers_.add("locked", "echo 'the keyring is locked'; exit 1");
  const auto file = path("home/.docker/config.json");

  write("home/.docker/config.json", R"({"credsStore": "locked"})");
  EXPECT_THAT(ask("r.test"),
              FailsWith(Errc::kUnavailable,
                        file + ": docker-credential-locked get r.test: exit code 1: the keyring "
                               "is locked"));
  write("home/.docker/config.json", R"({"credsStore": "missing"})");
  EXPECT_THAT(ask("r.test"), FailsWith(Errc::kNotFound, file));
  write("home/.docker/config.json", R"({"credsStore": "../../bin/touch"})");
  EXPECT_THAT(ask("r.test"), FailsWith(Errc::kInvalid, file + ": \"../../bin/touch\" is not"));
}

TEST_F(Keychains, StopTheHelperWhenNobodyWaitsAnyMore) {
  helpers_.add("store", "exec sleep 60");
  write("home/.docker/config.json", R"({"credsStore": "store"})");
  const auto keychain = read();

  const auto asked = run_task(with_deadline(keychain->ask_helpers("r.test", pool_),
                                            std::chrono::milliseconds(50), "the test"));

  EXPECT_THAT(asked, FailsWith(Errc::kTimeout, "the test took longer"));
}

}  // namespace
}  // namespace kiln::cli
