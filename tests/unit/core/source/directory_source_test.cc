#include "core/source/directory_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <set>

#include "tests/unit/core/source/directory_fixture.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using layer::EntryKind;
using ::testing::ElementsAre;
using namespace testing_support;

class Directory : public DirectoryFixture {};

// --- What comes out
// -------------------------------------------------------------------------------

TEST_F(Directory, GivesFilesDirectoriesAndSymlinksByTheirPaths) {
  folder_.write("index.html", "<h1>Hi</h1>");
  folder_.write("css/site.css", "h1 {}");
  folder_.make_directory("empty");
  folder_.make_symlink("latest", "css");

  const auto content = fetch();

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content),
              ElementsAre("css", "css/site.css", "empty", "index.html", "latest"));
  EXPECT_EQ(content->tree.find("empty")->kind, EntryKind::kDirectory);
  EXPECT_EQ(content->tree.find("latest")->kind, EntryKind::kSymlink);
  EXPECT_EQ(content->tree.find("latest")->link_target, "css");
  EXPECT_EQ(*bytes_of(*content, "css/site.css"), "h1 {}");
  EXPECT_EQ(content->removed.size() + content->emptied.size(), 0U);
}

TEST_F(Directory, MayBeEmpty) {
  const auto content = fetch();
  ASSERT_THAT(content, IsOk());
  EXPECT_TRUE(content->tree.empty());
}

TEST_F(Directory, SaysWhatItIs) {
  EXPECT_EQ(DirectorySource("site", {}, pool_).description(), "local path site");
}

TEST_F(Directory, HasTheModesThatGitWouldKeep) {
  folder_.write("plain", "", 0600);
  folder_.write("writable", "", 0666);
  folder_.write("program", "", 0700);
  folder_.write("for-others", "", 0655);
  folder_.write("setuid", "", 04755);
  folder_.make_directory("private", 0700);
  folder_.make_directory("sticky", 01777);

  const auto content = fetch();

  ASSERT_THAT(content, IsOk());
  std::map<std::string, unsigned> modes;
  for (const auto& [path, entry] : content->tree.entries()) modes[path] = entry.mode;
  EXPECT_EQ(modes, (std::map<std::string, unsigned>{{"plain", 0644},
                                                    {"writable", 0644},
                                                    {"program", 0755},
                                                    {"for-others", 0644},
                                                    {"setuid", 0755},
                                                    {"private", 0755},
                                                    {"sticky", 0755}}));
}

TEST_F(Directory, KeepsAllModeBitsWhenTold) {
  folder_.write("plain", "", 0604);
  folder_.write("setuid", "", 04750);
  folder_.write("setgid", "", 02711);
  folder_.make_directory("sticky", 01777);
  folder_.make_symlink("link", "plain");
  DirectoryOptions options;
  options.keep_modes = true;

  const auto content = fetch(options);

  ASSERT_THAT(content, IsOk());
  std::map<std::string, unsigned> modes;
  for (const auto& [path, entry] : content->tree.entries()) modes[path] = entry.mode;
  EXPECT_EQ(modes, (std::map<std::string, unsigned>{{"plain", 0604},
                                                    {"setuid", 04750},
                                                    {"setgid", 02711},
                                                    {"sticky", 01777},
                                                    {"link", 0777}}));
}

TEST_F(Directory, KeepsOwnersOnlyWhenTold) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  folder_.write("a", "");
  folder_.make_symlink("l", "a");
  ASSERT_EQ(::lchown(folder_.at("a").c_str(), 101, 4000000000), 0);
  ASSERT_EQ(::lchown(folder_.at("l").c_str(), 7, 8), 0);
  DirectoryOptions keeping;
  keeping.keep_owners = true;

  const auto plain = fetch();
  const auto kept = fetch(keeping);

  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(plain->tree.find("a")->uid + plain->tree.find("a")->gid, 0U);
  EXPECT_EQ(kept->tree.find("a")->uid, 101U);
  EXPECT_EQ(kept->tree.find("a")->gid, 4000000000U);
  EXPECT_EQ(kept->tree.find("l")->uid, 7U);
}

