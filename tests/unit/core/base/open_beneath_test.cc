#include "core/base/open_beneath.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "core/base/file.h"
#include "tests/support/matchers.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;
using testing::IsOk;

class OpenBeneath : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(inside_ / "sub");
    ASSERT_THAT(write_file_atomically(inside_ / "file", "in"), IsOk());
    ASSERT_THAT(write_file_atomically(directory_.path() / "secret", "out"), IsOk());
    fs::create_symlink("../file", inside_ / "sub" / "stays");
    fs::create_symlink("../../secret", inside_ / "sub" / "leaves");
    fs::create_symlink(directory_.path() / "secret", inside_ / "absolute");
    fs::create_symlink("..", inside_ / "up");
    folder_ = UniqueFd(::open(inside_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd probe(open_beneath(folder_.get(), ".", O_PATH, Symlinks::kRefused));
    if (!probe.valid() && (errno == ENOSYS || errno == EPERM)) GTEST_SKIP() << "no openat2 here";
  }

  /// What the file holds, or the errno.
  std::string seen(const char* path, Symlinks symlinks) {
    UniqueFd fd(open_beneath(folder_.get(), path, O_RDONLY, symlinks));
    if (!fd.valid()) return std::to_string(errno);
    FileSource source(std::move(fd));
    return read_all(source, 100).value();
  }

  TempDir directory_ = *TempDir::create("kiln-test");
  fs::path inside_ = directory_.path() / "inside";
  UniqueFd folder_;
};

TEST_F(OpenBeneath, OpensWhatIsInside) {
  EXPECT_EQ(seen("file", Symlinks::kRefused), "in");
  EXPECT_EQ(seen("sub/../file", Symlinks::kRefused), "in");
  EXPECT_EQ(seen("sub/stays", Symlinks::kFollowed), "in");
}

TEST_F(OpenBeneath, RefusesSymlinksWhereTheyAreNotWanted) {
  EXPECT_EQ(seen("sub/stays", Symlinks::kRefused), std::to_string(ELOOP));
}

TEST_F(OpenBeneath, NeverLeavesTheFolder) {
  for (const auto* path :
       {"sub/leaves", "absolute", "up/secret", "../secret", "/etc/passwd", "sub/../../secret"})
    EXPECT_EQ(seen(path, Symlinks::kFollowed), std::to_string(EXDEV)) << path;
}

}  // namespace
}  // namespace kiln
