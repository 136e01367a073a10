#include "core/layer/layer_index.h"

#include <gtest/gtest.h>

#include <clocale>
#include <string>
#include <vector>

#include "core/base/sha256.h"
#include "tests/unit/core/layer/tar_pieces.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

std::vector<std::string> paths_of(const LayerIndex& index) {
  std::vector<std::string> paths;
  for (const auto& entry : index.entries) paths.push_back(entry.path);
  return paths;
}

std::vector<Entry> some_entries() {
  auto tmp = directory("tmp", 01777);
  auto owned = file("var/x", sample_bytes(5000));
  owned.uid = 3000000;
  owned.gid = 101;
  owned.mode = 04755;
  return {directory("usr"), symlink_to("bin", "usr/bin"), tmp, owned,
          hardlink_to("var/y", "var/x")};
}

TEST(IndexLayer, ReadsPlainGzipAndZstdAlike) {
  const auto tar = tar_of(some_entries());
  const auto plain = index_bytes(tar);
  ASSERT_TRUE(plain.has_value()) << plain.error().message;
  ASSERT_EQ(paths_of(*plain), (std::vector<std::string>{"bin", "tmp", "usr", "var/x", "var/y"}));
  EXPECT_EQ(plain->entries[0].kind, EntryKind::kSymlink);
  EXPECT_EQ(plain->entries[0].link_target, "usr/bin");
  EXPECT_EQ(plain->entries[1].kind, EntryKind::kDirectory);
  EXPECT_EQ(plain->entries[1].mode, 01777U);
  EXPECT_EQ(plain->entries[3].kind, EntryKind::kFile);
  EXPECT_EQ(plain->entries[3].mode, 04755U);
  EXPECT_EQ(plain->entries[3].uid, 3000000U);
  EXPECT_EQ(plain->entries[3].gid, 101U);
  EXPECT_EQ(plain->entries[4].kind, EntryKind::kHardlink);
  EXPECT_EQ(plain->entries[4].link_target, "var/x");

  for (const auto compression : {Compression::kGzip, Compression::kGzipSmall, Compression::kZstd}) {
    const auto index = index_bytes(compress(compression, tar));
    ASSERT_TRUE(index.has_value()) << index.error().message;
    EXPECT_EQ(index->entries, plain->entries);
  }
  // Two gzip members, as some tools make layers.
  const auto members = index_bytes(compress(Compression::kGzip, tar.substr(0, 700)) +
                                   compress(Compression::kGzip, tar.substr(700)));
  ASSERT_TRUE(members.has_value()) << members.error().message;
  EXPECT_EQ(members->entries, plain->entries);
}

TEST(IndexLayer, KeepsNamesByteForByteInAnyLocale) {
  const std::vector<std::string> names = {std::string(100, 'a'),
                                          std::string(101, 'b'),
                                          "caf\xc3\xa9",
                                          "cafe\xcc\x81",
                                          "caf\xe9",
                                          std::string(155, 'p') + "/" + std::string(100, 'n'),
                                          std::string(250, 'q') + "/x"};
  std::vector<Entry> entries;
  for (const auto& name : names) entries.push_back(file(name));
  entries.push_back(symlink_to("zz", "cafe\xcc\x81/\xe9"));
  const auto tar = tar_of(entries);
  for (const auto* locale : {"C", "C.UTF-8"}) {
    std::setlocale(LC_ALL, locale);
    const auto index = index_bytes(tar);
    std::setlocale(LC_ALL, "C");
    ASSERT_TRUE(index.has_value()) << index.error().message;
    auto sorted = names;
    sorted.emplace_back("zz");
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(paths_of(*index), sorted) << locale;
    EXPECT_EQ(index->entries[index->entries.size() - 1].link_target, "cafe\xcc\x81/\xe9");
  }
}