TEST_F(Directory, KeepsUserXattrsOnlyWhenTold) {
  folder_.write("d/f", "");
  const std::string binary("\0\xff=\n", 4);
  if (!folder_.set_xattr("d/f", "user.a", binary)) GTEST_SKIP() << "no xattrs in this folder";
  folder_.set_xattr("d/f", "user.empty", "");
  folder_.set_xattr("d", "user.of-a-folder", "1");
  DirectoryOptions keeping;
  keeping.keep_xattrs = true;

  const auto plain = fetch();
  const auto kept = fetch(keeping);

  ASSERT_THAT(plain, IsOk());
  ASSERT_THAT(kept, IsOk());
  using Map = std::map<std::string, std::string>;
  EXPECT_EQ(plain->tree.find("d/f")->xattrs, Map());
  EXPECT_EQ(kept->tree.find("d/f")->xattrs, (Map{{"user.a", binary}, {"user.empty", ""}}));
  EXPECT_EQ(kept->tree.find("d")->xattrs, (Map{{"user.of-a-folder", "1"}}));
}

TEST_F(Directory, KeepsCapabilitiesButNoOtherXattrsOfTheSystem) {
  folder_.write("f", "");
  // cap_net_bind_service=ep, as setcap writes it.
  const std::string capability("\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  if (!folder_.set_xattr("f", "security.capability", capability) ||
      !folder_.set_xattr("f", "trusted.secret", "x"))
    GTEST_SKIP() << "only root can set capabilities and trusted xattrs, on some file systems";
  folder_.set_xattr("f", "security.other", "x");

  const auto content = fetch(keeping_all());

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.find("f")->xattrs,
            (std::map<std::string, std::string>{{"security.capability", capability}}));
}

// --- Hard links
// -----------------------------------------------------------------------------------

TEST_F(Directory, OfHardLinksTheFirstByPathIsTheFile) {
  folder_.write("m/z", "one file", 0755);
  folder_.make_hardlink("z", "m/z");
  folder_.make_hardlink("b/y", "m/z");
  folder_.make_hardlink("b.y", "m/z");  // "b/y" comes before it: part by part.

  const auto content = fetch();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.find("b/y")->kind, EntryKind::kFile);
  EXPECT_EQ(*bytes_of(*content, "b/y"), "one file");
  for (const auto* link : {"b.y", "m/z", "z"}) {
    EXPECT_EQ(content->tree.find(link)->kind, EntryKind::kHardlink) << link;
    EXPECT_EQ(content->tree.find(link)->link_target, "b/y") << link;
    EXPECT_EQ(content->tree.find(link)->mode, 0755U) << link;
  }
}

TEST_F(Directory, HardLinksToTheOutsideAreFiles) {
  folder_.write_outside("elsewhere", "shared");
  std::filesystem::create_hard_link(folder_.outside() / "elsewhere", folder_.at("a"));
  const auto content = fetch();
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.find("a")->kind, EntryKind::kFile);
  EXPECT_EQ(*bytes_of(*content, "a"), "shared");
}

TEST_F(Directory, AnIgnoredNameIsNoFileForHardLinks) {
  folder_.write("a", "x");
  folder_.make_hardlink("b", "a");
  folder_.make_hardlink("c", "a");
  const auto content = fetch_ignoring("/a");
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre("b", "c"));
  EXPECT_EQ(content->tree.find("b")->kind, EntryKind::kFile);
  EXPECT_EQ(content->tree.find("c")->link_target, "b");
}

TEST_F(Directory, HardLinksOfASymlinkAreSymlinks) {
  folder_.make_symlink("a", "target");
  ASSERT_EQ(::linkat(AT_FDCWD, folder_.at("a").c_str(), AT_FDCWD, folder_.at("b").c_str(), 0), 0);
  const auto content = fetch();
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.find("b")->kind, EntryKind::kSymlink);
  EXPECT_EQ(content->tree.find("b")->link_target, "target");
}

// --- Symlinks are never followed
// ------------------------------------------------------------------

TEST_F(Directory, KeepsSymlinksOfAllKindsWithoutFollowingThem) {
  folder_.write_outside("secret", "token");
  const auto secret = (folder_.outside() / "secret").string();
  const std::map<std::string, std::string> links = {{"absolute", secret},
                                                    {"relative", "../secret"},
                                                    {"folder", "/"},
                                                    {"up", ".."},
                                                    {"dangling", "nothing"},
                                                    {"loop", "loop"},
                                                    {"proc", "/proc/self/fd/0"}};
  for (const auto& [name, target] : links) folder_.make_symlink(name, target);
  std::string before = "start";
  for (int i = 0; i < 41; ++i) {
    const auto name = "chain" + std::to_string(i);
    folder_.make_symlink(name, before);
    before = name;
  }

  const auto content = fetch(keeping_all());

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.size(), links.size() + 41);
  for (const auto& [name, target] : links) {
    EXPECT_EQ(content->tree.find(name)->kind, EntryKind::kSymlink) << name;
    EXPECT_EQ(content->tree.find(name)->link_target, target);
  }
}

