// What other programs make of our layers: GNU tar, bsdtar, Python, gzip and zstd, where they are.
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <optional>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

std::vector<Entry> mixed_entries() {
  auto owned = file("usr/owned", "12345");
  owned.uid = 3000000;
  owned.gid = 101;
  owned.mode = 04755;
  auto old = file("usr/old");
  old.mtime = -5;
  const std::string deep = std::string(155, 'd') + "/" + std::string(100, 'n');
  return {directory("usr"),
          owned,
          old,
          file("usr/x.html", "<h1>Hi</h1>\n"),
          file("usr/caf\xc3\xa9", sample_bytes(5000)),
          file(std::string(100, 'a')),
          file(std::string(101, 'b')),
          file(deep, "x"),
          directory(std::string(120, 'c')),
          symlink_to("link", std::string(130, 't')),
          symlink_to("short", "usr/x.html"),
          hardlink_to("hard", "usr/x.html"),
          whiteout("usr/gone")};
}

const std::string kBinary("\0\xff\n=", 4);

std::vector<Entry> attributed_entries() {
  return {with_xattrs(directory("d"), {{"user.empty", ""}, {"user.text", "42"}}),
          with_xattrs(file("d/x", "x"), {{"user.binary", kBinary}, {"user.caf\xc3\xa9", "menu"}}),
          special("null", {Device::Type::kCharacter, 1, 3}),
          special("sda", {Device::Type::kBlock, 8, 1048575}), special("pipe", {})};
}

class TarPrograms : public testing::Test {
 protected:
  void SetUp() override {
    tar_ = tar_of(mixed_entries());
    ASSERT_FALSE(write_file_atomically(path("l.tar"), tar_).has_error());
    ASSERT_FALSE(write_file_atomically(path("x.tar"), tar_of(attributed_entries())).has_error());
  }
  std::string path(const std::string& name) const { return (dir_.path() / name).string(); }

  /// What an extended attribute of a file in the folder is; nothing where there is none.
  std::optional<std::string> xattr(const std::string& file, const std::string& name) const {
    std::string value(100, '\0');
    const auto size = ::getxattr(path(file).c_str(), name.c_str(), value.data(), value.size());
    if (size < 0) return std::nullopt;
    return value.substr(0, static_cast<std::size_t>(size));
  }
  bool has_xattrs() const { return ::setxattr(dir_.path().c_str(), "user.kiln", "1", 1, 0) == 0; }

  std::string names() const {
    std::string text;
    for (const auto& entry : mixed_entries()) {
      if (entry.kind == EntryKind::kWhiteout)
        text += "usr/.wh.gone\n";
      else
        text += entry.path + (entry.kind == EntryKind::kDirectory ? "/\n" : "\n");
    }
    return text;
  }

  TempDir dir_ = *TempDir::create("kiln-tar-programs");
  std::string tar_;
};

TEST_F(TarPrograms, GnuTarReadsEveryName) {
  if (!has_program("tar")) GTEST_SKIP() << "GNU tar is not here";
  EXPECT_EQ(output_of("tar --quoting-style=literal -tf " + path("l.tar")), names());
}

TEST_F(TarPrograms, GnuTarReadsModesOwnersSizesAndTimes) {
  if (!has_program("tar")) GTEST_SKIP() << "GNU tar is not here";
  auto listing =
      output_of("env TZ=UTC tar --numeric-owner --full-time -tvf " + path("l.tar")).value_or("");
  const auto both_spaces = [](char a, char b) { return a == ' ' && b == ' '; };
  listing.erase(std::unique(listing.begin(), listing.end(), both_spaces), listing.end());
  for (const auto* line :
       {"drwxr-xr-x 0/0 0 2020-01-01 00:00:00 usr/\n", "-rwsr-xr-x 3000000/101 5 ",
        "-rw-r--r-- 0/0 0 1969-12-31 23:59:55 usr/old\n",
        "lrwxrwxrwx 0/0 0 2020-01-01 00:00:00 short -> usr/x.html\n",
        "hrw-r--r-- 0/0 0 2020-01-01 00:00:00 hard link to usr/x.html\n"})
    EXPECT_NE(listing.find(line), std::string::npos) << line << "is not in\n" << listing;
}

