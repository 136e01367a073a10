#include "core/layer/tar_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/core/layer/tar_pieces.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

std::vector<Entry> every_kind() {
  auto owned = with_xattrs(file("usr/x", sample_bytes(5000)),
                           {{"security.capability", std::string("\1\0\0\2", 4)}, {"user.e", ""}});
  owned.mode = 04755;
  owned.uid = 3000000;
  owned.gid = 101;
  owned.mtime = -5;
  auto folder = with_xattrs(directory("usr", 02755), {{"user.caf\xc3\xa9", "1\n2 x=y\n"}});
  folder.mtime = 1700000000;
  return {folder,
          owned,
          file("usr/empty"),
          symlink_to("bin", "usr/bin"),
          special("dev/null", {Device::Type::kCharacter, 1, 3}),
          special("dev/sda", {Device::Type::kBlock, 8, 2097151}),
          special("run/pipe", {}),
          hardlink_to("usr/y", "usr/x"),
          whiteout("usr/gone")};
}

void expect_equal(const Entry& got, const Entry& want) {
  EXPECT_EQ(got.path, want.path);
  EXPECT_EQ(got.kind, want.kind) << want.path;
  EXPECT_EQ(got.link_target, want.link_target) << want.path;
  EXPECT_EQ(got.xattrs, want.xattrs) << want.path;
  EXPECT_EQ(got.device, want.device) << want.path;
  if (want.kind == EntryKind::kWhiteout) return;
  EXPECT_EQ(got.mode, want.kind == EntryKind::kSymlink ? 0777U : want.mode) << want.path;
  EXPECT_EQ(got.uid, want.uid) << want.path;
  EXPECT_EQ(got.gid, want.gid) << want.path;
  EXPECT_EQ(got.mtime, *entry_time(want, {})) << want.path;
}

TEST(TarReader, GivesBackAllThatTarWriterWrote) {
  const auto entries = every_kind();
  const auto tar = tar_of(entries);
  for (const auto& bytes :
       {tar, compress(Compression::kGzip, tar), compress(Compression::kZstd, tar)}) {
    const auto got = read_tar(bytes);

    ASSERT_TRUE(got.has_value()) << got.error().message;
    ASSERT_EQ(got->size(), entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      expect_equal((*got)[i].found.entry, entries[i]);
      EXPECT_EQ((*got)[i].found.size_bytes, entries[i].content.size_bytes());
      EXPECT_FALSE((*got)[i].found.opaque);
      EXPECT_EQ((*got)[i].text, entries[i].content.size_bytes() > 0 ? sample_bytes(5000) : "");
    }
  }
}

