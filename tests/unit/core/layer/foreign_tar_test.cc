// What we make of tars that other programs wrote: GNU tar, bsdtar and Python, in all their formats.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "tests/unit/core/layer/tar_pieces.h"

namespace kiln::layer {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

constexpr std::int64_t kTime = 1600000000;

struct Program {
  std::string name, program, command;
  bool long_names = false;  // More than 100 bytes.
  bool fifos = true;
};

void PrintTo(const Program& program, std::ostream* out) {
  *out << program.command;
}

const std::string kLong = std::string(150, 'l') + "/" + std::string(120, 'n');

/// Makes a tar of the folder "in" beside it, and reads that.
class ForeignTar : public testing::TestWithParam<Program> {
 protected:
  void SetUp() override {
    fs::create_directories(in() / "sub");
    write("caf\xc3\xa9", "menu\n", 0640);
    write("caf\xe9", "not UTF-8", 0600);
    write("sub/large", sample_bytes(300'000), 0755);
    write("empty", "", 0444);
    fs::create_symlink("../caf\xc3\xa9", in() / "sub" / "link");
    fs::create_hard_link(in() / "sub" / "large", in() / "sub" / "second");
    if (GetParam().fifos) {
      ASSERT_EQ(::mkfifo((in() / "pipe").c_str(), 0600), 0);
    }
    if (GetParam().long_names) {
      fs::create_directories((in() / kLong).parent_path());
      write(kLong, "long", 0644);
    }
    for (const auto& item : fs::recursive_directory_iterator(in())) set_time(item.path());
  }

  fs::path in() const { return dir_.path() / "in"; }
  std::string tar() const { return (dir_.path() / "x.tar").string(); }

  void write(const std::string& name, const std::string& text, unsigned mode) const {
    ASSERT_FALSE(write_file_atomically(in() / name, text, mode).has_error());
  }
  static void set_time(const fs::path& path) {
    const timespec both[2] = {{kTime, 0}, {kTime, 500'000'000}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), both, AT_SYMLINK_NOFOLLOW), 0);
  }

  TempDir dir_ = *TempDir::create("kiln-foreign-tar");
};

std::string told(const ReadBack& entry) {
  static constexpr std::string_view kKinds = "dfshwx";
  const auto& e = entry.found.entry;
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%o", e.kind == EntryKind::kSymlink ? 0777 : e.mode);
  return std::string(1, kKinds[static_cast<std::size_t>(e.kind)]) + " " + mode.data() + " " +
         std::to_string(entry.text.size()) + " " + e.link_target;
}

TEST_P(ForeignTar, ComesOutAsItWent) {
  if (!has_program(GetParam().program)) GTEST_SKIP() << GetParam().program << " is not here";
  const std::string script =
      "import sys,tarfile\n"
      "f={'ustar':tarfile.USTAR_FORMAT,'gnu':tarfile.GNU_FORMAT,'pax':tarfile.PAX_FORMAT}\n"
      "with tarfile.open(sys.argv[2],'w:',format=f[sys.argv[1]]) as t: t.add('.')\n";
  ASSERT_FALSE(write_file_atomically(dir_.path() / "make.py", script).has_error());
  ASSERT_TRUE(output_of("sh -c 'cd " + in().string() + " && " + GetParam().command + "'"));

  FileSource source(*open_for_reading(tar()));
  const auto got = read_tar(source);

  ASSERT_TRUE(got.has_value()) << got.error().message;
  std::map<std::string, std::string> entries;
  for (const auto& entry : *got) {
    const auto& path = entry.found.entry.path;
    entries[path] = told(entry);
    EXPECT_EQ(entry.found.entry.uid, ::geteuid());
    EXPECT_TRUE(path.empty() || entry.found.entry.mtime == kTime) << path;
    EXPECT_TRUE(entry.text.size() < 300'000 || entry.text == sample_bytes(300'000));
  }
  // Which of two names of a file comes first is the program's choice.
  const bool swapped = entries["sub/large"].starts_with("h");
  std::map<std::string, std::string> want = {
      {"", entries[""]},
      {"caf\xc3\xa9", "f 640 5 "},
      {"caf\xe9", "f 600 9 "},
      {"empty", "f 444 0 "},
      {"sub", entries["sub"]},
      {"sub/link", "s 777 0 ../caf\xc3\xa9"},
      {swapped ? "sub/second" : "sub/large", "f 755 300000 "},
      {swapped ? "sub/large" : "sub/second",
       "h 755 0 sub/" + std::string(swapped ? "second" : "large")}};
  if (GetParam().fifos) want["pipe"] = "x 600 0 ";
  if (GetParam().long_names) {
    want[kLong.substr(0, 150)] = entries[kLong.substr(0, 150)];
    want[kLong] = "f 644 4 ";
  }
  EXPECT_EQ(entries, want);
}