TEST_F(TarPrograms, BsdtarReadsEveryName) {
  if (!has_program("bsdtar")) GTEST_SKIP() << "bsdtar is not here";
  EXPECT_EQ(output_of("bsdtar -tf " + path("l.tar")), names());
}

TEST_F(TarPrograms, PythonReadsWhatWeWrote) {
  if (!has_program("python3")) GTEST_SKIP() << "python3 is not here";
  const std::string script =
      "import sys,tarfile\n"
      "for m in tarfile.open(sys.argv[1]):\n"
      "  print(m.name,m.type.decode(),oct(m.mode),m.uid,m.gid,m.size,int(m.mtime),m.linkname,"
      "repr(m.uname+m.gname))\n";
  ASSERT_FALSE(write_file_atomically(path("list.py"), script).has_error());

  std::string want;
  for (const auto& entry : mixed_entries()) {
    const bool gone = entry.kind == EntryKind::kWhiteout;
    const bool symlink = entry.kind == EntryKind::kSymlink;
    const char* type = entry.kind == EntryKind::kDirectory  ? "5"
                       : symlink                            ? "2"
                       : entry.kind == EntryKind::kHardlink ? "1"
                                                            : "0";
    std::array<char, 16> mode{};
    std::snprintf(mode.data(), mode.size(), "0o%o", symlink ? 0777U : entry.mode);
    want += (gone ? "usr/.wh.gone" : entry.path) + " " + type + " " + mode.data() + " " +
            std::to_string(entry.uid) + " " + std::to_string(entry.gid) + " " +
            std::to_string(entry.content.size_bytes()) + " " +
            std::to_string(*entry_time(entry, {})) + " " + entry.link_target + " ''\n";
  }
  EXPECT_EQ(output_of("python3 " + path("list.py") + " " + path("l.tar")), want);
}

TEST_F(TarPrograms, GnuTarExtractsTheSameContent) {
  if (!has_program("tar")) GTEST_SKIP() << "GNU tar is not here";
  EXPECT_EQ(output_of("tar -xOf " + path("l.tar") + " usr/x.html"), "<h1>Hi</h1>\n");
  EXPECT_EQ(output_of("tar -xOf " + path("l.tar") + " usr/caf\xc3\xa9"), sample_bytes(5000));
}

TEST_F(TarPrograms, GnuTarSetsTheSameXattrs) {
  if (!has_program("tar")) GTEST_SKIP() << "GNU tar is not here";
  if (!has_xattrs()) GTEST_SKIP() << "the file system has no extended attributes";
  ASSERT_TRUE(
      output_of("tar --xattrs -C " + dir_.path().string() + " -xf " + path("x.tar") + " d"));
  EXPECT_EQ(xattr("d", "user.text"), "42");
  EXPECT_EQ(xattr("d", "user.empty"), "");
  EXPECT_EQ(xattr("d/x", "user.binary"), kBinary);
  EXPECT_EQ(xattr("d/x", "user.caf\xc3\xa9"), "menu");
}

TEST_F(TarPrograms, BsdtarSetsTheSameXattrs) {
  if (!has_program("bsdtar")) GTEST_SKIP() << "bsdtar is not here";
  if (!has_xattrs()) GTEST_SKIP() << "the file system has no extended attributes";
  ASSERT_TRUE(
      output_of("bsdtar --xattrs -C " + dir_.path().string() + " -xf " + path("x.tar") + " d"));
  EXPECT_EQ(xattr("d", "user.text"), "42");
  EXPECT_EQ(xattr("d", "user.empty"), "");
  EXPECT_EQ(xattr("d/x", "user.binary"), kBinary);
  EXPECT_EQ(xattr("d/x", "user.caf\xc3\xa9"), "menu");
}