TEST(IndexLayer, CleansNames) {
  const auto index = index_bytes(archive_of(
      {raw_directory("."), raw_directory("./usr"), raw("./usr//x"), raw("usr/./y"), raw("./z")}));
  ASSERT_TRUE(index.has_value()) << index.error().message;
  EXPECT_EQ(paths_of(*index), (std::vector<std::string>{"", "usr", "usr/x", "usr/y", "z"}));
}

TEST(IndexLayer, TakesTheLongestNamesThatALayerOfOursCanHave) {
  std::string path(255, 'n');
  while (path.size() < 3839) path += "/" + std::string(255, 'n');
  const auto index = index_bytes(tar_of({directory(path), whiteout(path + "x")}));
  ASSERT_TRUE(index.has_error());  // The last part has 256 bytes.

  const auto longest =
      index_bytes(tar_of({directory(path), whiteout(path + "/" + path.substr(0, 255))}));
  ASSERT_TRUE(longest.has_value()) << longest.error().message;
  EXPECT_EQ(longest->entries[1].path.size(), 4095U);
}

TEST(IndexLayer, LetsTheLastOfTwoEntriesWin) {
  const auto index = index_bytes(archive_of({raw("a"), raw_directory("a"), raw("./a/")}));
  ASSERT_TRUE(index.has_value()) << index.error().message;
  ASSERT_EQ(index->entries.size(), 1U);
}

TEST(IndexLayer, TurnsWhiteoutNamesIntoWhiteouts) {
  const auto index = index_bytes(archive_of(
      {raw(".wh.gone"), raw("etc/.wh.old"), raw_directory("etc"), raw_directory("var"),
       raw("var/.wh..wh..opq"), raw("srv/.wh..wh..opq"), raw(".wh..wh.plnk/12.34"),
       raw(".wh..wh.aufs"), raw("new"), raw(".wh.new"), raw_directory("made"), raw(".wh.made")}));
  ASSERT_TRUE(index.has_value()) << index.error().message;

  std::vector<std::string> told;
  for (const auto& entry : index->entries)
    told.push_back(entry.path + " " + std::to_string(static_cast<int>(entry.kind)) +
                   (entry.opaque ? " opaque" : ""));
  EXPECT_EQ(told, (std::vector<std::string>{"etc 0", "etc/old 4", "gone 4", "made 0 opaque",
                                            "new 1", "srv 4 opaque", "var 0 opaque"}));
}

TEST(IndexLayer, KnowsDeviceNodesAndFifosAsSpecial) {
  const auto index = index_bytes(archive_of(
      {with_type("dev/null", '3'), with_type("dev/sda", '4'), with_type("run/pipe", '6')}));
  ASSERT_TRUE(index.has_value()) << index.error().message;
  for (const auto& entry : index->entries) EXPECT_EQ(entry.kind, EntryKind::kSpecial) << entry.path;
  EXPECT_EQ(index->entries.size(), 3U);
}

struct BadLayer {
  std::string name, bytes, why;
};

class IndexLayerRejects : public testing::TestWithParam<BadLayer> {};

TEST_P(IndexLayerRejects, HostileArchives) {
  const auto index = index_bytes(GetParam().bytes);
  ASSERT_TRUE(index.has_error());
  EXPECT_EQ(index.error().code, Errc::kCorrupt) << index.error().message;
  EXPECT_NE(index.error().message.find(GetParam().why), std::string::npos) << index.error().message;
}

std::string bad_pax() {
  auto header = tar_header(file(std::string(101, 'x')), 0, 0);
  header.replace(512, 3, "999");
  return archive_of({header});
}

