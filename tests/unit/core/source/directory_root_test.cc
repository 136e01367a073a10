// What a DirectorySource may be pointed at, what it may not read, and what its identities are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cstddef>
#include <set>

#include "core/base/sha256.h"
#include "tests/unit/core/source/directory_fixture.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using ::testing::ElementsAre;
using namespace testing_support;

class DirectoryRoot : public DirectoryFixture {
 protected:
  Result<Content> fetch_named(const std::filesystem::path& root, const std::string& name) {
    DirectoryOptions options;
    options.file_name = name;
    return fetch(root, options);
  }
};

TEST_F(DirectoryRoot, ThatIsAFileIsATreeOfThatFile) {
  folder_.write("app.jar", "bytes", 0755);
  folder_.write("other", "x");
  const auto content = fetch(folder_.at("app.jar"));
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre("app.jar"));
  EXPECT_EQ(content->tree.find("app.jar")->mode, 0755U);
  EXPECT_EQ(*bytes_of(*content, "app.jar"), "bytes");
}

TEST_F(DirectoryRoot, ThatIsAFileMayHaveAnotherName) {
  folder_.write("a", "bytes");
  folder_.make_hardlink("b", "a");
  const auto content = fetch_named(folder_.at("a"), "renamed");
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre("renamed"));
  EXPECT_EQ(*bytes_of(*content, "renamed"), "bytes");
}

TEST_F(DirectoryRoot, ThatIsAFileKeepsWhatIsAsked) {
  folder_.write("a", "", 04711);
  const bool has_xattrs = folder_.set_xattr("a", "user.x", "1");
  const auto content = fetch(folder_.at("a"), keeping_all());
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.find("a")->mode, 04711U);
  EXPECT_EQ(content->tree.find("a")->xattrs.size(), has_xattrs ? 1U : 0U);
}

TEST_F(DirectoryRoot, ThatIsALinkToAFileIsCalledAsTheUserDoes) {
  folder_.write("v2/app.jar", "bytes");
  folder_.make_symlink("current", "v2");
  folder_.make_symlink("app", "current/app.jar");
  const auto content = fetch(folder_.at("app"));
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre("app"));
  EXPECT_EQ(*bytes_of(*content, "app"), "bytes");
}

TEST_F(DirectoryRoot, ThatIsALinkToAFolderIsFollowed) {
  folder_.write("v2/f", "bytes");
  folder_.make_symlink("current", "v2");
  folder_.make_symlink("v2/up", "..");
  for (const auto* root : {"current", "current/", "v2/up/current/../v2"}) {
    const auto content = fetch(folder_.at(root));
    ASSERT_THAT(content, IsOk()) << root;
    EXPECT_THAT(paths_of(*content), ElementsAre("f", "up"));
    EXPECT_EQ(*bytes_of(*content, "f"), "bytes");
  }
}

TEST_F(DirectoryRoot, IsTheFolderThatWasOpenedWhateverItsNameMeansLater) {
  folder_.write("a/f", "first");
  folder_.write("b/f", "other");
  folder_.make_symlink("root", "a");
  const auto content = fetch(folder_.at("root"));
  folder_.remove("root");
  folder_.make_symlink("root", "b");
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "f"), "first");
}

struct BadRoot {
  std::string name, path, why;
  Errc code;
};

class DirectoryRootRefuses : public DirectoryRoot, public ::testing::WithParamInterface<BadRoot> {};

