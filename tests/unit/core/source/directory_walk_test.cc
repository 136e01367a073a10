#include "core/source/directory_walk.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>

#include "core/base/io.h"
#include "tests/unit/core/source/folder.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using namespace testing_support;

/// "path=bytes" of what is found, by path.
std::string listing(const std::filesystem::path& root, const DirectoryOptions& options = {}) {
  auto walked = walk_directory(root, options);
  if (walked.has_error()) return walked.error().message;
  auto& entries = walked->entries;
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  std::string text;
  for (const auto& entry : entries) {
    text += entry.path;
    if (entry.kind == layer::EntryKind::kFile) {
      auto source = entry.content.open();
      const auto bytes = source ? read_all(**source, 1 << 20) : Result<std::string>(source.error());
      text += "=" + (bytes ? *bytes : bytes.error().message);
    }
    text += " ";
  }
  return text;
}

TEST(Walk, FollowsMountPoints) {
  const Folder folder;
  folder.make_directory("mnt");
  folder.write("mnt/below", "the mount hides it");
  const auto said = in_own_namespaces([&]() -> std::string {
    if (::mount("none", folder.at("mnt").c_str(), "tmpfs", 0, nullptr) != 0) return "not mounted";
    folder.write("mnt/inside/file", "mounted");
    return listing(folder.path());
  });
  if (!said) GTEST_SKIP() << "this kernel lets nobody have namespaces of their own";
  EXPECT_EQ(*said, "mnt mnt/inside mnt/inside/file=mounted ");
}

TEST(Walk, FilesOfTwoFileSystemsAreNoHardLinksOfEachOther) {
  const Folder folder;
  folder.make_directory("a");
  folder.make_directory("b");
  const auto said = in_own_namespaces([&]() -> std::string {
    for (const auto* place : {"a", "b"}) {
      // Both number their files from the same beginning.
      if (::mount("none", folder.at(place).c_str(), "tmpfs", 0, nullptr) != 0) return "not mounted";
      folder.write(std::string(place) + "/one", place);
      folder.make_hardlink(std::string(place) + "/two", std::string(place) + "/one");
    }
    std::string text;
    const auto walked = walk_directory(folder.path(), {});
    for (const auto& entry : walked->entries)
      if (entry.kind == layer::EntryKind::kHardlink)
        text += entry.path + ">" + entry.link_target + " ";
    return text;
  });
  if (!said) GTEST_SKIP() << "this kernel lets nobody have namespaces of their own";
  EXPECT_EQ(*said, "a/two>a/one b/two>b/one ");
}

TEST(Walk, AFolderMountedIntoItselfIsSeenOnce) {
  const Folder folder;
  folder.write("f", "x");
  folder.make_directory("self");
  const auto said = in_own_namespaces([&]() -> std::string {
    if (::mount(folder.path().c_str(), folder.at("self").c_str(), nullptr, MS_BIND, nullptr) != 0)
      return "not mounted";
    return listing(folder.path());
  });
  if (!said) GTEST_SKIP() << "this kernel lets nobody have namespaces of their own";
  EXPECT_EQ(*said, "f=x self self/f=x self/self ");
}

TEST(Walk, ContentsOutliveTheWalkAndTheFoldersName) {
  const Folder folder;
  folder.write("f", "still here");
  auto walked = walk_directory(folder.path(), {});
  ASSERT_THAT(walked, IsOk());
  const auto moved = folder.outside() / "moved";
  std::filesystem::rename(folder.path(), moved);

  auto source = walked->entries.front().content.open();
  std::filesystem::rename(moved, folder.path());

  ASSERT_THAT(source, IsOk());
  EXPECT_EQ(*read_all(**source, 100), "still here");
}

TEST(Walk, ThatIsNotAllowedToLookAtAllSaysSo) {
  const Folder folder;
  folder.write("private/f", "x");
  ASSERT_EQ(::chmod(folder.at("private").c_str(), 0700), 0);
  const auto found = as_nobody([&] { return walk_directory(folder.path(), {}); });
  if (::geteuid() != 0) GTEST_SKIP() << "the folder is this user's own";
  EXPECT_THAT(found, FailsWith(Errc::kDenied, folder.at("private").string()));
}

}  // namespace
}  // namespace kiln::source
