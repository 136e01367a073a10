#include "core/store/archive_index.h"

#include <gtest/gtest.h>

#include "core/layer/compressor.h"
#include "tests/support/matchers.h"
#include "tests/unit/core/layer/tar_pieces.h"

namespace kiln::store {
namespace {

namespace pieces = layer::testing_support;
using kiln::testing::FailsWith;
using kiln::testing::IsOk;

class ArchiveIndexTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<const ArchiveIndex>> index(const std::string& tar) {
    const auto path = directory_.path() / "x.tar";
    EXPECT_THAT(write_file_atomically(path, tar), IsOk());
    return ArchiveIndex::open(path, directory_.path().string());
  }
  /// What the file holds, or the error.
  std::string text_of(const ArchiveIndex& archive, const std::string& path) {
    auto text = read_small_file(archive, path, 1 << 20);
    return text ? *text : text.error().message;
  }

  TempDir directory_ = *TempDir::create("kiln-test");
};

TEST_F(ArchiveIndexTest, FindsFilesByNamePlainAndCompressed) {
  const auto big = pieces::sample_bytes(300'000);
  const auto tar = pieces::tar_of({pieces::file("a/b", "text"), pieces::file("big", big),
                                   pieces::file("empty"), pieces::file("end", "end")});
  for (const auto& bytes : {tar, pieces::compress(layer::Compression::kGzip, tar),
                            pieces::compress(layer::Compression::kZstd, tar)}) {
    const auto archive = index(bytes);
    ASSERT_THAT(archive, IsOk());
    EXPECT_EQ(text_of(**archive, "a/b"), "text");
    EXPECT_EQ(text_of(**archive, "./a//b"), "text");
    EXPECT_EQ(text_of(**archive, "big"), big);
    EXPECT_EQ(text_of(**archive, "empty"), "");
    EXPECT_EQ(text_of(**archive, "end"), "end");
  }
}

TEST_F(ArchiveIndexTest, ReadsFilesIndependentlyOfEachOther) {
  const auto archive =
      index(pieces::tar_of({pieces::file("a", "0123"), pieces::file("b", "4567")}));
  ASSERT_THAT(archive, IsOk());
  auto one = (*archive)->open("a");
  auto same = (*archive)->open("a");
  std::string byte(1, '\0');
  ASSERT_THAT(one->source->read(byte), IsOk());
  EXPECT_EQ(*read_all(*same->source, 10), "0123");
  EXPECT_EQ(*read_all(*one->source, 10), "123");
}

TEST_F(ArchiveIndexTest, TakesTheLastOfEqualNames) {
  const auto archive =
      index(pieces::archive_of({pieces::raw_file("a", "1"), pieces::raw_file("./a", "2")}));
  ASSERT_THAT(archive, IsOk());
  EXPECT_EQ(text_of(**archive, "a"), "2");
}

TEST_F(ArchiveIndexTest, FollowsLinksInsideTheTar) {
  const auto archive = index(pieces::tar_of(
      {pieces::directory("one"), pieces::file("one/layer.tar", "text"), pieces::directory("two"),
       pieces::symlink_to("two/layer.tar", "../one/layer.tar"), pieces::symlink_to("three", "two"),
       pieces::hardlink_to("hard", "one/layer.tar"),
       pieces::symlink_to("up", "../../../../one/layer.tar")}));
  ASSERT_THAT(archive, IsOk());
  EXPECT_EQ(text_of(**archive, "two/layer.tar"), "text");
  EXPECT_EQ(text_of(**archive, "three/layer.tar"), "text");
  EXPECT_EQ(text_of(**archive, "hard"), "text");
  EXPECT_EQ(text_of(**archive, "up"), "text");  // The tar's root is the end, as in a chroot.
}

TEST_F(ArchiveIndexTest, ReadsSparseFiles) {
  const auto dir = directory_.path().string();
  if (!pieces::output_of("sh -c 'cd " + dir +
                         " && truncate -s 100000 s && printf end >> s && "
                         "tar -S --format=pax -cf s.tar s'"))
    GTEST_SKIP() << "no tar that writes sparse files";

  const auto archive = ArchiveIndex::open(directory_.path() / "s.tar", dir);

  ASSERT_THAT(archive, IsOk());
  EXPECT_EQ(text_of(**archive, "s"), std::string(100'000, '\0') + "end");
}

struct BadName {
  std::string name, path, why;
};

class ArchiveIndexRefuses : public ArchiveIndexTest,
                            public ::testing::WithParamInterface<BadName> {};

TEST_P(ArchiveIndexRefuses, WithAReason) {
  const auto archive = index(
      pieces::tar_of({pieces::directory("folder"), pieces::file("file", "x"),
                      pieces::symlink_to("gone", "nowhere"), pieces::symlink_to("loop", "loop"),
                      pieces::symlink_to("machine", "/etc/passwd"), pieces::special("pipe", {})}));
  ASSERT_THAT(archive, IsOk());
  EXPECT_THAT(text_of(**archive, GetParam().path), ::testing::HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(Open, ArchiveIndexRefuses,
                         ::testing::ValuesIn(std::vector<BadName>{
                             {"Missing", "none", "there is no none in "},
                             {"ALinkToNothing", "gone", "there is no gone in "},
                             {"ALinkToTheMachine", "machine", "there is no machine in "},
                             {"ALoop", "loop", "leads through more than 40 symlinks"},
                             {"AFolder", "folder", "folder in "},
                             {"APipe", "pipe", "is not a regular file"},
                             {"TheRoot", "", "there is no "},
                             {"BelowAFile", "file/x", "or through a file"},
                             {"AbsoluteName", "/etc/passwd", "\"/etc/passwd\" leads out of "},
                             {"NameWithDots", "folder/../../x", "leads out of "},
                         }),
                         [](const auto& test) { return test.param.name; });

struct BadTar {
  std::string name, bytes;
  Errc code;
  std::string why;
};

class ArchiveIndexRefusesTar : public ArchiveIndexTest,
                               public ::testing::WithParamInterface<BadTar> {};

TEST_P(ArchiveIndexRefusesTar, WithAReason) {
  EXPECT_THAT(index(GetParam().bytes), FailsWith(GetParam().code, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Read, ArchiveIndexRefusesTar,
    ::testing::ValuesIn(std::vector<BadTar>{
        {"NoTar", "this is a text, and not a short one: " + std::string(600, 'x'), Errc::kCorrupt,
         "x.tar: this is not a readable tar"},
        {"NameOutside", pieces::archive_of({pieces::raw_file("../x", "1")}), Errc::kCorrupt,
         "a name with \"..\""},
        {"AbsoluteName", pieces::archive_of({pieces::raw_file("/x", "1")}), Errc::kCorrupt,
         "the absolute name"},
        {"CutInAFile",
         pieces::tar_of({pieces::file("a", pieces::sample_bytes(90'000))}).substr(0, 50'000),
         Errc::kCorrupt, "this is not a readable tar"},
        {"HardLinkToNothing", pieces::tar_of({pieces::hardlink_to("a", "b")}), Errc::kCorrupt,
         "a hard link to a file that does not come before it: a"},
        {"CutGzip",
         pieces::compress(layer::Compression::kGzip,
                          pieces::tar_of({pieces::file("a", pieces::sample_bytes(90'000))}))
             .substr(0, 20'000),
         Errc::kCorrupt, "this is not a readable tar"},
        {"Bomb",
         pieces::compress(layer::Compression::kZstd,
                          pieces::tar_of({pieces::file("a", std::string(64 << 20, '\0'))})),
         Errc::kInvalid, "unpacks to more than 2000 times its size"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(ArchiveIndexTest, SaysWhatCannotBeOpened) {
  EXPECT_THAT(ArchiveIndex::open(directory_.path() / "none", ""),
              FailsWith(Errc::kNotFound, "cannot open"));
  EXPECT_THAT(ArchiveIndex::open(directory_.path(), ""),
              FailsWith(Errc::kInvalid, "is a directory, not a file"));
}

TEST_F(ArchiveIndexTest, LeavesNothingBesideTheArchive) {
  const auto tar = pieces::tar_of({pieces::file("a", "text")});
  const auto archive = index(pieces::compress(layer::Compression::kGzip, tar));
  ASSERT_THAT(archive, IsOk());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_.path()), {}), 1);
}

}  // namespace
}  // namespace kiln::store
