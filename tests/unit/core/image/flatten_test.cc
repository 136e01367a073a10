#include "core/image/flatten.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/file.h"
#include "core/layer/layer_check.h"
#include "tests/support/matchers.h"
#include "tests/unit/core/image/random_layers.h"
#include "tests/unit/core/layer/tar_pieces.h"

namespace kiln::image {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using layer::EntryKind;
using ::testing::ElementsAre;
using namespace layer::testing_support;
using namespace testing_support;
using Layers = std::vector<std::vector<layer::Entry>>;

std::string flat_tar(const std::vector<std::string>& tars) {
  StringSink sink;
  EXPECT_THAT(write_flat_tar(blobs_of(tars), sink), IsOk());
  return sink.take();
}

std::vector<std::string> tars_of(const Layers& layers) {
  std::vector<std::string> tars;
  layer::TimestampPolicy times;
  times.kind = layer::Timestamps::kEpoch;
  for (const auto& entries : layers) tars.push_back(tar_of(entries, times));
  return tars;
}

/// The lines of a tar in its order: "path/", "path=bytes", "path->target", "path==file", "path!".
std::vector<std::string> lines_of(const std::string& tar) {
  const auto entries = read_tar(tar);
  EXPECT_THAT(entries, IsOk());
  std::vector<std::string> lines;
  for (const auto& back : *entries) {
    const auto& entry = back.found.entry;
    auto line = entry.path;
    if (entry.kind == EntryKind::kDirectory) line += "/";
    if (entry.kind == EntryKind::kFile) line += "=" + back.text;
    if (entry.kind == EntryKind::kSymlink) line += "->" + entry.link_target;
    if (entry.kind == EntryKind::kHardlink) line += "==" + entry.link_target;
    if (entry.kind == EntryKind::kSpecial) line += "!";
    lines.push_back(line);
  }
  return lines;
}

layer::Entry opaque(const std::string& directory) {
  return file(layer::join_path(directory, ".wh..wh..opq"));
}

struct Case {
  std::string name;
  Layers layers;
  std::vector<std::string> lines;
};

class FlattenTable : public ::testing::TestWithParam<Case> {};

TEST_P(FlattenTable, GivesWhatIsLeft) {
  const auto tars = tars_of(GetParam().layers);
  const auto flat = flat_tar(tars);
  EXPECT_EQ(lines_of(flat), GetParam().lines);
  EXPECT_EQ(unpacked({flat}).str(), unpacked(tars).str());
}

constexpr layer::Device kNull{layer::Device::Type::kCharacter, 1, 3};

std::vector<Case> whiteout_cases() {
  return {
      {"NoLayers", {}, {}},
      {"OneLayer", {{directory("a"), file("a/f", "1")}}, {"a/", "a/f=1"}},
      {"DirectoriesComeFirstByPathThenFilesAsTheyCome",
       {{file("z", "1"), directory("b"), directory("a.b"), directory("a"), directory("a/c"),
         file("a/y", "2")},
        {file("b/x", "3")}},
       {"a/", "a/c/", "a.b/", "b/", "z=1", "a/y=2", "b/x=3"}},
      {"MissingParentsAreMade", {{file("a/b/f", "1")}}, {"a/", "a/b/", "a/b/f=1"}},
      {"TheRootStaysWhereALayerNamesIt", {{directory("", 0711)}, {file("f", "1")}}, {"/", "f=1"}},
      {"UpperFilesReplaceLowerOnes", {{file("f", "1")}, {file("f", "2")}}, {"f=2"}},
      {"WhiteoutOfAFile", {{file("f", "1"), file("g", "2")}, {whiteout("f")}}, {"g=2"}},
      {"WhiteoutOfADirectory",
       {{directory("d"), file("d/f", "1"), file("d.f", "2")}, {whiteout("d")}},
       {"d.f=2"}},
      {"WhiteoutOfNothing", {{file("f", "1")}, {whiteout("none")}}, {"f=1"}},
      {"WhiteoutsHideOnlyLowerLayers",
       {{file("d/f", "1"), file("d/g", "2")}, {file("d/f", "3"), whiteout("d")}},
       {"d/", "d/f=3"}},
      {"WhiteoutsCountWhereverTheyStand",
       {{file("f", "1")}, {file("f", "2"), whiteout("f")}, {file("g", "3")}},
       {"f=2", "g=3"}},
      {"WhatIsHiddenMayComeBack",
       {{file("d/f", "1")}, {whiteout("d")}, {file("d/g", "2")}},
       {"d/", "d/g=2"}},
      {"OpaqueDirectory",
       {{directory("d"), file("d/f", "1"), directory("d/e"), file("d/e/g", "2")},
        {directory("d", 0700), file("d/n", "3"), opaque("d")}},
       {"d/", "d/n=3"}},
      {"OpaqueDirectoryThatTheLayerDoesNotName",
       {{directory("d", 0700), file("d/f", "1")}, {opaque("d")}},
       {"d/"}},
      {"OpaqueRoot", {{file("f", "1"), directory("d")}, {file("g", "2"), opaque("")}}, {"g=2"}},
      {"OpaqueMarksCountWhereverTheyStand",
       {{file("d/f", "1")}, {file("d/n", "2"), opaque("d")}},
       {"d/", "d/n=2"}},
  };
}

std::vector<Case> replacing_cases() {
  return {
      {"ADirectoryBecomesAFile",
       {{directory("a"), file("a/f", "1"), file("a.f", "2")}, {file("a", "3")}},
       {"a.f=2", "a=3"}},
      {"AFileBecomesADirectory",
       {{file("a", "1")}, {directory("a"), file("a/f", "2")}},
       {"a/", "a/f=2"}},
      {"AFileIsInTheWayOfAParent", {{file("a", "1")}, {file("a/f", "2")}}, {"a/", "a/f=2"}},
      {"ALinkBecomesADirectory",
       {{directory("b"), symlink_to("a", "b"), file("b/f", "1")},
        {directory("a"), file("a/g", "2")}},
       {"a/", "b/", "b/f=1", "a/g=2"}},
      {"ADirectoryBecomesALink",
       {{directory("a"), file("a/f", "1"), directory("b")}, {symlink_to("a", "b")}},
       {"b/", "a->b"}},
      {"DirectoriesMergeAndTheUpperOnesFactsCount",
       {{directory("d", 0700), file("d/f", "1")}, {directory("d", 01777)}},
       {"d/", "d/f=1"}},
      {"OfOneNameInATarTheLastWins", {{file("f", "1"), file("f", "2")}}, {"f=2"}},
      {"OfOneNameInATarTheLastWinsWhateverItIs",
       {{directory("a"), file("a/f", "1"), file("a", "2"), directory("a"), file("a/g", "3")}},
       {"a/", "a/g=3"}},
      {"DevicesAndFifos",
       {{special("null", kNull), special("pipe", layer::Device())}, {whiteout("pipe")}},
       {"null!"}},
  };
}

std::vector<Case> link_cases() {
  return {
      {"UsrMerge",
       {{directory("usr"), directory("usr/bin"), symlink_to("bin", "usr/bin"),
         file("usr/bin/sh", "1")},
        {file("bin/ls", "2"), file("bin/sh", "3")}},
       {"usr/", "usr/bin/", "bin->usr/bin", "usr/bin/ls=2", "usr/bin/sh=3"}},
      {"WhiteoutThroughALink",
       {{directory("usr/bin"), symlink_to("bin", "usr/bin"), file("usr/bin/sh", "1")},
        {whiteout("bin/sh")}},
       {"usr/", "usr/bin/", "bin->usr/bin"}},
      {"OpaqueThroughALink",
       {{directory("usr/bin"), symlink_to("bin", "/usr/bin"), file("usr/bin/sh", "1")},
        {file("bin/ls", "2"), opaque("bin")}},
       {"usr/", "usr/bin/", "bin->/usr/bin", "usr/bin/ls=2"}},
      {"ThroughADanglingLink",
       {{symlink_to("run", "var/run")}, {file("run/pid", "1")}},
       {"var/", "var/run/", "run->var/run", "var/run/pid=1"}},
      {"ThroughALinkOutOfTheRoot",
       {{symlink_to("up", "../../etc")}, {file("up/passwd", "1")}},
       {"etc/", "up->../../etc", "etc/passwd=1"}},
      {"ALoopOnTheWayIsReplaced", {{symlink_to("l", "l")}, {file("l/f", "1")}}, {"l/", "l/f=1"}},
      {"HardLinks",
       {{file("b", "1"), hardlink_to("a", "b"), hardlink_to("c", "a")}},
       {"b=1", "a==b", "c==b"}},
      {"HardLinkWhoseFileIsHidden",
       {{file("b", "1"), hardlink_to("c", "b"), hardlink_to("a", "b")}, {whiteout("b")}},
       {"a=1", "c==a"}},
      {"HardLinkWhoseFileIsReplaced",
       {{file("b", "1"), hardlink_to("a", "b")}, {file("b", "2")}},
       {"a=1", "b=2"}},
      {"HardLinkIntoALowerLayer",
       {{file("f", "1")}, {hardlink_to("h", "f")}, {whiteout("f")}},
       {"h=1"}},
      {"HardLinkWhoseFileIsReplacedInTheSameTar",
       {{file("f", "1"), hardlink_to("h", "f"), file("f", "2")}},
       {"h=1", "f=2"}},
      {"HardLinkThroughASymlink",
       {{directory("usr/lib"), symlink_to("lib", "usr/lib"), file("usr/lib/f", "1"),
         hardlink_to("lib/g", "lib/f")}},
       {"usr/", "usr/lib/", "lib->usr/lib", "usr/lib/f=1", "usr/lib/g==usr/lib/f"}},
      {"HardLinkToASymlink", {{symlink_to("a", "t"), hardlink_to("b", "a")}}, {"a->t", "b->t"}},
      {"HardLinkToADevice",
       {{special("null", kNull), hardlink_to("zero", "null")}},
       {"null!", "zero==null"}},
      {"HardLinkToItself", {{file("a", "1"), hardlink_to("a", "a")}}, {"a=1"}},
  };
}

INSTANTIATE_TEST_SUITE_P(Whiteouts, FlattenTable, ::testing::ValuesIn(whiteout_cases()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Replacing, FlattenTable, ::testing::ValuesIn(replacing_cases()),
                         [](const auto& test) { return test.param.name; });
INSTANTIATE_TEST_SUITE_P(Links, FlattenTable, ::testing::ValuesIn(link_cases()),
                         [](const auto& test) { return test.param.name; });

TEST(Flatten, KeepsAllThatHeadersSay) {
  auto entry = with_xattrs(file("f", "x"), {{"user.a", std::string("\0\xff", 2)}});
  entry.mode = 06711;
  entry.uid = 3'000'000'000;
  entry.gid = 5;
  entry.mtime = -7;
  auto folder = with_xattrs(directory("d", 01700), {{"user.d", "1"}});
  folder.mtime = 3;
  const auto back = read_tar(flat_tar({tar_of({entry, folder, special("null", kNull)})}));
  ASSERT_THAT(back, IsOk());
  const auto& d = (*back)[0].found.entry;
  const auto& f = (*back)[1].found.entry;
  EXPECT_EQ(d.mode, 01700U);
  EXPECT_EQ(d.mtime, 3);
  EXPECT_EQ(d.xattrs, folder.xattrs);
  EXPECT_EQ(f.mode, 06711U);
  EXPECT_EQ(f.uid, 3'000'000'000U);
  EXPECT_EQ(f.gid, 5U);
  EXPECT_EQ(f.mtime, -7);
  EXPECT_EQ(f.xattrs, entry.xattrs);
  EXPECT_EQ((*back)[2].found.entry.device, kNull);
}

TEST(Flatten, MakesALayerThatTellsWhatIsInIt) {
  const auto tars = tars_of({{file("f", "12345"), hardlink_to("h", "f"), file("g", "1")},
                             {whiteout("g"), symlink_to("l", "f")}});
  layer::LayerOptions options;
  options.compression = layer::Compression::kZstd;

  const auto layer = flatten(blobs_of(tars), options);

  ASSERT_THAT(layer, IsOk());
  EXPECT_EQ(layer->files, 1U);
  EXPECT_EQ(layer->content_bytes, 5U);
  EXPECT_EQ(layer->blob.descriptor().media_type, oci::media_type::kOciLayerZstd);
  EXPECT_EQ(layer->diff_id, oci::Digest::of(flat_tar(tars)));
  auto source = *layer->blob.open();
  const auto facts = layer::check_layer(*source);
  ASSERT_THAT(facts, IsOk());
  EXPECT_EQ(facts->digest, layer->blob.descriptor().digest);
  EXPECT_EQ(facts->diff_id, layer->diff_id);
}

TEST(Flatten, SaysWhichLayerIsWrong) {
  StringSink sink;
  auto blobs = blobs_of({tar_of({file("f", "1")}), tar_of({hardlink_to("h", "none")})});
  EXPECT_THAT(write_flat_tar(blobs, sink), FailsWith(Errc::kCorrupt, "layer 2: \"/h\" is a hard"));
}

TEST(Flatten, WritesOfTheTreeWhatIsWantedAndReadsNoLayerForNothing) {
  const auto tars =
      tars_of({{file("a/f", "1"), hardlink_to("b/f", "a/f"), hardlink_to("b/g", "a/f")},
               {file("b/h", "2"), file("c", "3")},
               {file("c", "4")}});
  auto blobs = blobs_of(tars);
  const auto tree = MergedTree::of(blobs);
  ASSERT_THAT(tree, IsOk());
  // The topmost one cannot be read any more.
  blobs.back() = layer::Blob(
      oci::Descriptor("", oci::Digest::of(""), 0),
      []() -> Result<std::unique_ptr<ByteSource>> { return Error(Errc::kNotFound, "it is gone"); });
  StringSink sink;
  const auto below_b = [](std::string_view path) { return path.starts_with("b"); };
  ASSERT_THAT(write_flat_tar(*tree, blobs, below_b, sink), IsOk());
  EXPECT_THAT(lines_of(sink.take()), ElementsAre("b/", "b/f=1", "b/g==b/f", "b/h=2"));
}

TEST(Flatten, PassesOnTheErrorOfWhereItGoes) {
  StringSink small(1000);
  EXPECT_THAT(write_flat_tar(blobs_of({tar_of({file("f", "1")})}), small),
              FailsWith(Errc::kInvalid, "more than the allowed 1000 bytes"));
}

TEST(Flatten, NoticesALayerThatIsAnotherTheSecondTime) {
  int opened = 0;
  const layer::Blob changing(
      oci::Descriptor("", oci::Digest::of(""), 0),
      [&opened]() -> Result<std::unique_ptr<ByteSource>> {
        return content_of(tar_of({file("f", ++opened == 1 ? "1" : "22")})).open();
      });
  StringSink sink;
  EXPECT_THAT(write_flat_tar({changing}, sink),
              FailsWith(Errc::kCorrupt, "layer 1: it changed while it was read"));
}

// --- Random layers
// --------------------------------------------------------------------------------

class FlattenRandom : public ::testing::TestWithParam<unsigned> {};

TEST_P(FlattenRandom, LayersUnpackToTheSameAsTheFlatOne) {
  for (unsigned part = 0; part < 10; ++part) {
    const auto tars = random_layers(GetParam() * 10 + part);
    const auto flat = flat_tar(tars);
    ASSERT_EQ(unpacked({flat}).str(), unpacked(tars).str()) << "part " << part;
    EXPECT_EQ(flat_tar({flat}), flat) << "part " << part;

    MemorySource source(flat);
    EXPECT_THAT(layer::check_layer(source), IsOk()) << "part " << part;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, FlattenRandom, ::testing::Range(1U, 41U));

// --- What GNU tar makes of it
// ---------------------------------------------------------------------

std::string xattrs_of(const std::filesystem::path& path) {
  std::string text;
  for (const auto* name : {"user.a", "user.b"}) {
    std::array<char, 100> value{};
    const auto size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    if (size >= 0)
      text +=
          " " + std::string(name) + "=" + std::string(value.data(), static_cast<std::size_t>(size));
  }
  return text;
}

/// What Unpacked::facts() says of the same, but found out from the system.
std::map<std::string, std::string> facts_on_disk(const std::filesystem::path& root) {
  std::map<std::string, std::string> facts;
  for (const auto& item : std::filesystem::recursive_directory_iterator(root)) {
    struct stat info {};
    EXPECT_EQ(::lstat(item.path().c_str(), &info), 0);
    const bool device = S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode);
    std::array<char, 100> text{};
    std::snprintf(text.data(), text.size(), " %c%o %u:%u",
                  S_ISDIR(info.st_mode)   ? 'd'
                  : S_ISREG(info.st_mode) ? 'f'
                  : S_ISLNK(info.st_mode) ? 'l'
                                          : 's',
                  info.st_mode & 07777, info.st_uid, info.st_gid);
    std::string line = text.data();
    if (S_ISLNK(info.st_mode)) line += " -> " + std::filesystem::read_symlink(item).string();
    if (device || S_ISFIFO(info.st_mode))
      line += " dev " +
              std::to_string(S_ISCHR(info.st_mode)   ? 0
                             : S_ISBLK(info.st_mode) ? 1
                                                     : 2) +
              " " + std::to_string(major(info.st_rdev)) + ":" + std::to_string(minor(info.st_rdev));
    line += xattrs_of(item.path());
    if (S_ISREG(info.st_mode)) {
      const auto bytes = *read_file(item.path(), 1 << 26);
      line += " \"" + bytes.substr(0, 20) + "\" " + oci::Digest::of(bytes).short_hex();
    }
    facts[item.path().string().substr(root.string().size() + 1)] = line;
  }
  return facts;
}

/// Names of one file, together.
std::set<std::set<std::string>> hard_links_on_disk(const std::filesystem::path& root) {
  std::map<ino_t, std::set<std::string>> files;
  for (const auto& item : std::filesystem::recursive_directory_iterator(root)) {
    struct stat info {};
    EXPECT_EQ(::lstat(item.path().c_str(), &info), 0);
    if (S_ISREG(info.st_mode) && info.st_nlink > 1)
      files[info.st_ino].insert(item.path().string().substr(root.string().size() + 1));
  }
  std::set<std::set<std::string>> groups;
  for (const auto& [inode, names] : files) groups.insert(names);
  return groups;
}

/// The same of the flat tar: lines "path==file".
std::set<std::set<std::string>> hard_links_in(const std::string& tar) {
  std::map<std::string, std::set<std::string>> files;
  std::set<std::string> regular;
  const auto entries = read_tar(tar);
  for (const auto& back : *entries) {
    const auto& entry = back.found.entry;
    if (entry.kind == EntryKind::kFile) regular.insert(entry.path);
    if (entry.kind == EntryKind::kHardlink && regular.contains(entry.link_target))
      files[entry.link_target].insert({entry.path, entry.link_target});
  }
  std::set<std::set<std::string>> groups;
  for (const auto& [file, names] : files) groups.insert(names);
  return groups;
}

class FlattenAndGnuTar : public ::testing::TestWithParam<unsigned> {};

TEST_P(FlattenAndGnuTar, AgreeOnWhatRandomLayersAre) {
  if (!has_program("tar")) GTEST_SKIP() << "GNU tar is not here";
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away and make devices";
  const auto directory = *TempDir::create("kiln-flatten-test");
  const auto archive = directory.path() / "flat.tar";
  const auto root = directory.path() / "root";
  std::filesystem::create_directory(root);
  const auto tars = random_layers(GetParam() + 5000);
  const auto flat = flat_tar(tars);
  ASSERT_THAT(write_file_atomically(archive, flat), IsOk());

  const auto unpacking =
      output_of("tar --numeric-owner --xattrs --same-permissions --same-owner -C " + root.string() +
                " -xf " + archive.string());

  if (!unpacking) GTEST_SKIP() << "tar cannot make devices here";
  EXPECT_EQ(facts_on_disk(root), unpacked(tars).facts());
  EXPECT_EQ(hard_links_on_disk(root), hard_links_in(flat));
}

INSTANTIATE_TEST_SUITE_P(Seeds, FlattenAndGnuTar, ::testing::Range(1U, 31U));

}  // namespace
}  // namespace kiln::image