TEST_F(Directory, KeepsTheLongestSymlinkTarget) {
  const std::string target(4095, 't');
  folder_.make_symlink("l", target);
  const auto content = fetch();
  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.find("l")->link_target, target);
}

// --- Refused
// --------------------------------------------------------------------------------------

TEST_F(Directory, RefusesAFifoByName) {
  folder_.make_directory("run");
  folder_.make_fifo("run/pipe");
  EXPECT_THAT(fetch(), FailsWith(Errc::kInvalid,
                                 folder_.at("run/pipe").string() +
                                     " is a FIFO, which no layer can hold; remove it, or name it "
                                     "in .kilnignore"));
}

TEST_F(Directory, RefusesASocketByName) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, folder_.at("s").c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_THAT(fetch(), FailsWith(Errc::kInvalid, folder_.at("s").string() + " is a socket"));
}

TEST_F(Directory, RefusesDevicesByName) {
  for (const mode_t type : {S_IFCHR, S_IFBLK}) {
    folder_.remove("d");
    if (::mknod(folder_.at("d").c_str(), type | 0666, makedev(1, 3)) != 0)
      GTEST_SKIP() << "only root can make devices, and not everywhere";
    EXPECT_THAT(fetch(keeping_all()),
                FailsWith(Errc::kInvalid, folder_.at("d").string() + " is a device"));
  }
}

TEST_F(Directory, DoesNotMindWhatIsIgnored) {
  folder_.make_fifo("pipe");
  folder_.write(".wh.a");
  folder_.write("a");
  const auto content = fetch_ignoring("pipe\n.wh.*\n");
  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ElementsAre("a"));
}

