// That the traps of the other tests catch, and that what lies in git's own places is not run.
#include "tests/integration/git/hostile_fixture.h"

namespace kiln::source {
namespace {

using ::testing::HasSubstr;

class TrapTest : public ::testing::Test {
 protected:
  /// git as a careless program would run it.
  static std::string careless_git(const std::vector<std::string>& arguments) {
    Command command("git", arguments);
    command.environment = own_environment();
    const auto done = run_process(command);
    return done ? done->errors : done.error().message;
  }
};

TEST_F(TrapTest, ASettingThatNamesAProgramLeavesAMark) {
  const DecoyPrograms decoys;
  ASSERT_EQ(decoys.marks(), "");

  careless_git({"ls-remote", "http://127.0.0.1:1/x"});

  EXPECT_THAT(decoys.marks(), HasSubstr("evil"));
}

TEST_F(TrapTest, AHookOfTheTemplateLeavesAMark) {
  const DecoyPrograms decoys;
  const TempDir folder = std::move(*TempDir::create("kiln-git-trap-"));

  careless_git({"init", "-q", "--bare", folder.path().string()});
  careless_git({"--git-dir", folder.path().string(), "update-ref", "-d", "refs/heads/none"});

  EXPECT_THAT(decoys.marks(), HasSubstr("reference-transaction"));
}

TEST_F(TrapTest, AForbiddenFileKnowsWhenItIsOpened) {
  const ForbiddenFile outside;
  ASSERT_FALSE(outside.was_opened());

  ASSERT_TRUE(read_file(outside.path(), 1 << 10).has_value());

  EXPECT_TRUE(outside.was_opened());
}

class HostileProgramTest : public HostileRepositoryTest {
 protected:
  std::filesystem::path repository_in_cache() const {
    for (const auto& file : std::filesystem::recursive_directory_iterator(cache.path() / "git"))
      if (file.path().filename() == "repository") return file.path();
    return {};
  }
};

TEST_F(HostileProgramTest, ARepositoryInTheCacheHasNoHooksAndNoSettingsOfOthers) {
  made->commit({{"a", "one"}});
  ASSERT_THAT(fetch_all(), IsOk());

  const auto settings = read_file(repository_in_cache() / "config", 1 << 16);

  EXPECT_FALSE(std::filesystem::exists(repository_in_cache() / "hooks"));
  ASSERT_THAT(settings, IsOk());
  EXPECT_EQ(settings->find("evil"), std::string::npos) << *settings;
}

TEST_F(HostileProgramTest, HooksInTheCacheAreNotRun) {
  made->commit({{"a", "one"}});
  ASSERT_THAT(fetch_all(), IsOk());
  const auto hooks = repository_in_cache() / "hooks";
  std::filesystem::create_directory(hooks);
  for (const auto* hook : {"reference-transaction", "pre-auto-gc", "post-checkout", "update"})
    std::filesystem::copy(decoys->program(), hooks / hook);
  made->commit({{"a", "two"}});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a"), "two");
}

TEST_F(HostileProgramTest, SettingsInTheCacheThatNameProgramsRunNone) {
  made->commit({{"a", "one"}});
  ASSERT_THAT(fetch_all(), IsOk());
  const auto evil = decoys->program();
  const auto path = repository_in_cache() / "config";
  const auto before = read_file(path, 1 << 16);
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(
      write_file_atomically(
          path, *before + "[core]\n\tfsmonitor = " + evil + "\n\tsshCommand = " + evil +
                    "\n\taskPass = " + evil + "\n\talternateRefsCommand = " + evil +
                    "\n\thooksPath = " + decoys->program() + "\n[credential]\n\thelper = " + evil +
                    "\n[gpg]\n\tprogram = " + evil + "\n[protocol \"ext\"]\n\tallow = always\n"),
      IsOk());
  made->commit({{"a", "two"}});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a"), "two");
}

TEST_F(HostileProgramTest, AServerThatWantsAPasswordIsToldNoneOfSomebodyElses) {
  made->commit({{"a", "one"}});

  EXPECT_THAT(fetch(GitRequest(server->url("/private/site.git"))),
              FailsWith(Errc::kUnauthorized, "wants some and there are none"));
}

TEST_F(HostileProgramTest, HooksInContentAreFilesLikeAllOthers) {
  const std::string script = "#!/bin/sh\n" + decoys->program() + "\n";
  made->commit({{"hooks/post-checkout", {script, "100755"}},
                {".githooks/pre-commit", {script, "100755"}},
                {".husky/post-merge", {script, "100755"}},
                {"Makefile", "all:\n\t" + decoys->program() + "\n"}});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "hooks/post-checkout"), script);
}

}  // namespace
}  // namespace kiln::source