INSTANTIATE_TEST_SUITE_P(
    Table, IndexLayerRejects,
    testing::ValuesIn(std::vector<BadLayer>{
        {"DotDot", archive_of({raw("../x")}), "a name with \"..\": \"../x\""},
        {"DotDotInside", archive_of({raw("a/../../x")}), "a name with \"..\""},
        {"DotDotDirectory", archive_of({raw_directory("a/..")}), "a name with \"..\""},
        {"Absolute", archive_of({raw("/etc/passwd")}), "the absolute name \"/etc/passwd\""},
        {"ControlCharacters", archive_of({raw("../\x1b[2J")}), "\"../?[2J\""},
        {"HardlinkOut", archive_of({tar_header(hardlink_to("a", "../../etc/shadow"), 0, 0)}),
         "a hard link: the tar has a name with \"..\""},
        {"HardlinkAbsolute", archive_of({tar_header(hardlink_to("a", "/etc/shadow"), 0, 0)}),
         "a hard link: the tar has the absolute name"},
        {"RootThatIsAFile", archive_of({raw(".")}), "a root that is not a directory"},
        {"RootThatIsALink", archive_of({tar_header(symlink_to("./", "/host"), 0, 0)}),
         "a root that is not a directory"},
        {"LongPart", archive_of({raw(std::string(256, 'x'))}), "name part of more than 255 bytes"},
        {"LongName", archive_of({raw([] {
           std::string path;
           while (path.size() < 4100) path += "dir/";
           return path + "x";
         }())}),
         "name of more than 4095 bytes"},
        {"LongestNameOfAWhiteoutForAFile", archive_of({raw([] {
           std::string path;
           while (path.size() < 4095) path += "dir/";
           return path.substr(0, 4095) + "x";
         }())}),
         "name of more than 4095 bytes"},
        {"TerminalControls", archive_of({raw("../\xc2\x9b" "2J\xff")}), "\"../?2J?\""},
        {"GzipInGzip", compress(Compression::kGzip, compress(Compression::kGzip, tar_of({file("a")}))),
         "not a readable tar: \"it is compressed more than once\""},
        {"GzipInZstd", compress(Compression::kZstd, compress(Compression::kGzip, tar_of({file("a")}))),
         "not a readable tar: \"it is compressed more than once\""},
        {"EmptySymlink", archive_of({tar_header(symlink_to("a", ""), 0, 0)}),
         "symlink without a usable target"},
        {"DirectoryWithContent",
         archive_of({pax({{"size", "512"}}), raw_directory("d"), raw("smuggled")}),
         "content where there can be none, at \"d\""},
        {"WhiteoutDirectoryWithContent",
         archive_of({pax({{"size", "512"}}), raw_directory("d/.wh.x"), raw("smuggled")}),
         "content where there can be none, at \"d/.wh.x\""},
        {"HardLinkOfAufsWithContent",
         archive_of({pax({{"size", "512"}}), tar_header(hardlink_to(".wh..wh.plnk/1", "a"), 0, 0),
                     raw("smuggled")}),
         "content where there can be none, at \".wh..wh.plnk/1\""},
        {"WhiteoutOfNothing", archive_of({raw("a/.wh.")}), "a whiteout of nothing"},
        {"WhiteoutOfDotDot", archive_of({raw("a/.wh...")}), "a whiteout of nothing"},
        {"BelowAWhiteout", archive_of({raw(".wh.a/b")}), "something below a whiteout"},
        {"WhiteoutBelowAWhiteout", archive_of({raw(".wh.a/.wh.b")}), "something below a whiteout"},
        {"Empty", "", "not a readable tar"},
        {"Text", "this is not a tar, whatever its name says\n", "not a readable tar"},
        {"Zip", std::string("PK\x03\x04", 4) + std::string(600, '\0'), "not a readable tar"},
        {"WrongChecksum",
         [] {
           auto tar = archive_of({raw("a"), raw("b")});
           tar[512 + 10] = '!';
           return tar;
         }(),
         "not a readable tar"},
        {"MalformedPax", bad_pax(), "not a readable tar"},
        {"CutInTheContent", tar_of({file("a", std::string(5000, 'x'))}).substr(0, 2000),
         "not a readable tar"},
        {"CutInTheHeader", tar_of({file("a")}).substr(0, 300), "not a readable tar"},
        {"TruncatedGzip",
         [] {
           const auto bytes =
               compress(Compression::kGzip, tar_of({file("a", sample_bytes(100'000))}));
           return bytes.substr(0, bytes.size() / 2);
         }(),
         "not a readable tar"},
        {"TruncatedZstd",
         [] {
           const auto bytes =
               compress(Compression::kZstd, tar_of({file("a", sample_bytes(100'000))}));
           return bytes.substr(0, bytes.size() / 2);
         }(),
         "not a readable tar"},
        {"BrokenGzip",
         [] {
           auto bytes = compress(Compression::kGzip, tar_of({file("a", sample_bytes(100'000))}));
           bytes[10] = '\x07';  // A kind of deflate block that there is not.
           return bytes;
         }(),
         "not a readable tar"},
        {"ZstdWindowOf2GiB", zstd_bytes(tar_of({file("a")}), 31), "not a readable tar"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(IndexLayer, TakesAZstdWindowOf128MiB) {
  const auto index = index_bytes(zstd_bytes(tar_of({file("a")}), 27));
  EXPECT_TRUE(index.has_value()) << index.error().message;
}

TEST(IndexLayer, RefusesToUnpackABomb) {
  // 80 MiB of zeros become some 7 KiB of zstd: more than 10 000 to 1.
  const auto bomb = compress(Compression::kZstd, tar_of({file("a", std::string(80 << 20, '\0'))}));
  const auto index = index_bytes(bomb);
  ASSERT_TRUE(index.has_error());
  EXPECT_EQ(index.error().code, Errc::kInvalid);
  EXPECT_EQ(index.error().message, "the tar unpacks to more than 2000 times its size");
}

TEST(IndexLayer, HasLimitsForBytesAndEntries) {
  const auto tar = tar_of({file("a", sample_bytes(100'000)), file("b"), file("c")});
  ReadLimits bytes;
  bytes.max_uncompressed_bytes = 50'000;
  EXPECT_EQ(index_bytes(compress(Compression::kGzip, tar), bytes).error().message,
            "the tar unpacks to more than the allowed 50000 bytes");
  ReadLimits entries;
  entries.max_entries = 2;
  EXPECT_EQ(index_bytes(tar, entries).error().message,
            "the tar has more than the allowed 2 entries");
  EXPECT_EQ(index_bytes(tar, entries).error().code, Errc::kInvalid);
}

/// Fails after so many bytes.
class BreakingSource final : public ByteSource {
 public:
  BreakingSource(std::string bytes, std::size_t good) : bytes_(std::move(bytes)), good_(good) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const auto count = std::min({buffer.size(), good_, bytes_.size()});
    if (count == 0) return Error(Errc::kUnavailable, "connection reset");
    std::copy_n(bytes_.begin(), count, buffer.begin());
    bytes_.erase(0, count);
    good_ -= count;
    return count;
  }

 private:
  std::string bytes_;
  std::size_t good_;
};

TEST(IndexLayer, PassesOnTheSourcesOwnError) {
  const auto bytes = compress(Compression::kGzip, tar_of(some_entries()));
  for (const std::size_t good : {std::size_t{0}, std::size_t{20}, bytes.size() / 2, bytes.size()}) {
    BreakingSource source(bytes, good);
    const auto index = index_layer(source, {});
    ASSERT_TRUE(index.has_error()) << good;
    EXPECT_EQ(index.error().code, Errc::kUnavailable);
    EXPECT_EQ(index.error().message, "connection reset");
  }
}

TEST(IndexLayer, ReadsTheSourceToItsEnd) {
  const auto bytes = tar_of({file("a")}) + std::string(300'000, '\0');
  MemorySource source(bytes);
  ASSERT_TRUE(index_layer(source, {}).has_value());
  char byte = 0;
  EXPECT_EQ(*source.read(std::span(&byte, 1)), 0U);
}

LayerIndex some_index() {
  auto index = *index_bytes(
      archive_of({raw_directory("."), raw_directory("usr"), raw("usr/caf\xe9"), raw("usr/.wh.old"),
                  raw("srv/.wh..wh..opq"), with_type("dev", '3')}));
  auto more = *index_bytes(tar_of(some_entries()));
  index.entries.insert(index.entries.end(), more.entries.end() - 2, more.entries.end());
  std::sort(index.entries.begin(), index.entries.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return index;
}

TEST(LayerIndexBytes, ComeBackAsTheyWere) {
  const auto index = some_index();
  const auto back = LayerIndex::from_bytes(index.to_bytes());
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->entries, index.entries);
  EXPECT_EQ(back->to_bytes(), index.to_bytes());
  EXPECT_TRUE(LayerIndex::from_bytes(LayerIndex().to_bytes())->entries.empty());
}

TEST(LayerIndexBytes, ArePinned) {
  LayerIndex index;
  index.entries = index_bytes(archive_of({raw_directory("usr"), raw("usr/x")}))->entries;
  index.entries[1].size_bytes = 3;
  index.entries[1].mtime = -7;
  EXPECT_EQ(index.to_bytes().substr(84), std::string("0 d 755 0 0 0 0\0usr\0\0"
                                                     "3 f 644 0 0 3 -7\0/x\0\0",
                                                     21 + 21));
}

TEST(LayerIndexBytes, AreRefusedAfterAnyChange) {
  const auto good = some_index().to_bytes();
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const auto index = LayerIndex::from_bytes(bad);
    ASSERT_TRUE(index.has_error()) << "byte " << i;
    EXPECT_EQ(index.error().code, Errc::kCorrupt);
  }
  for (std::size_t i = 0; i < good.size(); ++i)
    ASSERT_TRUE(LayerIndex::from_bytes(good.substr(0, i)).has_error()) << "cut at " << i;
  EXPECT_TRUE(LayerIndex::from_bytes(good + "x").has_error());
}

TEST(LayerIndexBytes, AreRefusedWhenOnlyTheChecksumIsRight) {
  const auto sealed = [](const std::string& body) {
    return "kiln-layer-index/2 " + sha256_hex(body) + "\n" + body;
  };
  const auto z = std::string(1, '\0');
  ASSERT_TRUE(LayerIndex::from_bytes(sealed("0 d 755 0 0 0 -" + z + "a" + z + z)).has_value());
  for (const auto& body : std::vector<std::string>{
           "1 d 755 0 0 0 -" + z + "a" + z + z,           // Shares more than there is.
           "0 q 755 0 0 0 -" + z + "a" + z + z,           // Unknown kind.
           "0 dx 755 0 0 0 -" + z + "a" + z + z,          // Unknown mark.
           "0 d 10000 0 0 0 -" + z + "a" + z + z,         // Mode too large.
           "0 d 788 0 0 0 -" + z + "a" + z + z,           // Not octal.
           "0 d 755 -1 0 0 -" + z + "a" + z + z,          // Negative.
           "0 d 755 4294967296 0 0 -" + z + "a" + z + z,  // Too large.
           "0 d 755 0 0 0 -" + z + "a" + z,               // No target.
           "0 d 755 0 0 0 -" + z + "b" + z + z + "0 d 755 0 0 0 -" + z + "a" + z +
               z,                                                                // Out of order.
           "0 d 755 0 0 0 -" + z + "a" + z + z + "1 d 755 0 0 0 -" + z + z + z,  // Twice.
           "0 d 755 0 0" + z + "a" + z + z,                         // As version 1 had it.
           "0 d 755 0 0 -1 -" + z + "a" + z + z,                    // Negative size.
           "0 d 755 0 0 0 " + z + "a" + z + z,                      // No time.
           "0 d 755 0 0 0 1.5" + z + "a" + z + z,                   // No whole second.
           "0 d 755 0 0 0 -" + z + std::string(4096, 'a') + z + z,  // No path is so long.
           " d 755 0 0 0 -" + z + "a" + z + z, "x"}) {
    const auto index = LayerIndex::from_bytes(sealed(body));
    ASSERT_TRUE(index.has_error()) << body;
    EXPECT_EQ(index.error().code, Errc::kCorrupt);
  }
}

}  // namespace
}  // namespace kiln::layer
