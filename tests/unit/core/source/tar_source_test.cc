#include "core/source/tar_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <thread>

#include "core/base/file.h"
#include "core/base/sha256.h"
#include "core/layer/layer.h"
#include "tests/support/matchers.h"
#include "tests/support/run_task.h"
#include "tests/unit/core/image/random_layers.h"
#include "tests/unit/core/layer/tar_pieces.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using layer::EntryKind;
using ::testing::ElementsAre;
using namespace layer::testing_support;

/// Can be read once, a few bytes at a time, as standard input.
class OnceOnly final : public ByteSource {
 public:
  explicit OnceOnly(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const auto count = std::min({buffer.size(), std::size_t{777}, bytes_.size() - at_});
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), count, buffer.begin());
    at_ += count;
    return count;
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

class Tar : public ::testing::Test {
 protected:
  Result<Content> fetch(const std::string& tar, const layer::ReadLimits& limits = {}) {
    int opened = 0;
    TarSource source(
        "site.tar",
        [&]() -> Result<std::unique_ptr<ByteSource>> {
          ++opened;
          return std::unique_ptr<ByteSource>(std::make_unique<OnceOnly>(tar));
        },
        limits, spool_.path().string(), pool_);
    auto content = kiln::testing::run_task(source.fetch());
    EXPECT_EQ(opened, 1);
    return content;
  }

  Result<Content> fetch(const std::vector<layer::Entry>& entries) { return fetch(tar_of(entries)); }

  static std::string bytes_of(const Content& content, const std::string& path) {
    const auto* entry = content.tree.find(path);
    if (entry == nullptr) return "there is no " + path;
    auto source = entry->content.open();
    return source ? *read_all(**source, 1 << 26) : source.error().message;
  }

  /// "path" of a directory, "path=bytes", "path->target", "path==file" of a hard link.
  static std::vector<std::string> lines_of(const Content& content) {
    std::vector<std::string> lines;
    for (const auto& [path, entry] : content.tree.entries()) {
      if (entry.kind == EntryKind::kDirectory) lines.push_back(path);
      if (entry.kind == EntryKind::kFile) lines.push_back(path + "=" + bytes_of(content, path));
      if (entry.kind == EntryKind::kSymlink) lines.push_back(path + "->" + entry.link_target);
      if (entry.kind == EntryKind::kHardlink) lines.push_back(path + "==" + entry.link_target);
    }
    return lines;
  }

  TempDir spool_ = *TempDir::create("kiln-tar-test");
  WorkPool pool_{1};
};

// --- What comes out
// -------------------------------------------------------------------------------

