// Tars in which one program sees the content of a file and another one sees entries
// (CVE-2025-62518, "TARmageddon"), or one of them sees another name. What TarReader lets pass is
// what GNU tar, bsdtar and Python see; the rest is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "tests/support/stepping_source.h"
#include "tests/unit/core/layer/tar_pieces.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

/// A header and its content, which announces its size as `size` says.
std::string sized(std::string header, std::string size, const std::string& content) {
  size.resize(12, '\0');
  return patched(std::move(header), 124, size) + padded(content);
}

std::string global(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string body;
  for (const auto& [key, value] : records) body += record(key, value);
  return with_body("pax_global_header", 'g', body);
}

/// Whole entries, which a reader must take for content: 1024 bytes.
std::string inner() {
  return raw_file("inner", "evil");
}

std::string long_name(const std::string& name, char type = 'L') {
  return with_body("././@LongLink", type, name + '\0');
}

struct Tar {
  std::string name;
  std::string headers;
  std::vector<std::string> paths{};  ///< What is seen; of what is refused nothing.
  std::string why{};
};

void PrintTo(const Tar& tar, std::ostream* out) {
  *out << tar.name;
}

class SmugglingTar : public testing::TestWithParam<Tar> {
 protected:
  std::string tar_ = archive_of({GetParam().headers, raw_file("last", "z")});
};
class SmugglingTarRefused : public SmugglingTar {};

std::vector<std::string> paths_of(const std::vector<ReadBack>& entries) {
  std::vector<std::string> paths;
  for (const auto& back : entries) paths.push_back(back.found.entry.path);
  return paths;
}