TEST_P(DirectoryRootRefuses, WhatIsNoContent) {
  folder_.make_fifo("pipe");
  folder_.write("file");
  folder_.make_symlink("dangling", "nothing");
  folder_.make_symlink("loop", "loop");
  EXPECT_THAT(fetch(folder_.at(GetParam().path)), FailsWith(GetParam().code, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Table, DirectoryRootRefuses,
    ::testing::ValuesIn(std::vector<BadRoot>{
        {"Missing", "none", "No such file or directory", Errc::kNotFound},
        {"MissingBelowAFile", "file/x", "Not a directory", Errc::kNotFound},
        {"AFileWithASlash", "file/", "Not a directory", Errc::kNotFound},
        {"Dangling", "dangling", "No such file or directory", Errc::kNotFound},
        {"Loop", "loop", "Too many levels of symbolic links", Errc::kInvalid},
        {"TooLongAName", std::string(256, 'x'), "File name too long", Errc::kInvalid},
        {"Fifo", "pipe", "pipe is a FIFO; give a folder or a regular file", Errc::kInvalid},
        {"Device", "../../../../../../../../dev/null", "is a device; give a folder",
         Errc::kInvalid},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(DirectoryRoot, RefusesNamesForAFileThatNoLayerCanHold) {
  folder_.write("a");
  for (const auto* name : {"../a", "/a", "a/../../b", ".", "a//b"})
    EXPECT_THAT(fetch_named(folder_.at("a"), name), FailsWith(Errc::kInvalid, "path \""));
  EXPECT_THAT(fetch_named(folder_.at("a"), ".wh.a"), FailsWith(Errc::kInvalid, "\"delete\""));
}

TEST_F(DirectoryRoot, ThatIsAFileWhichChangedIsAConflict) {
  folder_.write("a", "before");
  const auto content = fetch(folder_.at("a"));
  folder_.write("a", "after it was listed");
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(bytes_of(*content, "a"), FailsWith(Errc::kConflict, folder_.at("a").string()));
}

// --- What may not be read
// -------------------------------------------------------------------------

class DirectoryRights : public DirectoryFixture {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "what is made here is this user's own";
  }
};

TEST_F(DirectoryRights, AFileThatMayNotBeReadIsAnErrorOfWhoeverReadsIt) {
  folder_.write("secret", "x", 0600);
  const auto content = fetch_as_nobody();
  ASSERT_THAT(content, IsOk());
  const auto read = as_nobody([&] { return bytes_of(*content, "secret"); });
  EXPECT_THAT(read, FailsWith(Errc::kDenied, folder_.at("secret").string()));
}

TEST_F(DirectoryRights, AFileThatMayNotBeReadHasNoIdentity) {
  folder_.write("secret", "x", 0600);
  DirectoryOptions options;
  options.identities = true;
  EXPECT_THAT(fetch_as_nobody(options), FailsWith(Errc::kDenied, folder_.at("secret").string()));
}

TEST_F(DirectoryRights, AFolderThatMayNotBeListedIsAnError) {
  folder_.make_directory("closed", 0711);
  EXPECT_THAT(fetch_as_nobody(), FailsWith(Errc::kDenied, folder_.at("closed").string()));
}

TEST_F(DirectoryRights, AFolderThatMayNotBeEnteredIsAnError) {
  folder_.write("listed/f");
  ASSERT_EQ(::chmod(folder_.at("listed").c_str(), 0744), 0);
  EXPECT_THAT(fetch_as_nobody(), FailsWith(Errc::kDenied, folder_.at("listed").string()));
}

// --- Identities
// -----------------------------------------------------------------------------------

class DirectoryIdentity : public DirectoryFixture {
 protected:
  std::string identity(const DirectoryOptions& asked = keeping_all()) {
    auto options = asked;
    options.identities = true;
    const auto content = fetch(options);
    EXPECT_THAT(content, IsOk());
    return content ? content->identity : "";
  }
};

TEST_F(DirectoryIdentity, OfAFileIsItsSha256) {
  for (int i = 0; i < 600; ++i) folder_.write(std::to_string(i), "file " + std::to_string(i));
  folder_.write("empty", "");
  folder_.make_hardlink("zz", "empty");
  DirectoryOptions options;
  options.identities = true;

  const auto content = fetch(options);

  ASSERT_THAT(content, IsOk());
  for (int i = 0; i < 600; ++i) {
    Sha256 hash;
    hash.update("file " + std::to_string(i));
    EXPECT_EQ(content->tree.find(std::to_string(i))->identity, "sha256:" + hash.finish_hex());
  }
  EXPECT_EQ(content->tree.find("empty")->identity, "sha256:" + Sha256().finish_hex());
  EXPECT_EQ(content->tree.find("zz")->identity, "");
}

TEST_F(DirectoryIdentity, OfEqualTreesIsEqualWhereverTheyAre) {
  folder_.write("a/f", "x");
  folder_.make_symlink("l", "a");
  const auto first = identity();
  std::filesystem::create_directory(folder_.outside() / "copy");
  std::filesystem::copy(
      folder_.path(), folder_.outside() / "copy",
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
  auto options = keeping_all();
  options.identities = true;
  const auto copy = fetch(folder_.outside() / "copy", options);
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(copy->identity, first);
  EXPECT_TRUE(first.starts_with("sha256:"));
}

TEST_F(DirectoryIdentity, ChangesWithEverythingThatALayerWouldHold) {
  folder_.write("f", "x");
  folder_.make_symlink("l", "f");
  std::set<std::string> seen = {identity()};
  const auto expect_new = [&](const char* what) {
    EXPECT_TRUE(seen.insert(identity()).second) << what;
  };
  folder_.write("f", "y");
  expect_new("bytes");
  folder_.write("f", "y", 0755);
  expect_new("mode");
  folder_.remove("l");
  folder_.make_symlink("l", "g");
  expect_new("target");
  folder_.make_directory("d");
  expect_new("a new folder");
  folder_.make_hardlink("h", "f");
  expect_new("a hard link");
  folder_.remove("h");
  folder_.write("h", "y", 0755);
  expect_new("a copy instead of a hard link");
  if (!folder_.set_xattr("f", "user.a", "1")) GTEST_SKIP() << "no xattrs in this folder";
  expect_new("an xattr of a file");
  folder_.set_xattr("f", "user.a", "2");
  expect_new("another value");
  folder_.set_xattr("d", "user.a", "2");
  expect_new("an xattr of a folder");
}

TEST_F(DirectoryIdentity, DoesNotChangeWithWhatIsNotKept) {
  folder_.write("f", "x", 0644);
  const auto before = identity(DirectoryOptions());
  folder_.write("f", "x", 0664);
  folder_.set_xattr("f", "user.a", "1");
  EXPECT_EQ(identity(DirectoryOptions()), before);
}

TEST_F(DirectoryIdentity, IsNotOfTheBytesUnlessAsked) {
  folder_.write("a", "same");
  folder_.write("b", "same");
  const auto first = fetch();
  const auto second = fetch();
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->identity, "");
  const std::set<std::string> all = {
      first->tree.find("a")->identity, first->tree.find("b")->identity,
      second->tree.find("a")->identity, second->tree.find("b")->identity};
  EXPECT_EQ(all.size(), 4U);
  EXPECT_FALSE(all.contains(""));
}

// --- Without openat2
// ------------------------------------------------------------------------------

/// From now on this thread's openat2 fails with `error`, as an older kernel's or a container's.
bool forbid_openat2(int error) {
  std::array<sock_filter, 4> code = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(DirectoryRoot, IsNotReadWhereItCannotBeReadSafely) {
  folder_.write("a", "x");
  for (const int error : {ENOSYS, EPERM}) {
    std::optional<Result<Content>> content;
    std::thread thread([&] {
      if (!forbid_openat2(error)) return;
      WorkPool pool(1);  // Its thread has the filter too.
      DirectorySource source(folder_.path(), {}, pool);
      content = kiln::testing::run_task(source.fetch());
    });
    thread.join();
    if (!content) GTEST_SKIP() << "no seccomp filters here";
    EXPECT_THAT(*content, FailsWith(Errc::kUnsupported, "has no openat2 (Linux 5.6)"));
  }
}

}  // namespace
}  // namespace kiln::source
