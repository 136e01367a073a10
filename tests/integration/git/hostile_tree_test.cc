// Trees that no honest git would make: each is refused with a sentence that says what is wrong, or
// becomes content exactly as it stands. Nothing is run, nothing outside is read (see the fixture).
#include "tests/integration/git/hostile_fixture.h"

namespace kiln::source {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kSkippedByMac = "\xe2\x80\x8c";  // U+200C; HFS+ does not see it in names.

struct BadName {
  std::string name, path, message;
};

class HostileName : public HostileRepositoryTest, public ::testing::WithParamInterface<BadName> {};

TEST_P(HostileName, IsRefused) {
  commit_raw({file(GetParam().path)});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, GetParam().message));
}

TEST_P(HostileName, IsRefusedOfAFolderToo) {
  commit_raw({folder(GetParam().path, {file("hooks", "#!/bin/sh\nevil\n")})});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, GetParam().message));
}

constexpr const char* kInGit = "no file of a repository may be called or lie in .git";

INSTANTIATE_TEST_SUITE_P(Names, HostileName,
                         ::testing::ValuesIn(std::vector<BadName>{
                             {"DotGit", ".git", kInGit},
                             {"DotGitInUpperCase", ".GIT", kInGit},
                             {"DotGitInMixedCase", ".Git", kInGit},
                             {"DotGitAsNtfsShortensIt", "git~1", kInGit},
                             {"DotGitAsNtfsShortensItInUpperCase", "GIT~1", kInGit},
                             {"DotGitWithADotThatNtfsDrops", ".git.", kInGit},
                             {"DotGitWithSpacesThatNtfsDrops", ".git  .. ", kInGit},
                             {"DotGitAsAStreamOfNtfs", ".git::$INDEX_ALLOCATION", kInGit},
                             {"DotGitBehindABackslash", "a\\.git\\hooks", kInGit},
                             {"DotGitBeforeABackslash", ".git\\hooks", kInGit},
                             {"DotGitWithASignThatHfsSkips", ".g" + kSkippedByMac + "it", kInGit},
                             {"DotGitBehindASignThatHfsSkips", kSkippedByMac + ".GIT", kInGit},
                             {"DotGitBeforeASignThatHfsSkips", ".git\xef\xbb\xbf", kInGit},
                             {"Above", "..", "the file \".."},
                             {"WayOut", "../../etc/passwd", "the file \"../../etc/passwd"},
                             {"WayOutFromWithin", "a/../../etc/passwd",
                              "the file \"a/../../etc/passwd"},
                             {"Here", ".", "the file \"."},
                             {"Absolute", "/etc/passwd", "the file \"/etc/passwd"},
                             {"EmptyPart", "a//b", "the file \"a//b"},
                             {"LineBreak", "a\nb", "has a control character"},
                             {"Escape", "a\x1b[2Jb", "has a control character"},
                             {"TooLong", std::string(256, 'n'), "255 bytes"},
                             {"Whiteout", ".wh.etc", ".wh."},
                             {"OpaqueWhiteout", ".wh..wh..opq", ".wh."},
                         }),
                         [](const auto& test) { return test.param.name; });

struct GoodName {
  std::string name, path;
};

class StrangeName : public HostileRepositoryTest, public ::testing::WithParamInterface<GoodName> {};

TEST_P(StrangeName, IsANameLikeAnyOther) {
  commit_raw({file(GetParam().path, "its bytes")});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre(GetParam().path));
  EXPECT_EQ(*bytes_of(*content, GetParam().path), "its bytes");
}

INSTANTIATE_TEST_SUITE_P(Names, StrangeName,
                         ::testing::ValuesIn(std::vector<GoodName>{
                             {"Option", "--upload-pack=evil"},
                             {"ShortOption", "-rf"},
                             {"Command", "$(evil)"},
                             {"Backticks", "`evil`"},
                             {"Pipe", "|evil"},
                             {"Semicolon", "a;evil;"},
                             {"Glob", "*"},
                             {"PathspecMagic", ":(top)x"},
                             {"Quotes", "\"'"},
                             {"Space", " "},
                             {"Umlaut", "\xc3\xbc"},
                             {"Latin1", "\xfc"},
                             {"Backslash", "a\\b"},
                             {"GitAttributes", ".gitattributes"},
                             {"GitFolderOfOthers", ".github"},
                             {"NoDotGit", "git"},
                             {"OtherShortName", "git~2"},
                             {"DotGitAndMore", ".gitx"},
                             {"LfsSettings", ".lfsconfig"},
                             {"Hook", "post-checkout"},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(HostileRepositoryTest, NamesThatDifferInCaseAreDifferentFiles) {
  commit_raw({file("A", "upper"), folder("Dir", {file("x", "1")}), file("a", "lower"),
              folder("dir", {file("x", "2")})});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre("A", "Dir/x", "a", "dir/x"));
  EXPECT_EQ(*bytes_of(*content, "A"), "upper");
  EXPECT_EQ(*bytes_of(*content, "a"), "lower");
  EXPECT_EQ(*bytes_of(*content, "dir/x"), "2");
}

TEST_F(HostileRepositoryTest, TheSameNameTwiceIsRefused) {
  commit_raw({file("a", "one"), file("a", "two")});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "the path \"a\" is there twice"));
}

TEST_F(HostileRepositoryTest, AFileAndAFolderOfOneNameAreRefused) {
  commit_raw({file("a", "one"), folder("a", {file("b", "two")})});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "a/b"));
}

