#include "core/base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;
using testing::IsOk;

class Files : public ::testing::Test {
 protected:
  TempDir directory_ = *TempDir::create("kiln-test");
  std::filesystem::path path_ = directory_.path() / "file";
};

TEST_F(Files, ReadsBackWhatWasWritten) {
  ASSERT_THAT(write_file_atomically(path_, "content"), IsOk());
  EXPECT_EQ(*read_file(path_, 100), "content");
}

TEST_F(Files, ReplacesAtOnceAndLeavesNothingBeside) {
  ASSERT_THAT(write_file_atomically(path_, "old"), IsOk());
  ASSERT_THAT(write_file_atomically(path_, "new", 0600), IsOk());

  EXPECT_EQ(*read_file(path_, 100), "new");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.path()), {}), 1);
  EXPECT_EQ(static_cast<int>(std::filesystem::status(path_).permissions()), 0600);
}

/// Yields some bytes and then fails.
class FailingSource final : public ByteSource {
 public:
  Result<std::size_t> read(std::span<char> buffer) override {
    if (failed_) return Error(Errc::kCorrupt, "other bytes");
    failed_ = true;
    buffer[0] = 'x';
    return std::size_t{1};
  }

 private:
  bool failed_ = false;
};

TEST_F(Files, KeepsTheOldFileWhenTheNewBytesFail) {
  ASSERT_THAT(write_file_atomically(path_, "old"), IsOk());
  FailingSource source;

  EXPECT_THAT(write_file_atomically(path_, source), FailsWith(Errc::kCorrupt, "other bytes"));

  EXPECT_EQ(*read_file(path_, 100), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.path()), {}), 1);
}

TEST_F(Files, RefusesMoreThanTheLimit) {
  ASSERT_THAT(write_file_atomically(path_, "0123456789"), IsOk());
  EXPECT_THAT(read_file(path_, 9), FailsWith(Errc::kInvalid, "more than the allowed 9 bytes"));
  EXPECT_THAT(read_file(path_, 10), IsOk());
}

TEST_F(Files, SaysWhatIsMissing) {
  EXPECT_THAT(read_file(path_, 100), FailsWith(Errc::kNotFound, path_.string()));
}

TEST_F(Files, RefusesADirectory) {
  EXPECT_THAT(read_file(directory_.path(), 100), FailsWith(Errc::kInvalid, "is a directory"));
}

TEST_F(Files, RefusesAFifoWithoutHanging) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(read_file(path_, 100), FailsWith(Errc::kInvalid, "not a regular file"));
}

TEST_F(Files, LeavesTheOldFileWhereWritingANewOneFails) {
  ASSERT_THAT(write_file_atomically(path_, "old"), IsOk());

  const auto written = write_file_atomically(path_, [](ByteSink& sink) -> Result<void> {
    KILN_TRY(sink.write("half of the new"));
    return Error(Errc::kNoSpace, "no more");
  });

  EXPECT_THAT(written, FailsWith(Errc::kNoSpace, "no more"));
  EXPECT_EQ(*read_file(path_, 100), "old");
}

TEST_F(Files, SharesAFileInParts) {
  ASSERT_THAT(write_file_atomically(path_, "0123456789"), IsOk());
  const auto fd = std::make_shared<const UniqueFd>(*open_for_reading(path_));

  SharedFileSource part(fd, 2, 5);
  SharedFileSource beyond(fd, 8, 100);

  EXPECT_EQ(part.skip(2), 2U);
  EXPECT_EQ(*read_all(part, 100), "456");
  EXPECT_EQ(part.skip(1), 0U);
  EXPECT_EQ(beyond.skip(1), 1U);
  EXPECT_EQ(beyond.skip(100), 1U);
  EXPECT_EQ(*read_all(beyond, 100), "");
}

TEST_F(Files, SaysThatALoopOfSymlinksCanNeverBeRead) {
  std::filesystem::create_symlink("file", path_);
  EXPECT_THAT(read_file(path_, 100), FailsWith(Errc::kInvalid, path_.string()));
}

TEST_F(Files, ReadsAPartOfASharedFileAndNoFurther) {
  ASSERT_THAT(write_file_atomically(path_, "0123456789"), IsOk());
  const auto shared = std::make_shared<const UniqueFd>(std::move(*open_for_reading(path_)));
  SharedFileSource middle(shared, 2, 5);
  SharedFileSource end(shared, 8, 5);
  SharedFileSource nothing(shared, 4, 0);
  EXPECT_EQ(*read_all(middle, 100), "23456");
  EXPECT_EQ(*read_all(end, 100), "89");
  EXPECT_EQ(*read_all(nothing, 100), "");
}

TEST_F(Files, NamelessOnesAreFoundByNobodyAndForTheirOwnerAlone) {
  const auto before = ::umask(0);
  const auto file = nameless_file(directory_.path());
  ::umask(before);

  ASSERT_THAT(file, IsOk());
  ASSERT_THAT(FdSink(file->get()).write("secret"), IsOk());
  struct stat info {};
  ASSERT_EQ(::fstat(file->get(), &info), 0);
  EXPECT_EQ(info.st_nlink, 0U);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST(TempDirs, AreForTheirOwnerAloneAndCannotBeGuessed) {
  const auto before = ::umask(0);
  const auto one = *TempDir::create("kiln-test");
  const auto other = *TempDir::create("kiln-test");
  ::umask(before);

  struct stat info {};
  ASSERT_EQ(::lstat(one.path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
  EXPECT_NE(one.path(), other.path());
}

TEST(TempDirs, DoNotFollowSymlinksWhenTheyGo) {
  const auto outside = *TempDir::create("kiln-test");
  ASSERT_THAT(write_file_atomically(outside.path() / "x", "y"), IsOk());
  {
    const auto directory = *TempDir::create("kiln-test");
    std::filesystem::create_directory_symlink(outside.path(), directory.path() / "link");
  }
  EXPECT_TRUE(std::filesystem::exists(outside.path() / "x"));
}

TEST(TempDirs, AreGoneWithAllTheyHeld) {
  std::filesystem::path path;
  {
    auto directory = *TempDir::create("kiln-test");
    path = directory.path();
    ASSERT_THAT(write_file_atomically(path / "x", "y"), IsOk());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace kiln
