// What .kilnignore files and the options' rules leave out of a folder. What the patterns mean is
// ignore_rules_test.cc's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/source/directory_fixture.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using ::testing::ElementsAre;
using namespace testing_support;

class DirectoryIgnore : public DirectoryFixture {
 protected:
  std::vector<std::string> left(const std::string& patterns = "") {
    const auto content = fetch_ignoring(patterns);
    EXPECT_THAT(content, IsOk());
    return content ? paths_of(*content) : std::vector<std::string>();
  }
};

TEST_F(DirectoryIgnore, AFileLeavesOutWhatItNamesAndItself) {
  folder_.write(".kilnignore", "*.log\nbuild/\n");
  folder_.write("a.log");
  folder_.write("a.txt");
  folder_.write("build/out");
  folder_.write("sub/build/out");
  folder_.write("sub/b.log");
  EXPECT_THAT(left(), ElementsAre("a.txt", "sub"));
}

TEST_F(DirectoryIgnore, DeeperFilesWin) {
  folder_.write(".kilnignore", "*.log\n");
  folder_.write("a/.kilnignore", "!keep.log\n/only-here\n");
  folder_.write("a/b/.kilnignore", "keep.log\n");
  folder_.write("keep.log");
  folder_.write("a/keep.log");
  folder_.write("a/only-here");
  folder_.write("a/other.log");
  folder_.write("a/b/keep.log");
  folder_.write("a/b/only-here");
  EXPECT_THAT(left(), ElementsAre("a", "a/b", "a/b/only-here", "a/keep.log"));
}

TEST_F(DirectoryIgnore, FilesOfOneFolderDoNotCountInItsSibling) {
  folder_.write("a/.kilnignore", "x\n");
  folder_.write("a/x");
  folder_.write("b/x");
  EXPECT_THAT(left(), ElementsAre("a", "b", "b/x"));
}

TEST_F(DirectoryIgnore, RulesOfTheOptionsCountBeforeThoseOfTheTree) {
  folder_.write(".kilnignore", "!b\n");
  folder_.write("a");
  folder_.write("b");
  EXPECT_THAT(left("a\nb\n"), ElementsAre("b"));
}

TEST_F(DirectoryIgnore, CanBeToldOfItself) {
  folder_.write(".kilnignore", "a\n");
  folder_.write("a");
  folder_.write("b");
  EXPECT_THAT(left(".kilnignore\n"), ElementsAre("b"));
}

TEST_F(DirectoryIgnore, NothingBelowAnIgnoredFolderIsLookedAt) {
  folder_.write("node_modules/.kilnignore", std::string("\0", 1));
  folder_.make_fifo("node_modules/pipe");
  folder_.write("a");
  EXPECT_THAT(left("node_modules\n!node_modules/a\n"), ElementsAre("a"));
}

TEST_F(DirectoryIgnore, AFileThatIsEmptyIsStillLeftOut) {
  folder_.write(".kilnignore", "");
  folder_.write("a");
  EXPECT_THAT(left(), ElementsAre("a"));
}

TEST_F(DirectoryIgnore, ABadLineIsToldWithItsFile) {
  folder_.write("sub/.kilnignore", std::string("fine\n\0\n", 7));
  EXPECT_THAT(fetch(), FailsWith(Errc::kInvalid, folder_.at("sub/.kilnignore").string() +
                                                     ": line 2 has a NUL byte"));
}

TEST_F(DirectoryIgnore, AFileOfMoreThanOneMebibyteIsRefused) {
  std::string lines;
  while (lines.size() < (1 << 20)) lines += "#" + std::string(4000, '-') + "\n";
  folder_.write(".kilnignore", lines);
  EXPECT_THAT(fetch(),
              FailsWith(Errc::kInvalid, "reading " + folder_.at(".kilnignore").string() + ": "));
}

TEST_F(DirectoryIgnore, AFileThatIsNoneIsRefusedAndNotFollowed) {
  folder_.write_outside("rules", "a\n");
  folder_.make_symlink(".kilnignore", "../rules");
  const auto why = folder_.at(".kilnignore").string() + " must be a regular file";
  EXPECT_THAT(fetch(), FailsWith(Errc::kInvalid, why));
  folder_.remove(".kilnignore");
  folder_.make_fifo(".kilnignore");
  EXPECT_THAT(fetch(), FailsWith(Errc::kInvalid, why));
  folder_.remove(".kilnignore");
  folder_.make_directory(".kilnignore");
  EXPECT_THAT(fetch(), FailsWith(Errc::kInvalid, why));
}

TEST_F(DirectoryIgnore, AFileThatMayNotBeReadIsAnError) {
  if (::geteuid() != 0) GTEST_SKIP() << "the file is this user's own";
  folder_.write(".kilnignore", "a\n", 0600);
  EXPECT_THAT(fetch_as_nobody(), FailsWith(Errc::kDenied, folder_.at(".kilnignore").string()));
}

TEST_F(DirectoryIgnore, LeavesOutWhatMayNotBeRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "the folder is this user's own";
  folder_.write("private/f");
  ASSERT_EQ(::chmod(folder_.at("private").c_str(), 0), 0);
  DirectoryOptions options;
  options.ignore = *IgnoreRules::parse("private\n");
  EXPECT_THAT(fetch_as_nobody(options), IsOk());
}

}  // namespace
}  // namespace kiln::source