TEST_F(HostileRepositoryTest, NothingIsWrittenThroughALink) {
  commit_raw({link("a", outside.folder()), folder("a", {file("secret", "overwritten")})});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "a/secret"));
}

TEST_F(HostileRepositoryTest, LinksAreStoredAndNeverFollowed) {
  commit_raw({link("absolute", outside.path()), link("above", "../../../../etc/passwd"),
              link("folder", outside.folder()), link("loop", "loop"), link("one", "two"),
              link("proc", "/proc/self/environ"), link("two", "one")});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content),
              ElementsAre("above -> ../../../../etc/passwd", "absolute -> " + outside.path(),
                          "folder -> " + outside.folder().string(), "loop -> loop", "one -> two",
                          "proc -> /proc/self/environ", "two -> one"));
}

TEST_F(HostileRepositoryTest, ALinkWithoutATargetIsRefused) {
  commit_raw({link("a", "")});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "\"a\": a symlink that leads nowhere"));
}

TEST_F(HostileRepositoryTest, ALinkThatNoFileSystemCanHoldIsRefused) {
  commit_raw({link("a", std::string(5000, 'x'))});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "the file \"a\": it has 5000 bytes"));
}

struct BadSubPath {
  std::string name, sub_path, message;
};

class HostileSubPath : public HostileRepositoryTest,
                       public ::testing::WithParamInterface<BadSubPath> {};

TEST_P(HostileSubPath, LeadsNowhere) {
  commit_raw({folder("dir", {link("up", "../.."), file("x")}),
              file("file"),
              link("in", "dir"),
              link("out", outside.folder()),
              {"160000", "commit", std::string(40, '1'), "sub"}});
  auto wanted = request();
  wanted.sub_path = GetParam().sub_path;

  EXPECT_THAT(fetch(wanted),
              FailsWith(GetParam().sub_path == "none" ? Errc::kNotFound : Errc::kInvalid,
                        GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Paths, HostileSubPath,
    ::testing::ValuesIn(std::vector<BadSubPath>{
        {"LinkOut", "out", "subPath: out is a symlink, and links are never followed"},
        {"ThroughALinkOut", "out/etc", "subPath: out is a symlink, and links are never followed"},
        {"LinkWithin", "in", "subPath: in is a symlink, and links are never followed"},
        {"ThroughALinkWithin", "in/x", "subPath: in is a symlink, and links are never followed"},
        {"LinkUp", "dir/up", "subPath: dir/up is a symlink, and links are never followed"},
        {"File", "file", "subPath: file is a file, not a directory"},
        {"ThroughAFile", "file/x", "subPath: file is a file, not a directory"},
        {"Submodule", "sub", "subPath: sub is a submodule"},
        {"Nothing", "none", "subPath: the commit has no directory none"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(HostileRepositoryTest, AnIgnoreFileThatIsALinkIsRefused) {
  commit_raw({link(".kilnignore", outside.path()), file("a")});

  EXPECT_THAT(fetch_all(), FailsWith(Errc::kInvalid, "\".kilnignore\" must be a regular file"));
}

TEST_F(HostileRepositoryTest, SettingsOfSubmodulesThatAreALinkAreNone) {
  commit_raw({link(".gitmodules", outside.path()),
              file("a"),
              {"160000", "commit", std::string(40, '1'), "sub"}});

  EXPECT_THAT(fetch_all(),
              FailsWith(Errc::kInvalid, "the submodule \"sub\" has no address in .gitmodules"));
}

TEST_F(HostileRepositoryTest, AttributesAndFiltersChangeNothing) {
  const std::string bytes = "line\r\n$Id$ $Format:%an$\xff\n";
  commit_raw({file(".gitattributes",
                   "* filter=evil ident export-subst text eol=lf working-tree-encoding=UTF-16 "
                   "diff=evil merge=evil\n*.bin filter=lfs export-ignore\n"),
              file(".lfsconfig", "[lfs]\nurl = ext::" + decoys->program() + "\n"),
              file("a.bin", bytes), file("a.txt", bytes)});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a.txt"), bytes);
  EXPECT_EQ(*bytes_of(*content, "a.bin"), bytes);
}

TEST_F(HostileRepositoryTest, ModesThatNoGitWritesBecomeThoseItKnows) {
  const auto blob = made->blob("x");
  commit_raw({{"100777", "blob", blob, "all"},
              {"104755", "blob", blob, "setuid"},
              {"100666", "blob", blob, "writable"}});

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(lines_of(*content), ElementsAre("-rwx all 1", "-rwx setuid 1", "-rw writable 1"));
}

TEST_F(HostileRepositoryTest, ADeviceIsTakenForASubmoduleAndLeftOut) {
  commit_raw({file("a"), {"60000", "blob", made->blob("x"), "sda"}});

  const auto content = fetch(request());

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre("a"));
}

TEST_F(HostileRepositoryTest, AFileThatIsATreeIsNoFile) {
  const auto tree = made->raw_tree({file("x")});
  commit_raw({{"100644", "blob", tree, "a"}});

  EXPECT_TRUE(fetch_all().has_error());
}

TEST_F(HostileRepositoryTest, ReplacementsAndGraftsOfTheServerAreNotFollowed) {
  const auto real = made->blob("real");
  commit_raw({file("a", "real")});
  made->set_ref("refs/replace/" + real, made->blob("replaced"));

  const auto content = fetch_all();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(*bytes_of(*content, "a"), "real");
}

}  // namespace
}  // namespace kiln::source
