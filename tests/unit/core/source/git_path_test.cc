#include "core/source/git_path.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

TEST(GitFolder, IsKnownUnderTheNamesThatFileSystemsHaveForIt) {
  for (const std::string name :
       {".git", ".GIT", ".gIt", "git~1", "GIT~1", ".git.", ".git ", ".git . .", ".git:x",
        ".git::$INDEX_ALLOCATION", ".git\\config", "a\\.git", "a\\.GIT \\b", "git~1...",
        ".g\xe2\x80\x8cit", "\xe2\x81\xaf.git", ".git\xef\xbb\xbf", ".\xe2\x80\xaegIT. "})
    EXPECT_TRUE(is_git_folder(name)) << name;
}

TEST(GitFolder, IsNoOtherName) {
  for (const std::string name :
       {"", "git", ".gitignore", ".github", ".git~1", "git~2", " .git", "..git", ".git-x", "x.git",
        "\xe2\x80\x8c", ".g\xe2\x80\x8bit", ".git\xe2\x80", "\\", ":", "a:.git"})
    EXPECT_FALSE(is_git_folder(name)) << name;
}

TEST(GitPath, IsCheckedPartByPart) {
  EXPECT_THAT(check_git_path("a/.gitignore"), IsOk());
  for (const std::string path : {".git/config", "a/.git", "a/GIT~1/hooks/update"})
    EXPECT_THAT(check_git_path(path), FailsWith(Errc::kInvalid, "called or lie in .git")) << path;
  EXPECT_THAT(check_git_path("a/../b"), FailsWith(Errc::kInvalid, "\"..\""));
  EXPECT_THAT(check_git_path("a/.wh.b"), FailsWith(Errc::kInvalid, ".wh."));
}

}  // namespace
}  // namespace kiln::source