TEST_F(Directory, OpensNeitherFifosNorFilesWhoseBytesNobodyWants) {
  folder_.make_fifo("pipe");
  folder_.write("file", "x");
  folder_.make_symlink("link", "file");
  const UniqueFd watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  ASSERT_GE(::inotify_add_watch(watch.get(), folder_.path().c_str(), IN_OPEN), 0);

  EXPECT_THAT(fetch(), FailsWith(Errc::kInvalid, "is a FIFO"));
  EXPECT_THAT(fetch_ignoring("pipe"), IsOk());

  std::set<std::string> opened;
  alignas(inotify_event) std::array<char, 4096> buffer{};
  for (;;) {
    const auto count = ::read(watch.get(), buffer.data(), buffer.size());
    if (count <= 0) break;
    for (ssize_t at = 0; at < count;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      opened.insert(event->len > 0 ? event->name : "");
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  }
  EXPECT_THAT(opened, ElementsAre(""));  // The folder itself.
}

struct BadName {
  std::string name, path, why;
};

class DirectoryRefuses : public DirectoryFixture, public ::testing::WithParamInterface<BadName> {};

TEST_P(DirectoryRefuses, NamesThatNoLayerCanHold) {
  folder_.write(GetParam().path, "x");
  const auto content = fetch();
  EXPECT_THAT(content, FailsWith(Errc::kInvalid, folder_.path().string()));
  EXPECT_THAT(content, FailsWith(Errc::kInvalid, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Table, DirectoryRefuses,
    ::testing::ValuesIn(std::vector<BadName>{
        {"Whiteout", ".wh.index.html", "path \".wh.index.html\" has a name that begins with"},
        {"OpaqueMark", "a/.wh..wh..opq", "which means \"delete\" in an image layer"},
        {"WhiteoutOfNothing", ".wh.", "rename the file, or use `remove` to delete one"},
        {"BelowAWhiteout", "a/.wh.b/c", "path \"a/.wh.b\" has a name that begins with"},
        {"NewLine", "a\nb", "path \"a?b\" has a control character"},
        {"Escape", "\x1b[31m", "path \"?[31m\" has a control character"},
        {"Delete", "a\x7f", "path \"a?\" has a control character"},
    }),
    [](const auto& test) { return test.param.name; });

// --- Names
// ----------------------------------------------------------------------------------------

TEST_F(Directory, TakesNamesAsBytes) {
  const std::vector<std::string> names = {
      " ",   "-rf",    "...",  "\\", "caf\xc3\xa9", "\xff\xfe", std::string(255, 'n'),
      ".wh", "a.wh.b", "\"'$`"};
  for (const auto& name : names) folder_.write(name + "/" + name, name);

  const auto content = fetch();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.size(), 2 * names.size());
  for (const auto& name : names) EXPECT_EQ(*bytes_of(*content, name + "/" + name), name);
}

TEST_F(Directory, KeepsNamesApartThatDifferInCaseOrUnicodeForm) {
  const std::vector<std::string> names = {"README", "cafe\xcc\x81", "caf\xc3\xa9", "readme"};
  for (const auto& name : names) folder_.write(name, name);
  if (folder_.count() != names.size()) GTEST_SKIP() << "this file system takes some for one name";

  const auto content = fetch();

  ASSERT_THAT(content, IsOk());
  EXPECT_THAT(paths_of(*content), ::testing::ElementsAreArray(names));
  for (const auto& name : names) EXPECT_EQ(*bytes_of(*content, name), name);
}

/// Makes `count` folders, one in the other, and answers the last of them.
UniqueFd make_deep(const std::filesystem::path& root, std::size_t count, const std::string& name) {
  UniqueFd at(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (; count > 0; --count) {
    EXPECT_EQ(::mkdirat(at.get(), name.c_str(), 0755), 0);
    at = UniqueFd(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  return at;
}

void write_in(const UniqueFd& directory, const std::string& name, const std::string& bytes) {
  const UniqueFd file(
      ::openat(directory.get(), name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  EXPECT_THAT(FdSink(file.get()).write(bytes), IsOk());
}

TEST_F(Directory, TakesTheLongestPath) {
  const auto deep = make_deep(folder_.path(), 15, std::string(255, 'd'));  // 15 * 256 = 3840.
  write_in(deep, std::string(254, 'f'), "at 4094");
  write_in(deep, std::string(255, 'f'), "at 4095");

  const auto content = fetch(keeping_all());

  ASSERT_THAT(content, IsOk());
  const auto paths = paths_of(*content);
  EXPECT_EQ(paths.back().size(), 4095U);
  EXPECT_EQ(*bytes_of(*content, paths.back()), "at 4095");
}

TEST_F(Directory, RefusesAPathThatIsLonger) {
  const auto deep = make_deep(folder_.path(), 15, std::string(255, 'd'));
  ASSERT_EQ(::mkdirat(deep.get(), "e", 0755), 0);
  const UniqueFd deeper(::openat(deep.get(), "e", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  write_in(deeper, std::string(254, 'f'), "at 4096");
  EXPECT_THAT(fetch(), FailsWith(Errc::kInvalid, "is longer than 4095 bytes; shorten it"));
}

/// As many descriptors as are open now, and a few more.
class FewDescriptors {
 public:
  FewDescriptors() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    const UniqueFd lowest_free(::open("/", O_PATH | O_CLOEXEC));
    auto few = before_;
    few.rlim_cur = static_cast<rlim_t>(lowest_free.get()) + 8;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(Directory, OfAThousandLevelsNeedsNoMoreDescriptors) {
  write_in(make_deep(folder_.path(), 1000, "d"), "bottom", "here");
  for (int i = 0; i < 300; ++i) folder_.write("wide/" + std::to_string(i), "x");
  auto options = keeping_all();
  options.identities = true;

  const auto content = [&] {
    const FewDescriptors limited;
    return fetch(options);
  }();

  ASSERT_THAT(content, IsOk());
  EXPECT_EQ(content->tree.size(), 1302U);
  std::string path;
  for (int i = 0; i < 1000; ++i) path += "d/";
  EXPECT_EQ(*bytes_of(*content, path + "bottom"), "here");
}

TEST_F(Directory, MakesItsTreeLaterWhenTold) {
  folder_.write("a/f", "bytes", 0755);
  folder_.write("g", "more");
  folder_.make_hardlink("h", "g");
  folder_.make_symlink("link", "a");
  DirectoryOptions options;
  options.identities = true;
  const auto at_once = fetch(options);
  ASSERT_THAT(at_once, IsOk());

  options.tree_later = true;
  const auto later = fetch(options);

  ASSERT_THAT(later, IsOk());
  EXPECT_TRUE(later->tree.empty());
  EXPECT_TRUE(has_entries(*later));
  EXPECT_EQ(later->identity, at_once->identity);
  layer::FileTree tree;
  const auto given =
      for_each_entry(*later, [&](layer::Entry entry) { return tree.add(std::move(entry)); });
  ASSERT_THAT(given, IsOk());
  EXPECT_EQ(identity_of(tree), at_once->identity);
  const auto* file = tree.find("a/f");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(*read_all(**file->content.open(), 100), "bytes");
}

}  // namespace
}  // namespace kiln::source
