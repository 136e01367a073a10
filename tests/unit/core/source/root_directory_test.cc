#include "core/source/root_directory.h"

#include <gtest/gtest.h>

#include "core/base/io.h"
#include "tests/unit/core/source/folder.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using namespace testing_support;

class Root : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.write_outside("secret", "token");
    folder_.write("a/f", "bytes");
    root_ = *RootDirectory::open(folder_.path());
  }

  FileStamp stamp_of(const std::string& path) const {
    struct stat info {};
    EXPECT_EQ(::lstat(folder_.at(path).c_str(), &info), 0);
    return FileStamp(info);
  }

  Folder folder_;
  std::shared_ptr<const RootDirectory> root_;
};

TEST_F(Root, OpensItselfAndWhatIsInIt) {
  EXPECT_THAT(root_->open_below("", O_DIRECTORY), IsOk());
  EXPECT_THAT(root_->open_below("a", O_DIRECTORY), IsOk());
  EXPECT_THAT(root_->open_below("a/f"), IsOk());
}

TEST_F(Root, ShowsPathsAsTheUserWouldWriteThem) {
  EXPECT_EQ(root_->shown(""), folder_.path().string());
  EXPECT_EQ(root_->shown("a/f"), folder_.at("a/f").string());
}

struct Outside {
  std::string name, path;
};

class RootRefuses : public Root, public ::testing::WithParamInterface<Outside> {};

TEST_P(RootRefuses, ToOpenWhatIsNotInIt) {
  folder_.make_symlink("out", "../secret");
  folder_.make_symlink("absolute", (folder_.outside() / "secret").string());
  folder_.make_symlink("up", "..");
  folder_.make_symlink("in", "a");
  folder_.make_symlink("a/in", "f");
  folder_.make_symlink("proc", "/proc/self");
  const auto opened = root_->open_below(GetParam().path);
  EXPECT_THAT(opened, FailsWith(Errc::kConflict, "changed while it was read"));
  EXPECT_THAT(opened, FailsWith(Errc::kConflict, root_->shown(GetParam().path)));
}

INSTANTIATE_TEST_SUITE_P(Table, RootRefuses,
                         ::testing::ValuesIn(std::vector<Outside>{
                             {"ItsParent", ".."},
                             {"BesideIt", "../secret"},
                             {"ThroughAFolder", "a/../../secret"},
                             {"Absolute", "/etc/passwd"},
                             {"LinkOut", "out"},
                             {"LinkToAnAbsolutePath", "absolute"},
                             {"LinkUp", "up/secret"},
                             {"MagicLink", "proc/root/etc/passwd"},
                             {"EvenALinkInside", "a/in"},
                             {"EvenAFolderLinkInside", "in/f"},
                             {"WhatIsNotThere", "none"},
                             {"BelowAFile", "a/f/x"},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(Root, DoesNotWaitForAFifosWriter) {
  folder_.make_fifo("pipe");
  EXPECT_THAT(root_->open_below("pipe"), IsOk());
  EXPECT_THAT(root_->open_file("pipe", stamp_of("pipe")),
              FailsWith(Errc::kConflict, "something else took its place"));
}

TEST_F(Root, OpensAFileOnlyAsItWasStamped) {
  const auto stamp = stamp_of("a/f");
  EXPECT_THAT(root_->open_file("a/f", stamp), IsOk());
  auto older = stamp;
  older.nanoseconds ^= 1;
  EXPECT_THAT(root_->open_file("a/f", older), FailsWith(Errc::kConflict, "it was written to"));
  auto smaller = stamp;
  smaller.size_bytes -= 1;
  EXPECT_THAT(root_->open_file("a/f", smaller), FailsWith(Errc::kConflict, "it was written to"));
  auto other = stamp;
  other.inode += 1;
  EXPECT_THAT(root_->open_file("a/f", other),
              FailsWith(Errc::kConflict, "something else took its place"));
}

TEST_F(Root, ContentsCanBeReadAgainAndAgainAndAtOnce) {
  const auto content = root_->content_of("a/f", stamp_of("a/f"));
  auto one = *content.open();
  auto two = *content.open();
  EXPECT_EQ(*read_all(*one, 100), "bytes");
  EXPECT_EQ(*read_all(*two, 100), "bytes");
  EXPECT_EQ(content.size_bytes(), 5U);
}

TEST_F(Root, ContentsKeepItOpen) {
  auto content = root_->content_of("a/f", stamp_of("a/f"));
  root_.reset();
  auto source = content.open();
  ASSERT_THAT(source, IsOk());
  EXPECT_EQ(*read_all(**source, 100), "bytes");
}

TEST_F(Root, MustBeAFolderThatIsThere) {
  EXPECT_THAT(RootDirectory::open(folder_.at("none")),
              FailsWith(Errc::kNotFound, folder_.at("none").string()));
  EXPECT_THAT(RootDirectory::open(folder_.at("a/f")),
              FailsWith(Errc::kNotFound, "Not a directory"));
}

}  // namespace
}  // namespace kiln::source