TEST(TarReader, ReadsContentInStepsOfAnySize) {
  const auto tar = tar_of({file("a", sample_bytes(3000)), file("b", sample_bytes(700, 2))});
  for (const std::size_t step : {1U, 511U, 512U, 513U, 100'000U}) {
    const auto got = read_tar(tar, {}, step);
    ASSERT_TRUE(got.has_value()) << got.error().message;
    EXPECT_EQ((*got)[0].text, sample_bytes(3000)) << step;
    EXPECT_EQ((*got)[1].text, sample_bytes(700, 2)) << step;
  }
}

TEST(TarReader, SkipsWhatWasNotRead) {
  const auto tar = tar_of(
      {file("a", sample_bytes(200'000)), file("b", sample_bytes(200'000, 2)), file("c", "end")});
  MemorySource source(tar);
  auto reader = TarReader::open(source, {});
  ASSERT_TRUE(reader.has_value());
  std::string text(1000, '\0');

  EXPECT_EQ((**(*reader)->next()).entry.path, "a");
  EXPECT_EQ((**(*reader)->next()).entry.path, "b");
  ASSERT_EQ(*(*reader)->read(text), 1000U);
  EXPECT_EQ(text, sample_bytes(200'000, 2).substr(0, 1000));
  EXPECT_EQ((**(*reader)->next()).entry.path, "c");
  ASSERT_EQ(*(*reader)->read(text), 3U);
  EXPECT_EQ(text.substr(0, 3), "end");
  EXPECT_EQ(*(*reader)->read(text), 0U);
  for (int again = 0; again < 3; ++again) EXPECT_FALSE((*reader)->next()->has_value());
}

TEST(TarReader, TellsWhereContentStandsInAPlainTarOnly) {
  const auto tar = tar_of({file("a", sample_bytes(3000)), file(std::string(200, 'b'), "text")});
  MemorySource plain(tar);
  auto reader = TarReader::open(plain, {});
  ASSERT_TRUE(reader.has_value());

  ASSERT_TRUE((*reader)->next()->has_value());
  const auto first = (*reader)->content_offset();
  ASSERT_TRUE((*reader)->next()->has_value());
  const auto second = (*reader)->content_offset();

  EXPECT_EQ(tar.substr(first.value_or(0), 3000), sample_bytes(3000));
  EXPECT_EQ(tar.substr(second.value_or(0), 4), "text");
  const auto packed = compress(Compression::kGzip, tar);
  MemorySource source(packed);
  auto unpacking = TarReader::open(source, {});
  ASSERT_TRUE(unpacking.has_value());
  ASSERT_TRUE((*unpacking)->next()->has_value());
  EXPECT_FALSE((*unpacking)->content_offset().has_value());
}

/// Counts what is read of it.
class SkippingSource final : public ByteSource {
 public:
  explicit SkippingSource(std::string_view bytes) : bytes_(bytes) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const auto count = bytes_.copy(buffer.data(), buffer.size());
    bytes_.remove_prefix(count);
    read_ += count;
    return count;
  }
  std::uint64_t skip(std::uint64_t bytes) override {
    const auto count = std::min<std::uint64_t>(bytes, bytes_.size());
    bytes_.remove_prefix(count);
    return count;
  }
  std::size_t read_bytes() const { return read_; }

 private:
  std::string_view bytes_;
  std::size_t read_ = 0;
};

TEST(TarReader, PassesOverContentOfAPlainTarThatNobodyReads) {
  const auto tar = tar_of({file("a", sample_bytes(5'000'000)), file("b", "text")});
  SkippingSource source(tar);

  auto reader = TarReader::open(source, {});

  ASSERT_TRUE(reader.has_value());
  EXPECT_EQ((**(*reader)->next()).entry.path, "a");
  EXPECT_EQ((**(*reader)->next()).entry.path, "b");
  std::string text(10, '\0');
  ASSERT_EQ(*(*reader)->read(text), 4U);
  EXPECT_EQ(text.substr(0, 4), "text");
  EXPECT_FALSE((*reader)->next()->has_value());
  EXPECT_LT(source.read_bytes(), 200'000U);
}

TEST(TarReader, TellsATarThatEndsWithinContentThatIsPassedOver) {
  const auto tar = tar_of({file("a", sample_bytes(5'000'000))}).substr(0, 3'000'000);
  SkippingSource source(tar);

  auto reader = TarReader::open(source, {});

  ASSERT_TRUE(reader.has_value());
  ASSERT_TRUE((*reader)->next().has_value());
  const auto next = (*reader)->next();
  ASSERT_TRUE(next.has_error());
  EXPECT_EQ(next.error().code, Errc::kCorrupt);
}

TEST(TarReader, LeavesDuplicatesToItsCaller) {
  const auto got = read_tar(archive_of({raw_file("a", "1"), raw_file("./a", "2"), raw("a/")}));
  ASSERT_TRUE(got.has_value()) << got.error().message;
  ASSERT_EQ(got->size(), 3U);
  for (const auto& entry : *got) EXPECT_EQ(entry.found.entry.path, "a");
  EXPECT_EQ((*got)[1].text, "2");
  EXPECT_EQ((*got)[2].found.entry.kind, EntryKind::kDirectory);
}

TEST(TarReader, TellsWhiteoutsOpaqueDirectoriesAndLeavesOutAufsFiles) {
  const auto got =
      read_tar(archive_of({raw("etc/.wh.old"), raw("srv/.wh..wh..opq"), raw(".wh..wh..opq"),
                           raw(".wh..wh.plnk/12.34"), raw(".wh..wh.aufs"), raw_directory("./")}));
  ASSERT_TRUE(got.has_value()) << got.error().message;
  std::vector<std::string> told;
  for (const auto& [found, text] : *got)
    told.push_back(found.entry.path + (found.entry.kind == EntryKind::kWhiteout ? " gone" : "") +
                   (found.opaque ? " opaque" : ""));
  EXPECT_EQ(told,
            (std::vector<std::string>{"etc/old gone", "srv gone opaque", " gone opaque", ""}));
}

TEST(TarReader, GivesNoBytesOfAWhiteout) {
  const auto got = read_tar(archive_of({raw_file("a/.wh.b", "bytes"), raw_file("c", "x")}));
  ASSERT_TRUE(got.has_value()) << got.error().message;
  ASSERT_EQ(got->size(), 2U);
  EXPECT_EQ((*got)[0].text, "");
  EXPECT_EQ((*got)[1].text, "x");
}

struct TimeCase {
  std::string name, text;
  std::int64_t seconds;
};

class PaxTime : public testing::TestWithParam<TimeCase> {};

TEST_P(PaxTime, BecomesTheWholeSecondBeforeIt) {
  const auto got = read_tar(archive_of({pax({{"mtime", GetParam().text}}), raw("a")}));
  ASSERT_TRUE(got.has_value()) << got.error().message;
  EXPECT_EQ(got->front().found.entry.mtime, GetParam().seconds);
}

INSTANTIATE_TEST_SUITE_P(Table, PaxTime,
                         testing::ValuesIn(std::vector<TimeCase>{
                             {"Whole", "1700000000", 1700000000},
                             {"Fraction", "1700000000.999999999", 1700000000},
                             {"ManyDigits", "1.9999999999999", 1},
                             {"Negative", "-5", -5},
                             {"NegativeFraction", "-1.5", -2},
                             {"NegativeZeroFraction", "-3.000", -3},
                             {"BeyondUstar", "8589934592", 8589934592},
                             {"LongAgo", "-99999999999999999999", INT64_MIN + 1},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST(TarReader, TakesTheLastOfTwoXattrsOfOneName) {
  const auto got = read_tar(archive_of(
      {pax({{"SCHILY.xattr.user.a", "first"}, {"SCHILY.xattr.user.a", "second"}}), raw("a")}));
  ASSERT_TRUE(got.has_value()) << got.error().message;
  EXPECT_EQ(got->front().found.entry.xattrs,
            (std::map<std::string, std::string>{{"user.a", "second"}}));
}

TEST(TarReader, KnowsTheOtherTwoSpellingsOfXattrs) {
  const auto got = read_tar(archive_of(
      {pax({{"LIBARCHIVE.xattr.user.%61", "aGk"}, {"RHT.security.selinux", "label"}}), raw("a")}));
  ASSERT_TRUE(got.has_value()) << got.error().message;
  EXPECT_EQ(got->front().found.entry.xattrs,
            (std::map<std::string, std::string>{{"security.selinux", "label"}, {"user.a", "hi"}}));
}

/// A sparse file in the form that GNU tar 1.34 writes by default: the map stands before the data.
std::string sparse(const std::string& name, const std::string& size, const std::string& map,
                   const std::string& data) {
  return pax({{"GNU.sparse.major", "1"},
              {"GNU.sparse.minor", "0"},
              {"GNU.sparse.name", name},
              {"GNU.sparse.realsize", size}}) +
         raw_file("GNUSparseFile.0/x", padded(map) + data);
}

TEST(TarReader, FillsTheHolesOfSparseFilesWithZeros) {
  const auto tar = archive_of({sparse("holes", "2600", "3\n0\n4\n1024\n6\n2600\n0\n", "headmiddle"),
                               sparse("nothing", "700", "1\n700\n0\n", ""), raw_file("b", "x")});
  const auto want = "head" + std::string(1020, '\0') + "middle" + std::string(2600 - 1030, '\0');
  for (const std::size_t step : {1U, 100U, 4096U}) {
    const auto got = read_tar(tar, {}, step);
    ASSERT_TRUE(got.has_value()) << got.error().message;
    ASSERT_EQ(got->size(), 3U);
    EXPECT_EQ((*got)[0].found.entry.path, "holes");
    EXPECT_EQ((*got)[0].found.size_bytes, 2600U);
    EXPECT_EQ((*got)[0].text, want);
    EXPECT_EQ((*got)[1].text, std::string(700, '\0'));
    EXPECT_EQ((*got)[2].text, "x");
  }
}

/// libarchive keeps all pieces of a sparse file in memory: 48 bytes for "0\n0\n", and 1 KB for each
/// block of the older form; some 100 KB of gzip can hold what takes gigabytes.
TEST(TarReader, LimitsTheMapOfASparseFile) {
  std::string map = "9999999999\n";
  while (map.size() < (32 << 20)) map += "0\n0\n";
  const auto newer = archive_of({sparse("s", "0", map, "")});
  auto older = patched(with_type("s", 'S'), 257, std::string_view("ustar  \0", 8));
  older = patched(patched(older, 386, "00000000000"), 482, "\1");
  const auto block = "00000000000" + std::string(493, '\0') + "\1" + std::string(7, '\0');
  for (int i = 0; i < 64 * 1024; ++i) older += block;
  for (const auto& tar : {newer, archive_of({older}), compress(Compression::kGzip, newer)}) {
    const auto got = read_tar(tar);
    ASSERT_TRUE(got.has_error());
    EXPECT_EQ(got.error().code, Errc::kInvalid);
    EXPECT_EQ(got.error().message, "the tar has a header of more than 8 MiB");
  }
}

/// GNU's old format tells a sparse file's pieces and its size in the header, and may lie.
TEST(TarReader, FindsASparseMapThatIsNotTrueAlsoWhenTheFileIsSkipped) {
  auto header = patched(with_type("s", 'S'), 257, std::string_view("ustar  \0", 8));
  header = with_size(patched(header, 398, "00000000001"), 1);
  const auto short_file = patched(header, 483, "00000021450");
  const auto beyond = patched(patched(header, 483, "00000000001"), 386, "00000400000");
  const auto no_map =
      patched(patched(raw("s"), 257, std::string_view("ustar  \0", 8)), 483, "00000000100");
  for (const auto& [lying, why] : {std::pair(short_file, "the tar has less content than it says"),
                                   std::pair(no_map, "the tar has less content than it says"),
                                   std::pair(beyond, "the tar has a sparse file out of order")}) {
    const auto tar = archive_of({lying + (lying == no_map ? "" : padded("x"))});
    const auto read = read_tar(tar);
    ASSERT_TRUE(read.has_error());
    EXPECT_TRUE(read.error().message.starts_with(why)) << read.error().message;

    MemorySource source(tar);
    const auto skipping = TarReader::open(source, {});
    ASSERT_TRUE(skipping.has_value());
    ASSERT_TRUE((*skipping)->next().has_value());
    const auto next = (*skipping)->next();
    ASSERT_TRUE(next.has_error()) << why;
    EXPECT_EQ(next.error().message, read.error().message);
  }
}

TEST(TarReader, CountsHolesAsUnpackedBytes) {
  const auto tar = archive_of(
      {sparse("a", "60000", "1\n60000\n0\n", ""), sparse("b", "60000", "1\n60000\n0\n", "")});
  ReadLimits limits;
  limits.max_uncompressed_bytes = 100'000;
  const auto got = read_tar(tar, limits);
  ASSERT_TRUE(got.has_error());
  EXPECT_EQ(got.error().code, Errc::kInvalid);
  EXPECT_EQ(got.error().message, "the tar unpacks to more than the allowed 100000 bytes");
}

TEST(TarReader, LimitsNamesAndAttributesTogether) {
  ReadLimits limits;
  limits.max_metadata_bytes = 200;
  EXPECT_TRUE(read_tar(archive_of({raw(std::string(200, 'a'))}), limits).has_value());
  for (const auto& tar : {archive_of({raw(std::string(100, 'a')), raw(std::string(101, 'b'))}),
                          tar_of({symlink_to("a", std::string(200, 't'))}),
                          tar_of({with_xattrs(file("a"), {{"user.x", std::string(194, 'v')}})})}) {
    const auto got = read_tar(tar, limits);
    ASSERT_TRUE(got.has_error());
    EXPECT_EQ(got.error().code, Errc::kInvalid);
    EXPECT_EQ(got.error().message,
              "the tar has more than the allowed 200 bytes of names and attributes");
  }
}

/// Endless: a tar and then zeros for ever.
class EndlessSource final : public ByteSource {
 public:
  explicit EndlessSource(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    for (auto& byte : buffer) byte = at_ < bytes_.size() ? bytes_[at_++] : '\0';
    return buffer.size();
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

TEST(TarReader, GivesUpOnASourceThatNeverEnds) {
  ReadLimits limits;
  limits.max_uncompressed_bytes = 1 << 20;
  EndlessSource source(archive_of({raw("a")}));
  const auto got = read_tar(source, limits);
  ASSERT_TRUE(got.has_error());
  EXPECT_EQ(got.error().code, Errc::kInvalid);
  EXPECT_EQ(got.error().message,
            "more than the allowed 1048576 bytes, the last of them after the tar's end");
}

TEST(TarReader, LeavesTheThreadsLocaleAsItWas) {
  std::setlocale(LC_ALL, "C.UTF-8");
  const auto before = ::uselocale(nullptr);
  const auto got = read_tar(tar_of({file("caf\xc3\xa9", "x")}));
  const auto after = ::uselocale(nullptr);
  std::setlocale(LC_ALL, "C");
  ASSERT_TRUE(got.has_value()) << got.error().message;
  EXPECT_EQ(got->front().found.entry.path, "caf\xc3\xa9");
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace kiln::layer