TEST_F(TarPrograms, PythonReadsTheSameXattrsAndDevices) {
  if (!has_program("python3")) GTEST_SKIP() << "python3 is not here";
  const std::string script =
      "import sys,tarfile\n"
      "for m in tarfile.open(sys.argv[1]):\n"
      "  print(m.name,m.type.decode(),m.devmajor,m.devminor,"
      "sorted((k,v.encode('utf-8','surrogateescape')) for k,v in m.pax_headers.items()))\n";
  ASSERT_FALSE(write_file_atomically(path("list.py"), script).has_error());
  EXPECT_EQ(output_of("python3 " + path("list.py") + " " + path("x.tar")),
            "d 5 0 0 [('SCHILY.xattr.user.empty', b''), ('SCHILY.xattr.user.text', b'42')]\n"
            "d/x 0 0 0 [('SCHILY.xattr.user.binary', b'\\x00\\xff\\n='), "
            "('SCHILY.xattr.user.caf\xc3\xa9', b'menu')]\n"
            "null 3 1 3 []\nsda 4 8 1048575 []\npipe 6 0 0 []\n");
}

TEST_F(TarPrograms, GnuTarAndBsdtarKnowTheDevices) {
  for (const auto* program : {"tar", "bsdtar"}) {
    if (!has_program(program)) GTEST_SKIP() << program << " is not here";
    auto listing = output_of(std::string(program) + " --numeric-owner -tvf " + path("x.tar") +
                             " null sda pipe")
                       .value_or("");
    const auto both_spaces = [](char a, char b) { return a == ' ' && b == ' '; };
    listing.erase(std::unique(listing.begin(), listing.end(), both_spaces), listing.end());
    EXPECT_EQ(listing.find("crw-r--r--"), 0U) << listing;
    EXPECT_NE(listing.find(" 1,3 "), std::string::npos) << listing;
    EXPECT_NE(listing.find("\nbrw-r--r--"), std::string::npos) << listing;
    EXPECT_NE(listing.find(" 8,1048575 "), std::string::npos) << listing;
    EXPECT_NE(listing.find("\nprw-r--r--"), std::string::npos) << listing;
  }
}

TEST_F(TarPrograms, GzipAcceptsBothGzipProfiles) {
  if (!has_program("gzip")) GTEST_SKIP() << "gzip is not here";
  const auto input = sample_bytes((2 << 20) + 4321);
  for (const auto compression : {Compression::kGzip, Compression::kGzipSmall}) {
    ASSERT_FALSE(write_file_atomically(path("x.gz"), compress(compression, input)).has_error());
    EXPECT_TRUE(output_of("gzip -t " + path("x.gz")).has_value()) << encoder_id(compression);
    EXPECT_TRUE(output_of("gzip -dc " + path("x.gz")) == input) << encoder_id(compression);
  }
}

TEST_F(TarPrograms, PythonFindsOneGzipMember) {
  if (!has_program("python3")) GTEST_SKIP() << "python3 is not here";
  ASSERT_FALSE(
      write_file_atomically(path("x.gz"), compress(Compression::kGzip, sample_bytes(3'000'000)))
          .has_error());
  const std::string script =
      "import sys,zlib\n"
      "d=zlib.decompressobj(31)\n"
      "n=len(d.decompress(open(sys.argv[1],'rb').read()))\n"
      "print(n,d.eof,len(d.unused_data))\n";
  ASSERT_FALSE(write_file_atomically(path("one.py"), script).has_error());
  EXPECT_EQ(output_of("python3 " + path("one.py") + " " + path("x.gz")), "3000000 True 0\n");
}

TEST_F(TarPrograms, ZstdAcceptsTheZstdProfile) {
  if (!has_program("zstd")) GTEST_SKIP() << "zstd is not here";
  const auto input = sample_bytes(300'000);
  ASSERT_FALSE(
      write_file_atomically(path("x.zst"), compress(Compression::kZstd, input)).has_error());
  EXPECT_TRUE(output_of("zstd -dc " + path("x.zst")) == input);
}

}  // namespace
}  // namespace kiln::layer