TEST_F(Tar, GivesWhatIsInIt) {
  const auto content =
      fetch({directory("css"), file("css/site.css", "h1 {}"), file("empty"),
             symlink_to("latest", "css"), hardlink_to("same.css", "css/site.css")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("css", "css/site.css=h1 {}", "empty=", "latest->css",
                                              "same.css==css/site.css"));
}

TEST_F(Tar, KeepsModesOwnersTimesAndXattrs) {
  auto entry = with_xattrs(file("f", "x"),
                           {{"user.a", std::string("\0\xff", 2)}, {"security.capability", "c"}});
  entry.mode = 04711;
  entry.uid = 101;
  entry.gid = 3'000'000'000;
  entry.mtime = -5;
  auto folder = with_xattrs(directory("d", 01777), {{"user.d", "1"}});
  folder.mtime = 1'600'000'000;

  const auto content = fetch({entry, folder});

  ASSERT_THAT(content, IsOk());
  const auto& f = *content->tree.find("f");
  EXPECT_EQ(f.mode, 04711U);
  EXPECT_EQ(f.uid, 101U);
  EXPECT_EQ(f.gid, 3'000'000'000U);
  EXPECT_EQ(f.mtime, -5);
  EXPECT_EQ(f.xattrs, entry.xattrs);
  const auto& d = *content->tree.find("d");
  EXPECT_EQ(d.mode, 01777U);
  EXPECT_EQ(d.mtime, 1'600'000'000);
  EXPECT_EQ(d.xattrs, folder.xattrs);
}

TEST_F(Tar, IsTheSameHoweverItIsCompressed) {
  const auto tar = tar_of({file("a", sample_bytes(100'000)), file("b", "x")});
  const auto plain = fetch(tar);
  const auto gzip = fetch(compress(layer::Compression::kGzip, tar));
  const auto zstd = fetch(compress(layer::Compression::kZstd, tar));
  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(gzip, IsOk());
  ASSERT_THAT(zstd, IsOk());
  EXPECT_EQ(lines_of(*gzip), lines_of(*plain));
  EXPECT_EQ(lines_of(*zstd), lines_of(*plain));
  EXPECT_EQ(gzip->identity, plain->identity);
  EXPECT_EQ(zstd->identity, plain->identity);
}

TEST_F(Tar, IdentifiesFilesByTheirSha256AndItselfByAllOfThem) {
  auto a = file("a", "x");
  auto b = file("b", "y");
  a.mtime = b.mtime = 1;
  const auto content = fetch({a, b});
  const auto turned = fetch({b, a});
  b.content = content_of("z");
  const auto other = fetch({a, b});
  ASSERT_THAT(content, IsOk());
  Sha256 hash;
  hash.update("x");
  EXPECT_EQ(content->tree.find("a")->identity, "sha256:" + hash.finish_hex());
  EXPECT_EQ(turned->identity, content->identity);
  EXPECT_NE(other->identity, content->identity);
  EXPECT_EQ(content->identity, identity_of(*content));
}

TEST_F(Tar, MayBeEmpty) {
  const auto content = fetch(std::vector<layer::Entry>());
  ASSERT_THAT(content, IsOk());
  EXPECT_TRUE(content->tree.empty());
}

TEST_F(Tar, LeavesTheRootToWhoeverPutsItSomewhere) {
  const auto content = fetch({directory("", 0700), file("f", "x")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("f=x"));
}

TEST_F(Tar, NamesAreCleaned) {
  const auto content =
      fetch(archive_of({raw_directory("./"), raw_directory("./usr/"), raw_file("./usr//x", "1")}));
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("usr", "usr/x=1"));
}

// --- The spool
// ------------------------------------------------------------------------------------

TEST_F(Tar, ContentsCanBeReadInAnyOrderAndAtOnceWhenTheTarIsGone) {
  auto content = [&] {
    return fetch(
        {file("a", sample_bytes(300'000, 1)), file("empty"), file("b", sample_bytes(300'000, 2))});
  }();
  ASSERT_THAT(content, IsOk());
  auto a = *content->tree.find("a")->content.open();
  EXPECT_EQ(bytes_of(*content, "b"), sample_bytes(300'000, 2));
  EXPECT_EQ(bytes_of(*content, "a"), sample_bytes(300'000, 1));
  EXPECT_EQ(*read_all(*a, 1 << 20), sample_bytes(300'000, 1));
  EXPECT_EQ(content->tree.find("a")->content.size_bytes(), 300'000U);
}

TEST_F(Tar, LeavesNothingBehindThatHasAName) {
  const auto content = fetch({file("a", sample_bytes(10'000))});
  ASSERT_THAT(content, IsOk());
  EXPECT_TRUE(std::filesystem::is_empty(spool_.path()));
}

TEST_F(Tar, SaysThatThereIsNoPlaceToSpool) {
  TarSource source(
      "site.tar", [] { return layer::FileContent(std::make_shared<std::string>()).open(); }, {},
      (spool_.path() / "none").string(), pool_);
  EXPECT_THAT(kiln::testing::run_task(source.fetch()),
              FailsWith(Errc::kNotFound, "site.tar: cannot create a file in"));
}

TEST_F(Tar, IsOpenedOnThePoolOnceForEachFetch) {
  std::vector<std::thread::id> opened_on;
  TarSource source(
      "site.tar",
      [&] {
        opened_on.push_back(std::this_thread::get_id());
        return content_of(tar_of({file("a", "x")})).open();
      },
      {}, "", pool_);
  const auto first = kiln::testing::run_task(source.fetch());
  const auto second = kiln::testing::run_task(source.fetch());
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->identity, second->identity);
  EXPECT_EQ(opened_on.size(), 2U);
  EXPECT_NE(opened_on.front(), std::this_thread::get_id());
}

TEST_F(Tar, ThatCannotBeOpenedSaysWhichItIs) {
  TarSource source(
      "site.tar",
      []() -> Result<std::unique_ptr<ByteSource>> { return Error(Errc::kDenied, "not for you"); },
      {}, "", pool_);
  EXPECT_EQ(source.description(), "site.tar");
  EXPECT_THAT(kiln::testing::run_task(source.fetch()),
              FailsWith(Errc::kDenied, "site.tar: not for you"));
}

// --- One name twice
// ---------------------------------------------------------------------------

TEST_F(Tar, OfEntriesWithOneNameTheLastWins) {
  auto later = directory("d", 0700);
  const auto content = fetch({file("f", "first"), directory("d"), symlink_to("l", "f"),
                              file("d/x", "kept"), file("f", "last"), later,
                              file("l", "no link now"), file("s", "file"), symlink_to("s", "f")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("d", "d/x=kept", "f=last", "l=no link now", "s->f"));
  EXPECT_EQ(content->tree.find("d")->mode, 0700U);
}

TEST_F(Tar, AFileMayBecomeADirectory) {
  const auto content = fetch({file("a", "x"), directory("a"), file("a/b", "y")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("a", "a/b=y"));
}

TEST_F(Tar, HardLinksKeepTheFileTheyWereMadeOf) {
  const auto content = fetch({file("a", "old"), hardlink_to("b", "a"), hardlink_to("c", "b"),
                              file("a", "new"), hardlink_to("d", "a")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("a=new", "b=old", "c==b", "d==a"));
}

TEST_F(Tar, HardLinksThatAreReplacedAreLinksNoMore) {
  const auto content = fetch({file("a", "1"), hardlink_to("b", "a"), hardlink_to("c", "a"),
                              file("b", "2"), file("a", "3")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("a=3", "b=2", "c=1"));
}

TEST_F(Tar, AHardLinkMayTakeTheNameOfAFileThatHasOthers) {
  const auto content = fetch({file("a", "1"), hardlink_to("b", "a"), file("c", "2"),
                              hardlink_to("a", "c"), hardlink_to("c", "b")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("a=2", "b=1", "c==b"));
}

TEST_F(Tar, OfTheNamesOfAFileTheFirstByPathIsTheFileInWhateverOrderTheyCome) {
  const auto later = [&] {
    return fetch({file("c", "1"), hardlink_to("b", "c"), hardlink_to("a/x", "c"), directory("a")});
  };
  const auto first =
      fetch({directory("a"), file("a/x", "1"), hardlink_to("b", "a/x"), hardlink_to("c", "b")});
  ASSERT_THAT(later(), IsOk());
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(lines_of(*later()), ElementsAre("a", "a/x=1", "b==a/x", "c==a/x"));
  EXPECT_EQ(later()->identity, first->identity);
}

TEST_F(Tar, AHardLinkToItselfChangesNothing) {
  const auto content = fetch({file("a", "1"), hardlink_to("b", "a"), hardlink_to("a", "a"),
                              hardlink_to("a", "b"), hardlink_to("b", "a")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("a=1", "b==a"));
}

TEST_F(Tar, OfAFileWithManyNamesWhichAllGoAwayAgainTakesNoLonger) {
  constexpr int kNames = 20'000;
  const auto name = [](int number) { return "d/" + std::to_string(100'000 + number); };
  std::vector<layer::Entry> entries = {file("a", "1")};
  for (int i = 0; i < kNames; ++i) entries.push_back(hardlink_to(name(i), "a"));
  entries.push_back(file("a", "2"));
  for (int i = 0; i + 1 < kNames; ++i) entries.push_back(symlink_to(name(i), "a"));
  const auto tar = tar_of(entries);
  const auto started = std::chrono::steady_clock::now();

  const auto content = fetch(tar);

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(bytes_of(*content, name(kNames - 1)), "1");
  EXPECT_EQ(content->tree.find(name(0))->kind, EntryKind::kSymlink);
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(15));
}

TEST_F(Tar, AHardLinkToASymlinkIsThatSymlinkOnceMore) {
  const auto content = fetch({symlink_to("l", "target"), hardlink_to("m", "l")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("l->target", "m->target"));
}

// --- Whiteouts
// ------------------------------------------------------------------------------------

TEST_F(Tar, ItsWhiteoutsAreWhatTheContentDeletes) {
  const auto content =
      fetch({whiteout("gone"), directory("d"), file("d/.wh..wh..opq"), whiteout("d/too"),
             file("e/.wh..wh..opq"), whiteout("gone"), file("kept", "x"), whiteout("kept")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("d", "kept=x"));
  EXPECT_THAT(content->removed, ElementsAre("d/too", "gone", "kept"));
  EXPECT_THAT(content->emptied, ElementsAre("d", "e"));
}

TEST_F(Tar, ThatIsOpaqueAtItsRootDeletesAllThatIsThere) {
  const auto content = fetch({file(".wh..wh..opq"), file("f", "x")});
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(content->emptied, ElementsAre(""));
  EXPECT_THAT(lines_of(*content), ElementsAre("f=x"));
}

TEST_F(Tar, WhatItDeletesIsPartOfItsIdentity) {
  const auto one = fetch({whiteout("a")});
  const auto other = fetch({whiteout("b")});
  const auto none = fetch(std::vector<layer::Entry>());
  EXPECT_NE(one->identity, other->identity);
  EXPECT_NE(one->identity, none->identity);
}

// --- Refused
// --------------------------------------------------------------------------------------

struct BadTar {
  std::string name;
  std::string tar;
  Errc code;
  std::string why;
};

class TarRefuses : public Tar, public ::testing::WithParamInterface<BadTar> {};

TEST_P(TarRefuses, WhatNoContentMayHold) {
  const auto content = fetch(GetParam().tar);
  EXPECT_THAT(content, FailsWith(GetParam().code, "site.tar: "));
  EXPECT_THAT(content, FailsWith(GetParam().code, GetParam().why));
}

constexpr layer::Device kNull{layer::Device::Type::kCharacter, 1, 3};
constexpr layer::Device kDisk{layer::Device::Type::kBlock, 8, 0};

INSTANTIATE_TEST_SUITE_P(
    Table, TarRefuses,
    ::testing::ValuesIn(std::vector<BadTar>{
        {"CharacterDevice", tar_of({special("dev/null", kNull)}), Errc::kInvalid,
         "\"/dev/null\" is a device, which content cannot have; leave it out of the tar"},
        {"BlockDevice", tar_of({special("sda", kDisk)}), Errc::kInvalid, "\"/sda\" is a device"},
        {"Fifo", tar_of({special("run/pipe", layer::Device())}), Errc::kInvalid,
         "\"/run/pipe\" is a FIFO"},
        {"AbsoluteName", archive_of({raw_file("/etc/passwd", "x")}), Errc::kCorrupt,
         "the absolute name \"/etc/passwd\""},
        {"NameThatLeavesTheRoot", archive_of({raw_file("a/../../b", "x")}), Errc::kCorrupt,
         "a name with \"..\": \"a/../../b\""},
        {"HardLinkThatLeavesTheRoot", tar_of({hardlink_to("a", "../../etc/shadow")}),
         Errc::kCorrupt, "a hard link: the tar has a name with \"..\""},
        {"AbsoluteHardLink", tar_of({hardlink_to("a", "/etc/shadow")}), Errc::kCorrupt,
         "a hard link: the tar has the absolute name"},
        {"HardLinkThroughASymlink",
         tar_of({symlink_to("l", "../../etc"), hardlink_to("a", "l/shadow")}), Errc::kInvalid,
         "\"/a\" is a hard link to \"/l/shadow\", which is no file before it in the tar"},
        {"HardLinkToNothing", tar_of({hardlink_to("a", "none")}), Errc::kInvalid,
         "\"/a\" is a hard link to \"/none\", which is no file before it in the tar"},
        {"HardLinkToALaterFile", tar_of({hardlink_to("a", "b"), file("b", "x")}), Errc::kInvalid,
         "\"/a\" is a hard link to \"/b\", which is no file before it in the tar"},
        {"HardLinkToADirectory", tar_of({directory("d"), hardlink_to("a", "d")}), Errc::kInvalid,
         "\"/a\" is a hard link to \"/d\""},
        {"BelowAWhiteout", archive_of({raw_file("a/.wh.b/c", "x")}), Errc::kCorrupt,
         "something below a whiteout"},
        {"WhiteoutOfNothing", archive_of({raw(".wh.")}), Errc::kCorrupt, "a whiteout of nothing"},
        {"BelowAFile", tar_of({file("a", "x"), file("a/b", "y")}), Errc::kInvalid,
         "\"/a/b\" cannot be a file: \"/a\" is a file in the same layer"},
        {"BelowASymlink", tar_of({symlink_to("a", "/etc"), file("a/passwd", "y")}), Errc::kInvalid,
         "\"/a/passwd\" cannot be a file: \"/a\" is a symlink in the same layer"},
        {"DirectoryThatBecomesAFile", tar_of({directory("a"), file("a/b", "x"), file("a", "y")}),
         Errc::kInvalid, "\"/a/b\" cannot be a file: \"/a\" is a file in the same layer"},
        {"ControlCharacter", tar_of({file("a\nb", "x")}), Errc::kInvalid,
         "path \"a?b\" has a control character"},
        {"NoTar", "<html>404</html>", Errc::kCorrupt, "this is not a readable tar"},
        {"CutOff", tar_of({file("a", sample_bytes(10'000))}).substr(0, 5000), Errc::kCorrupt,
         "this is not a readable tar"},
    }),
    [](const auto& test) { return test.param.name; });

// --- Bombs
// ------------------------------------------------------------------------------------

TEST_F(Tar, OfMoreEntriesThanAllowedIsRefused) {
  layer::ReadLimits limits;
  limits.max_entries = 3;
  const std::vector<layer::Entry> three = {file("a"), file("b"), file("c")};
  EXPECT_THAT(fetch(tar_of(three), limits), IsOk());
  auto four = three;
  four.push_back(file("a"));
  EXPECT_THAT(fetch(tar_of(four), limits),
              FailsWith(Errc::kInvalid, "more than the allowed 3 entries"));
}

TEST_F(Tar, OfMoreBytesThanAllowedIsRefused) {
  layer::ReadLimits limits;
  limits.max_uncompressed_bytes = 1 << 20;
  EXPECT_THAT(fetch(tar_of({file("a", std::string(2 << 20, 'a'))}), limits),
              FailsWith(Errc::kInvalid, "the tar unpacks to more than the allowed 1048576 bytes"));
}

TEST_F(Tar, OfMoreNamesThanAllowedIsRefused) {
  layer::ReadLimits limits;
  limits.max_metadata_bytes = 1000;
  std::vector<layer::Entry> entries;
  for (int i = 0; i < 5; ++i) entries.push_back(file(std::to_string(i) + std::string(250, 'n')));
  EXPECT_THAT(fetch(tar_of(entries), limits),
              FailsWith(Errc::kInvalid, "more than the allowed 1000 bytes of names"));
}

TEST_F(Tar, ThatUnpacksToFarMoreThanItsSizeIsRefused) {
  layer::ReadLimits limits;
  limits.max_ratio = 100;
  const auto tar = tar_of({file("zeros", std::string(24 << 20, '\0'))});
  EXPECT_THAT(fetch(compress(layer::Compression::kGzip, tar), limits),
              FailsWith(Errc::kInvalid, "the tar unpacks to more than 100 times its size"));
  EXPECT_THAT(fetch(compress(layer::Compression::kZstd, tar), limits),
              FailsWith(Errc::kInvalid, "the tar unpacks to more than 100 times its size"));
}

// --- Against a plain model of unpacking
// -----------------------------------------------------------

class RandomTar : public Tar, public ::testing::WithParamInterface<unsigned> {};

TEST_P(RandomTar, IsWhatUnpackingItLeaves) {
  using namespace image::testing_support;
  int taken = 0;
  for (unsigned part = 0; part < 20; ++part) {
    Dice dice(GetParam() * 20 + part);
    Kinds kinds;
    kinds.whiteouts = kinds.devices = false;
    kinds.symlinks = dice.once_in(2);
    const auto tar = random_tar(dice, {}, kinds);
    const auto content = fetch(tar);
    if (content.has_error()) {
      // What goes through a symlink, or turns a directory into a file, is refused.
      EXPECT_EQ(content.error().code, Errc::kInvalid);
      const bool through_link =
          content.error().message.find("is no file before it") != std::string::npos;
      EXPECT_TRUE((kinds.symlinks && through_link) ||
                  content.error().message.find("in the same layer") != std::string::npos)
          << content.error().message;
      continue;
    }
    const auto layer = layer::make_layer(content->tree, {});
    ASSERT_THAT(layer, IsOk());
    auto source = *layer->blob.open();
    EXPECT_EQ(unpacked({*read_all(*source, 1 << 26)}).facts(), unpacked({tar}).facts())
        << "part " << part;
    ++taken;
  }
  EXPECT_GT(taken, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTar, ::testing::Range(1U, 21U));

}  // namespace
}  // namespace kiln::source