/// The lines that `command` prints, without the "/" at a directory's end.
std::vector<std::string> lines_of(const std::string& command) {
  std::vector<std::string> lines;
  std::istringstream text(output_of(command).value_or("it failed"));
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('/')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

TEST_P(SmugglingTar, IsReadAsOtherProgramsReadIt) {
  const TempDir dir = *TempDir::create("kiln-smuggling");
  const auto file = dir.path() / "x.tar";
  ASSERT_FALSE(write_file_atomically(file, tar_).has_error());
  auto want = GetParam().paths;
  want.emplace_back("last");

  const auto got = read_tar(tar_);

  ASSERT_TRUE(got.has_value()) << got.error().message;
  EXPECT_EQ(paths_of(*got), want);
  for (const std::size_t step : {1U, 5U, 511U, 512U, 513U, 700U}) {
    fakes::SteppingSource source(tar_, step);
    const auto stepped = read_tar(source);
    ASSERT_TRUE(stepped.has_value()) << step << ": " << stepped.error().message;
    EXPECT_EQ(paths_of(*stepped), want) << step;
  }
  const std::string python =
      "python3 -c 'import sys,tarfile\nfor m in tarfile.open(sys.argv[1]): print(m.name)' ";
  if (has_program("tar")) {
    EXPECT_EQ(lines_of("tar -tf " + file.string()), want) << "GNU tar";
  }
  if (has_program("bsdtar")) {
    EXPECT_EQ(lines_of("bsdtar -tf " + file.string()), want) << "bsdtar";
  }
  if (has_program("python3")) {
    EXPECT_EQ(lines_of(python + file.string()), want) << "Python";
  }
}

TEST_P(SmugglingTarRefused, HoweverItIsCutInPieces) {
  for (const auto& bytes : {tar_, compress(Compression::kGzip, tar_)}) {
    const auto got = read_tar(bytes);
    ASSERT_TRUE(got.has_error()) << testing::PrintToString(paths_of(*got));
    EXPECT_EQ(got.error().code, Errc::kCorrupt);
    EXPECT_NE(got.error().message.find(GetParam().why), std::string::npos) << got.error().message;
  }
  for (const std::size_t step : {1U, 5U, 511U, 512U, 513U, 700U}) {
    fakes::SteppingSource source(tar_, step);
    const auto stepped = read_tar(source);
    ASSERT_TRUE(stepped.has_error()) << step;
    EXPECT_NE(stepped.error().message.find(GetParam().why), std::string::npos) << step;
  }
  // The header stands across the pieces in which the source gives the tar.
  const auto content = std::string(64 * 1024 - 512 - 1024, 'c');
  const auto behind = archive_of({raw_file("first", content), GetParam().headers});
  const auto got = read_tar(behind);
  ASSERT_TRUE(got.has_error());
  EXPECT_NE(got.error().message.find(GetParam().why), std::string::npos) << got.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Table, SmugglingTar,
    testing::ValuesIn(std::vector<Tar>{
        {"PaxSizeBeforeZeroInTheHeader",
         pax({{"size", "1024"}}) + raw("outer") + inner(),
         {"outer"}},
        {"PaxSizeZeroBeforeASizeInTheHeader",
         pax({{"size", "0"}}) + sized(raw("outer"), "00000002000", "") + inner(),
         {"outer", "inner"}},
        {"PaxSizeThatLooksOctalIsDecimal",
         pax({{"size", "01024"}}) + raw("outer") + inner(),
         {"outer"}},
        {"TheLastOfTwoPaxSizes",
         pax({{"size", "0"}, {"size", "1024"}}) + raw("outer") + inner(),
         {"outer"}},
        {"SizeInBase256",
         sized(raw("outer"), std::string("\x80\0\0\0\0\0\0\0\0\0\x04\0", 12), inner()),
         {"outer"}},
        {"SizeBehindSpaces", sized(raw("outer"), "       2000 ", inner()), {"outer"}},
        {"NoSizeAtAll", sized(raw("outer"), "", ""), {"outer"}},
        {"DirectoryWithASizeHasNoContent",
         sized(raw_directory("d"), "00000002000", "") + inner(),
         {"d", "inner"}},
        {"HardLinkWithASizeHasNoContent",
         raw("f") + sized(tar_header(hardlink_to("h", "f"), 0, 0), "00000002000", "") + inner(),
         {"f", "h", "inner"}},
        {"ContiguousFile", with_body("outer", '7', inner()), {"outer"}},
        {"GlobalComment", global({{"comment", "3a5b"}}) + raw("outer"), {"outer"}},
        {"LongName", long_name("a/long/name") + raw("short"), {"a/long/name"}},
        {"LongNameThatEndsAtANul",
         long_name(std::string("good\0evil", 9)) + raw("short"),
         {"good"}},
    }),
    [](const auto& test) { return test.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Table, SmugglingTarRefused,
    testing::ValuesIn(std::vector<Tar>{
        {"PaxSizeThatIsEmpty",
         pax({{"size", ""}}) + sized(raw("outer"), "00000002000", inner()),
         {},
         "the size \"\", which programs do not read alike"},
        {"PaxSizeInHexadecimal", pax({{"size", "0x400"}}) + raw("outer") + inner(), {}, "0x400"},
        {"PaxSizeBehindASpace", pax({{"size", " 1024"}}) + raw("outer") + inner(), {}, "\" 1024\""},
        {"PaxSizeWithASign", pax({{"size", "+1024"}}) + raw("outer") + inner(), {}, "\"+1024\""},
        {"PaxSizeThatIsNegative", pax({{"size", "-1024"}}) + raw("outer"), {}, "negative"},
        {"PaxSizeThatIsTooLarge",
         pax({{"size", "99999999999999999999999"}}) + raw("outer"),
         {},
         "overflow"},
        {"PaxSizeThatIsNoNumber", pax({{"size", "10x4"}}) + raw("outer"), {}, "the size \"10x4\""},
        {"NegativeBase256",
         sized(raw("outer"), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfc" + std::string(1, '\0'),
               ""),
         {},
         "negative size"},
        {"HugeBase256",
         sized(raw("outer"), "\x80\x7f" + std::string(10, '\xff'), ""),
         {},
         "overflow"},
        {"GlobalSize",
         global({{"size", "1024"}}) + raw("outer") + inner(),
         {},
         "a global header with \"size\""},
        {"GlobalPath",
         global({{"comment", "x"}, {"path", "renamed"}}) + raw_file("outer", "1"),
         {},
         "a global header with \"path\""},
        {"GlobalRecordThatIsNone",
         with_body("g", 'g', "comment\n") + raw("outer"),
         {},
         "a global header with a malformed record"},
        {"TwoPaxHeaders",
         pax({{"size", "1024"}}) + pax({{"path", "other"}}) + raw("outer") + inner(),
         {},
         "not a readable tar"},
        {"TwoPaxHeadersAroundAComment",
         pax({{"size", "1024"}}) + global({{"comment", "x"}}) + pax({{"path", "o"}}) +
             raw("outer") + inner(),
         {},
         "malformed pax"},
        {"LongNameAndThenAPath",
         long_name("one") + pax({{"path", "other"}}) + raw("short"),
         {},
         "extended headers of GNU's kind and of POSIX'"},
        {"PathAndThenALongName",
         pax({{"path", "other"}}) + long_name("one") + raw("short"),
         {},
         "extended headers of GNU's kind and of POSIX'"},
        {"LongLinkAndThenALinkPath",
         long_name("one", 'K') + pax({{"linkpath", "other"}}) +
             tar_header(symlink_to("l", "short"), 0, 0),
         {},
         "extended headers of GNU's kind and of POSIX'"},
        {"LongNameAndThenASize",
         long_name("one") + pax({{"size", "1024"}}) + raw("short") + inner(),
         {},
         "extended headers of GNU's kind and of POSIX' for one entry"},
        {"SizeAndThenALongName",
         pax({{"size", "1024"}}) + long_name("one") + raw("short") + inner(),
         {},
         "extended headers of GNU's kind and of POSIX' for one entry"},
        {"PathWithANul",
         pax({{"path", std::string("good\0evil", 9)}}) + raw("short"),
         {},
         "a name with a NUL"},
        {"LinkPathWithANul",
         pax({{"linkpath", std::string("good\0evil", 9)}}) +
             tar_header(symlink_to("l", "short"), 0, 0),
         {},
         "a name with a NUL"},
        {"SunsExtendedHeader",
         with_body("x", 'X', record("path", "other")) + raw("short"),
         {},
         "an extended header of Sun's type \"X\""},
        {"RealSizeBeyondTheContent",
         pax({{"SCHILY.realsize", "99999"}}) + raw_file("outer", "x"),
         {},
         "less content than it says"},
        {"SparseSizeBeyondTheContent",
         pax({{"GNU.sparse.realsize", "5"}, {"GNU.sparse.name", "sparse"}}) +
             raw_file("outer", "x"),
         {},
         "less content than it says"},
        {"ContinuedFromAnotherVolume",
         with_body("outer", 'M', inner()),
         {},
         "content where there can be none"},
        {"FileWithTheNameOfADirectory",
         raw_file("outer/", inner()),
         {},
         "content where there can be none"},
        {"JunkBetweenEntries",
         raw("outer") + std::string(512, 'J') + inner(),
         {},
         "not a readable tar"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::layer