INSTANTIATE_TEST_SUITE_P(Programs, ForeignTar,
                         testing::ValuesIn(std::vector<Program>{
                             {"GnuTarPax", "tar", "tar --format=pax -cf ../x.tar .", true},
                             {"GnuTarGnu", "tar", "tar --format=gnu -cf ../x.tar .", true},
                             {"GnuTarOldGnu", "tar", "tar --format=oldgnu -cf ../x.tar .", true},
                             {"GnuTarUstar", "tar", "tar --format=ustar -cf ../x.tar ."},
                             {"GnuTarV7", "tar", "tar --format=v7 -cf ../x.tar .", false, false},
                             {"GnuTarSparsePax00", "tar",
                              "tar -S --format=pax --sparse-version=0.0 -cf ../x.tar .", true},
                             {"GnuTarSparsePax01", "tar",
                              "tar -S --format=pax --sparse-version=0.1 -cf ../x.tar .", true},
                             {"GnuTarSparsePax10", "tar",
                              "tar -S --format=pax --sparse-version=1.0 -cf ../x.tar .", true},
                             {"GnuTarGzip", "tar", "tar -czf ../x.tar .", true},
                             {"GnuTarZstd", "zstd", "tar --zstd -cf ../x.tar .", true},
                             {"BsdtarPax", "bsdtar", "bsdtar --format=pax -cf ../x.tar .", true},
                             {"BsdtarGnu", "bsdtar", "bsdtar --format=gnutar -cf ../x.tar .", true},
                             {"BsdtarUstar", "bsdtar", "bsdtar --format=ustar -cf ../x.tar ."},
                             {"BsdtarV7", "bsdtar", "bsdtar --format=v7 -cf ../x.tar .", false,
                              false},
                             {"PythonPax", "python3", "python3 ../make.py pax ../x.tar", true},
                             {"PythonGnu", "python3", "python3 ../make.py gnu ../x.tar", true},
                             {"PythonUstar", "python3", "python3 ../make.py ustar ../x.tar"},
                         }),
                         [](const auto& test) { return test.param.name; });

class ForeignArchive : public testing::TestWithParam<Program> {};

/// libarchive knows them all, and each is code that nobody here needs: only tars are read.
TEST_P(ForeignArchive, IsRefused) {
  if (!has_program(GetParam().program)) GTEST_SKIP() << GetParam().program << " is not here";
  const TempDir dir = *TempDir::create("kiln-foreign-tar");
  ASSERT_FALSE(write_file_atomically(dir.path() / "x", sample_bytes(5000)).has_error());
  ASSERT_TRUE(output_of("sh -c 'cd " + dir.path().string() + " && " + GetParam().command + "'"));

  FileSource source(*open_for_reading(dir.path() / "x.out"));
  const auto got = read_tar(source);

  ASSERT_TRUE(got.has_error());
  EXPECT_EQ(got.error().code, Errc::kCorrupt);
  EXPECT_NE(got.error().message.find("this is not a readable tar"), std::string::npos)
      << got.error().message;
}

INSTANTIATE_TEST_SUITE_P(Programs, ForeignArchive,
                         testing::ValuesIn(std::vector<Program>{
                             {"Cpio", "bsdtar", "bsdtar --format=cpio -cf x.out x"},
                             {"NewCpio", "bsdtar", "bsdtar --format=newc -cf x.out x"},
                             {"Zip", "bsdtar", "bsdtar --format=zip -cf x.out x"},
                             {"SevenZip", "bsdtar", "bsdtar --format=7zip -cf x.out x"},
                             {"Xar", "bsdtar", "bsdtar --format=xar -cf x.out x"},
                             {"Mtree", "bsdtar", "bsdtar --format=mtree -cf x.out x"},
                             {"Warc", "bsdtar", "bsdtar --format=warc -cf x.out x"},
                             {"Ar", "bsdtar", "bsdtar --format=arbsd -cf x.out x"},
                             {"TarBzip2", "bsdtar", "bsdtar -cjf x.out x"},
                             {"TarXz", "bsdtar", "bsdtar -cJf x.out x"},
                             {"TarLzma", "bsdtar", "bsdtar --lzma -cf x.out x"},
                             {"TarCompress", "bsdtar", "bsdtar -cZf x.out x"},
                             {"TarLz4", "bsdtar", "bsdtar --lz4 -cf x.out x"},
                             {"TarUuencode", "bsdtar", "bsdtar --uuencode -cf x.out x"},
                             {"TarXzInGzip", "bsdtar", "bsdtar -cJf x.xz x && gzip -c x.xz >x.out"},
                         }),
                         [](const auto& test) { return test.param.name; });

