#include "core/layer/tar_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/sha256.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

constexpr std::size_t kPlain = 512;        // One ustar header.
constexpr std::size_t kWithPax = 3 * 512;  // PAX header, one block of records, ustar header.

std::string field(const std::string& header, std::size_t at, std::size_t size) {
  auto text = header.substr(header.size() - 512 + at, size);
  return text.substr(0, text.find('\0'));
}

std::string name_field(const std::string& header) {
  return field(header, 0, 100);
}
std::string prefix_field(const std::string& header) {
  return field(header, 345, 155);
}
std::string records_of(const std::string& header) {
  if (header.size() == 512) return "";
  return header.substr(512, header.find('\0', 512) - 512);
}

struct NameCase {
  std::string name, path, ustar_name, prefix, records;
};

class TarName : public testing::TestWithParam<NameCase> {};

TEST_P(TarName, GoesIntoUstarWhereItFitsAndIntoPaxWhereNot) {
  const auto& want = GetParam();
  const auto header = tar_header(Entry(want.path, EntryKind::kFile), kEpoch2020, 0);

  EXPECT_EQ(name_field(header), want.ustar_name);
  EXPECT_EQ(prefix_field(header), want.prefix);
  EXPECT_EQ(records_of(header), want.records);
  EXPECT_EQ(header.size() % 512, 0U);
}

const std::string kA50(50, 'a'), kB100(100, 'b'), kC101(101, 'c'), kD155(155, 'd'), kE156(156, 'e');

