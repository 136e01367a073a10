#include "core/base/own_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iterator>

#include "core/base/file.h"
#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;

class OwnFile : public ::testing::Test {
 protected:
  OwnFile() { (void)write_file_atomically(path_, "mine", 0600).value(); }

  TempDir folder_ = *TempDir::create("kiln-own-file");
  std::filesystem::path path_ = folder_.path() / "f";
};

TEST_F(OwnFile, IsReadWhereNobodyElseMayWriteIt) {
  for (const auto mode : {0600U, 0644U, 0400U}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    EXPECT_EQ(*read_own_file(path_, 100), "mine") << mode;
  }
}

TEST_F(OwnFile, IsRefusedWhereOthersMayWriteIt) {
  for (const auto mode : {0620U, 0602U, 0666U}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    EXPECT_THAT(read_own_file(path_, 100),
                FailsWith(Errc::kDenied, path_.string() + " may have been written by another user"))
        << mode;
  }
}

TEST_F(OwnFile, IsRefusedWhereItIsAnotherUsers) {
  if (::chown(path_.c_str(), 65534, 65534) != 0) GTEST_SKIP() << "only root can give files away";
  EXPECT_THAT(read_own_file(path_, 100), FailsWith(Errc::kDenied, "another user"));
}

TEST_F(OwnFile, HasALimitAndMayBeMissing) {
  EXPECT_THAT(read_own_file(path_, 3), FailsWith(Errc::kInvalid, "reading " + path_.string()));
  EXPECT_THAT(read_own_file(folder_.path() / "none", 3), FailsWith(Errc::kNotFound, "none"));
}

TEST_F(OwnFile, IsWrittenSoThatItCanBeRead) {
  const auto path = folder_.path() / "a" / "b" / "f";
  for (const auto* bytes : {"first", "", "third"}) {
    ASSERT_THAT(write_own_file(path, bytes), testing::IsOk());
    EXPECT_EQ(*read_own_file(path, 100), bytes);
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path.parent_path()), {}), 1)
      << "nothing is left beside it";
}

TEST_F(OwnFile, ThatCannotBeWrittenIsAnError) {
  EXPECT_THAT(write_own_file(path_ / "below", "x"), FailsWith(Errc::kNotFound, "below"));
}

}  // namespace
}  // namespace kiln