class ForeignAttributes : public testing::TestWithParam<Program> {};

TEST_P(ForeignAttributes, ComeOutByteForByte) {
  if (!has_program(GetParam().program)) GTEST_SKIP() << GetParam().program << " is not here";
  const TempDir dir = *TempDir::create("kiln-foreign-tar");
  const auto file = dir.path() / "x";
  ASSERT_FALSE(write_file_atomically(file, "x").has_error());
  const std::string binary("\0\xff\n=", 4);
  if (::setxattr(file.c_str(), "user.binary", binary.data(), binary.size(), 0) != 0)
    GTEST_SKIP() << "the file system has no extended attributes";
  ASSERT_EQ(::setxattr(file.c_str(), "user.text", "menu", 4, 0), 0);
  ASSERT_TRUE(output_of("sh -c 'cd " + dir.path().string() + " && " + GetParam().command + "'"));

  FileSource source(*open_for_reading(dir.path() / "x.tar"));
  const auto got = read_tar(source);

  ASSERT_TRUE(got.has_value()) << got.error().message;
  ASSERT_EQ(got->size(), 1U);
  EXPECT_EQ(got->front().found.entry.xattrs,
            (std::map<std::string, std::string>{{"user.binary", binary}, {"user.text", "menu"}}));
}

INSTANTIATE_TEST_SUITE_P(Programs, ForeignAttributes,
                         testing::ValuesIn(std::vector<Program>{
                             {"GnuTar", "tar", "tar --xattrs -cf x.tar x"},
                             {"Bsdtar", "bsdtar", "bsdtar --xattrs --format=pax -cf x.tar x"},
                         }),
                         [](const auto& test) { return test.param.name; });

class ForeignSparse : public testing::TestWithParam<Program> {};

TEST_P(ForeignSparse, ComesOutWithZeros) {
  if (!has_program(GetParam().program)) GTEST_SKIP() << GetParam().program << " is not here";
  const TempDir dir = *TempDir::create("kiln-foreign-tar");
  std::string want(3'000'000, '\0');
  UniqueFd fd(::open((dir.path() / "x").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(want.size())), 0);
  // More pieces than the first header of GNU's old format can hold.
  for (std::size_t at = 65536; at < 2'900'000; at += 131072) {
    ASSERT_EQ(::pwrite(fd.get(), "data", 4, static_cast<off_t>(at)), 4);
    want.replace(at, 4, "data");
  }
  ASSERT_TRUE(output_of("sh -c 'cd " + dir.path().string() + " && " + GetParam().command + "'"));
  ASSERT_LT(fs::file_size(dir.path() / "x.tar"), 1'000'000U) << "it was not stored as sparse";

  FileSource source(*open_for_reading(dir.path() / "x.tar"));
  const auto got = read_tar(source);

  ASSERT_TRUE(got.has_value()) << got.error().message;
  ASSERT_EQ(got->size(), 1U);
  EXPECT_EQ(got->front().found.entry.path, "x");
  EXPECT_EQ(got->front().found.size_bytes, want.size());
  EXPECT_TRUE(got->front().text == want);
}

INSTANTIATE_TEST_SUITE_P(
    Programs, ForeignSparse,
    testing::ValuesIn(std::vector<Program>{
        {"Pax00", "tar", "tar -S --format=pax --sparse-version=0.0 -cf x.tar x"},
        {"Pax01", "tar", "tar -S --format=pax --sparse-version=0.1 -cf x.tar x"},
        {"Pax10", "tar", "tar -S --format=pax --sparse-version=1.0 -cf x.tar x"},
        {"Gnu", "tar", "tar -S --format=gnu -cf x.tar x"},
        {"OldGnu", "tar", "tar -S --format=oldgnu -cf x.tar x"},
        {"Bsdtar", "bsdtar", "bsdtar --format=pax --read-sparse -cf x.tar x"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::layer