INSTANTIATE_TEST_SUITE_P(
    Table, TarName,
    testing::ValuesIn(std::vector<NameCase>{
        {"Short", "a", "a", "", ""},
        {"OneHundred", kB100, kB100, "", ""},
        {"OneHundredInTwoParts", kA50 + "/" + std::string(49, 'x'),
         kA50 + "/" + std::string(49, 'x'), "", ""},
        {"OneHundredAndOneInOnePart", kC101, std::string(100, 'c'), "", "111 path=" + kC101 + "\n"},
        {"OneHundredAndOneInTwoParts", kA50 + "/" + kA50, kA50, kA50, ""},
        {"LongestPrefixAndName", kD155 + "/" + kB100, kB100, kD155, ""},
        {"PrefixOneTooLong", kE156 + "/b", kE156.substr(0, 100), "", "168 path=" + kE156 + "/b\n"},
        {"NameOneTooLong", kD155 + "/" + kC101, kD155.substr(0, 100), "",
         "267 path=" + kD155 + "/" + kC101 + "\n"},
        {"SplitsAtTheLastPossibleSlash", "p/" + kA50 + "/" + kA50, kA50, "p/" + kA50, ""},
        {"Utf8", "caf\xc3\xa9", "caf__", "", "14 path=caf\xc3\xa9\n"},
        {"NotUtf8", "caf\xe9", "caf_", "", "21 hdrcharset=BINARY\n13 path=caf\xe9\n"},
        {"StandInDoesNotEndWithASlash", std::string(99, 'x') + "/" + kE156,
         std::string(99, 'x') + "_", "", "266 path=" + std::string(99, 'x') + "/" + kE156 + "\n"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(TarHeader, HoldsAThousandBytesOfName) {
  std::string path;
  while (path.size() < 1000) path += "0123456789/";
  path += "x";
  const auto header = tar_header(Entry(path, EntryKind::kFile), kEpoch2020, 0);

  EXPECT_EQ(header.size(), 4 * 512U);
  EXPECT_EQ(records_of(header), std::to_string(path.size() + 11) + " path=" + path + "\n");
}

TEST(TarHeader, CountsTheDigitsOfARecordsLengthToo) {
  // 99 bytes with a two-digit length would need a third digit, which makes 101 of it.
  for (std::size_t size = 80; size < 120; ++size) {
    const auto path = std::string(size - 1, 'x') + "\xc3\xa9";
    const auto records = records_of(tar_header(Entry(path, EntryKind::kFile), 0, 0));
    EXPECT_EQ(std::stoul(records), records.size()) << size;
  }
}

TEST(TarHeader, OfADirectoryEndsWithASlash) {
  EXPECT_EQ(name_field(tar_header(directory("usr/share"), 0, 0)), "usr/share/");
  const auto split = tar_header(directory(kA50 + "/" + kB100.substr(1)), 0, 0);
  EXPECT_EQ(split.size(), kPlain);
  EXPECT_EQ(name_field(split), kB100.substr(1) + "/");
  const auto pax = tar_header(directory(kB100), 0, 0);
  EXPECT_EQ(pax.size(), kWithPax);
  EXPECT_EQ(name_field(pax), kB100.substr(1) + "/");
  EXPECT_EQ(records_of(pax), "111 path=" + kB100 + "/\n");
}

TEST(TarHeader, IsAPinnedSequenceOfBytes) {
  auto entry = file("usr/share/x.html");
  entry.mode = 04755;
  entry.uid = 101;
  entry.gid = 2097151;
  const auto header = tar_header(entry, kEpoch2020, 8589934591);

  EXPECT_EQ(header.size(), kPlain);
  EXPECT_EQ(header.substr(0, 17), std::string("usr/share/x.html\0", 17));
  EXPECT_EQ(header.substr(100, 8), std::string("0004755\0", 8));
  EXPECT_EQ(header.substr(108, 8), std::string("0000145\0", 8));
  EXPECT_EQ(header.substr(116, 8), std::string("7777777\0", 8));
  EXPECT_EQ(header.substr(124, 12), std::string("77777777777\0", 12));
  EXPECT_EQ(header.substr(136, 12), std::string("13602760400\0", 12));
  EXPECT_EQ(header[156], '0');
  EXPECT_EQ(header.substr(257, 8), std::string("ustar\00000", 8));
  EXPECT_EQ(header.substr(265, 64), std::string(64, '\0'));
  EXPECT_EQ(header.substr(329, 16), std::string("0000000\0000000000\0", 16));
}

TEST(TarHeader, PutsIdsBeyondSevenOctalDigitsIntoPax) {
  auto entry = file("a");
  entry.uid = 2097152;
  entry.gid = 4294967295;
  const auto header = tar_header(entry, 0, 0);

  EXPECT_EQ(records_of(header), "18 gid=4294967295\n15 uid=2097152\n");
  EXPECT_EQ(field(header, 108, 8), "0000000");
  EXPECT_EQ(field(header, 116, 8), "0000000");
}

TEST(TarHeader, PutsSizesOfEightGibibytesIntoPax) {
  const auto header = tar_header(file("a"), 0, 8589934592);

  EXPECT_EQ(records_of(header), "19 size=8589934592\n");
  EXPECT_EQ(field(header, 124, 12), "00000000000");
}

TEST(TarHeader, PutsTimesOutOfRangeIntoPax) {
  EXPECT_EQ(tar_header(file("a"), 0, 0).size(), kPlain);
  EXPECT_EQ(tar_header(file("a"), 8589934591, 0).size(), kPlain);
  EXPECT_EQ(records_of(tar_header(file("a"), 8589934592, 0)), "20 mtime=8589934592\n");
  EXPECT_EQ(records_of(tar_header(file("a"), -1, 0)), "12 mtime=-1\n");
}

TEST(TarHeader, PutsLongAndForeignLinkTargetsIntoPax) {
  EXPECT_EQ(tar_header(symlink_to("a", kB100), 0, 0).size(), kPlain);
  EXPECT_EQ(records_of(tar_header(symlink_to("a", kC101), 0, 0)), "115 linkpath=" + kC101 + "\n");
  const auto header = tar_header(symlink_to("caf\xc3\xa9", "\xe9"), 0, 0);
  EXPECT_EQ(records_of(header), "21 hdrcharset=BINARY\n14 linkpath=\xe9\n14 path=caf\xc3\xa9\n");
  EXPECT_EQ(field(header, 157, 100), "_");
}

TEST(TarHeader, GivesSymlinksAndWhiteoutsTheirOneMode) {
  auto link = symlink_to("a", "b");
  link.mode = 0600;
  EXPECT_EQ(field(tar_header(link, 0, 0), 100, 8), "0000777");
  auto gone = whiteout("usr/share/x");
  gone.mode = 0;
  gone.uid = 7;
  const auto header = tar_header(gone, 0, 0);
  EXPECT_EQ(name_field(header), "usr/share/.wh.x");
  EXPECT_EQ(field(header, 100, 8), "0000644");
  EXPECT_EQ(field(header, 108, 8), "0000000");
  EXPECT_EQ(header[156], '0');
  EXPECT_EQ(name_field(tar_header(whiteout("x"), 0, 0)), ".wh.x");
}

TEST(TarHeader, PutsXattrsIntoPaxSortedAndByteForByte) {
  const std::string binary("\0\xff\n=", 4);
  const auto header = tar_header(
      with_xattrs(file("caf\xc3\xa9"), {{"user.b", ""}, {"security.capability", binary}}),
      kEpoch2020, 0);

  const auto want = "41 SCHILY.xattr.security.capability=" + binary + "\n" +
                    "24 SCHILY.xattr.user.b=\n" + "14 path=caf\xc3\xa9\n";
  EXPECT_EQ(header.substr(512, want.size()), want);
  EXPECT_EQ(header[512 + want.size()], '\0');
}

TEST(TarHeader, SaysWhichDeviceItIs) {
  using Type = Device::Type;
  struct Case {
    Device device;
    char type;
    std::string major, minor;
  };
  for (const auto& [device, type, major, minor] :
       std::vector<Case>{{{Type::kCharacter, 1, 3}, '3', "0000001", "0000003"},
                         {{Type::kBlock, 8, 2097151}, '4', "0000010", "7777777"},
                         {{Type::kFifo, 0, 0}, '6', "0000000", "0000000"}}) {
    const auto header = tar_header(special("dev/x", device), kEpoch2020, 0);
    EXPECT_EQ(header.size(), kPlain);
    EXPECT_EQ(header[156], type);
    EXPECT_EQ(field(header, 329, 8), major);
    EXPECT_EQ(field(header, 337, 8), minor);
  }
}

struct Unwritable {
  std::string name;
  Entry entry;
  std::string why;
};

class TarWriterRefuses : public testing::TestWithParam<Unwritable> {};

TEST_P(TarWriterRefuses, WhatATarCannotHold) {
  StringSink sink;
  const auto added = TarWriter(sink, {}).add(GetParam().entry);
  ASSERT_TRUE(added.has_error());
  EXPECT_EQ(added.error().code, Errc::kInvalid);
  EXPECT_EQ(added.error().message, GetParam().why);
  EXPECT_EQ(sink.str(), "");
}

INSTANTIATE_TEST_SUITE_P(
    Table, TarWriterRefuses,
    testing::ValuesIn(std::vector<Unwritable>{
        {"SomeDevice", Entry("dev/x", EntryKind::kSpecial),
         "\"/dev/x\" is a device, but it is not known which"},
        {"LargeMajor", special("dev/x", {Device::Type::kBlock, 2097152, 0}),
         "\"/dev/x\" has a device number that no tar can hold"},
        {"LargeMinor", special("dev/x", {Device::Type::kCharacter, 0, 2097152}),
         "\"/dev/x\" has a device number that no tar can hold"},
        {"NamelessXattr", with_xattrs(file("a"), {{"", "x"}}),
         "\"/a\" has an extended attribute whose name is empty or has \"=\" or NUL in it"},
        {"XattrNameWithEquals", with_xattrs(file("a"), {{"user.x=y", "x"}}),
         "\"/a\" has an extended attribute whose name is empty or has \"=\" or NUL in it"},
        {"XattrNameWithNul", with_xattrs(file("a"), {{std::string("user.x\0y", 8), "x"}}),
         "\"/a\" has an extended attribute whose name is empty or has \"=\" or NUL in it"},
        {"LargeXattrs",
         with_xattrs(directory("a"), {{"user.a", std::string(450'000, 'x')},
                                      {"user.b", std::string(450'000, 'x')}}),
         "\"/a\" has more than 900 KB of extended attributes"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(TarWriter, PadsContentAndEndsWithTwoZeroBlocks) {
  EXPECT_EQ(tar_of({}), std::string(1024, '\0'));
  EXPECT_EQ(tar_of({file("a", "")}).size(), 512U + 1024U);
  EXPECT_EQ(tar_of({file("a", "x")}).size(), 512U + 512U + 1024U);
  EXPECT_EQ(tar_of({file("a", std::string(512, 'x'))}).size(), 512U + 512U + 1024U);
  EXPECT_EQ(tar_of({file("a", std::string(513, 'x'))}).size(), 512U + 1024U + 1024U);
}

TEST(TarWriter, WritesTheSameBytesHoweverContentIsRead) {
  for (const std::size_t size : {0U, 1U, 511U, 512U, 1048576U, 1048577U, 3000000U}) {
    auto streamed = file("a");
    streamed.content = streamed_content_of(sample_bytes(size));
    EXPECT_EQ(sha256_hex(tar_of({file("a", sample_bytes(size))})), sha256_hex(tar_of({streamed})))
        << size;
  }
}

TEST(EntryTime, OfAFileComesFromTheFirst26BitsOfItsSha256) {
  // sha256("") = e3b0c442…; 0xe3b0c442 >> 6 = 59687697.
  EXPECT_EQ(*entry_time(file("a", ""), {}), kEpoch2020 + 59687697);
  // sha256("abc") = ba7816bf…
  EXPECT_EQ(*entry_time(file("a", "abc"), {}), kEpoch2020 + (0xba7816bf >> 6));
  auto streamed = file("a");
  streamed.content = streamed_content_of("abc");
  EXPECT_EQ(*entry_time(streamed, {}), kEpoch2020 + (0xba7816bf >> 6));
}

/// Announces `size` bytes and yields what `texts` say, another one each time it is opened.
Entry lying_file(std::uint64_t size, std::vector<std::string> texts) {
  auto turn = std::make_shared<std::size_t>(0);
  Entry entry("liar", EntryKind::kFile);
  entry.content = FileContent(size, [texts, turn]() -> Result<std::unique_ptr<ByteSource>> {
    auto bytes = std::make_shared<const std::string>(texts[(*turn)++ % texts.size()]);
    return std::unique_ptr<ByteSource>(std::make_unique<MemorySource>(*bytes, bytes));
  });
  return entry;
}

TEST(EntryTime, OfAFileThatIsKnownByItsSha256NeedsNoBytes) {
  auto known = file("a", "whatever");
  known.identity = "sha256:" + sha256_hex("abc");
  EXPECT_EQ(*entry_time(known, {}), kEpoch2020 + (0xba7816bf >> 6));
  for (const auto* other :
       {"sha256:ba7816bf", "late:1:2", "sha1:a9993e364706816aba3e25717850c26c9cd0d89d"}) {
    known.identity = other;
    EXPECT_EQ(*entry_time(known, {}), *entry_time(file("a", "whatever"), {})) << other;
  }
}

TEST(TarWriter, WritesTheSameBytesWhereTheSha256IsKnown) {
  for (const std::size_t size : {0U, 511U, 1048576U, 1048577U, 3000000U}) {
    auto known = file("a");
    known.content = streamed_content_of(sample_bytes(size));
    known.identity = "sha256:" + sha256_hex(sample_bytes(size));
    EXPECT_EQ(sha256_hex(tar_of({known})), sha256_hex(tar_of({file("a", sample_bytes(size))})))
        << size;
  }
}

TEST(TarWriter, OpensALargeFileOnceWhereItsSha256IsKnown) {
  const std::string bytes(2 << 20, 'a'), other(2 << 20, 'b');
  auto known = lying_file(bytes.size(), {bytes, other});
  known.identity = "sha256:" + sha256_hex(bytes);
  EXPECT_EQ(tar_of({known}).substr(512, bytes.size()), bytes);
}

TEST(EntryTime, FollowsThePolicyUnlessTheEntryHasItsOwn) {
  const TimestampPolicy content{}, epoch{Timestamps::kEpoch}, fixed{Timestamps::kFixed, 1700000000};
  EXPECT_EQ(*entry_time(directory("a"), content), kEpoch2020);
  EXPECT_EQ(*entry_time(symlink_to("a", "b"), content), kEpoch2020);
  EXPECT_EQ(*entry_time(whiteout("a"), content), kEpoch2020);
  EXPECT_EQ(*entry_time(file("a", "abc"), epoch), kEpoch2020);
  EXPECT_EQ(*entry_time(file("a", "abc"), fixed), 1700000000);
  EXPECT_EQ(*entry_time(directory("a"), fixed), 1700000000);
  auto own = file("a", "abc");
  own.mtime = 5;
  for (const auto& policy : {content, epoch, fixed}) EXPECT_EQ(*entry_time(own, policy), 5);
}

TEST(TarWriter, RefusesAFileThatEndsEarly) {
  for (const auto kind : {Timestamps::kContent, Timestamps::kEpoch}) {
    StringSink sink;
    TarWriter writer(sink, {kind});
    const auto added = writer.add(lying_file(10, {"short"}));
    ASSERT_TRUE(added.has_error());
    EXPECT_EQ(added.error().code, Errc::kCorrupt);
    EXPECT_EQ(added.error().message, "reading \"/liar\": it ended after 5 of 10 bytes");
  }
}

TEST(TarWriter, IgnoresWhatAFileHasGrownBy) {
  StringSink sink;
  TarWriter writer(sink, {});
  ASSERT_FALSE(writer.add(lying_file(3, {"abcdef"})).has_error());
  EXPECT_EQ(sink.str().substr(512, 4), std::string("abc\0", 4));
}

TEST(TarWriter, RefusesALargeFileThatChangesBetweenItsTwoReadings) {
  const std::string first(2 << 20, 'a'), second(2 << 20, 'b');
  StringSink sink;
  TarWriter writer(sink, {});
  const auto added = writer.add(lying_file(first.size(), {first, second}));
  ASSERT_TRUE(added.has_error());
  EXPECT_EQ(added.error().code, Errc::kCorrupt);
  EXPECT_EQ(added.error().message, "reading \"/liar\": it changed while it was read");
}

TEST(TarWriter, PassesOnTheErrorsOfContentAndSink) {
  Entry gone("gone", EntryKind::kFile);
  gone.content = FileContent(1, []() -> Result<std::unique_ptr<ByteSource>> {
    return Error(Errc::kNotFound, "no such file");
  });
  StringSink sink;
  const auto content = TarWriter(sink, {}).add(gone);
  ASSERT_TRUE(content.has_error());
  EXPECT_EQ(content.error().code, Errc::kNotFound);
  EXPECT_EQ(content.error().message, "reading \"/gone\": no such file");

  StringSink tiny(600);
  const auto full = TarWriter(tiny, {}).add(file("a", std::string(600, 'x')));
  ASSERT_TRUE(full.has_error());
  EXPECT_EQ(full.error().message, "more than the allowed 600 bytes");
}

TEST(FileContent, WithoutBytesIsEmptyAndWithASizeAnError) {
  char byte = 0;
  EXPECT_EQ(*(*FileContent().open())->read(std::span(&byte, 1)), 0U);
  EXPECT_EQ(FileContent(3, nullptr).open().error().code, Errc::kInternal);
}

}  // namespace
}  // namespace kiln::layer
