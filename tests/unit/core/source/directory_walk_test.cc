#include "core/source/directory_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <thread>
#include <vector>

#include "core/base/io.h"
#include "tests/unit/core/source/folder.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using namespace testing_support;

/// By so many threads at once.
Result<DirectoryListing> walk_by(std::size_t threads, const std::filesystem::path& root) {
  auto walk = DirectoryWalk::begin(root, {});
  if (walk.has_error()) return std::move(walk).error();
  std::vector<std::thread> all;
  for (std::size_t i = 0; i < threads; ++i) all.emplace_back([&] { (*walk)->work(); });
  for (auto& thread : all) thread.join();
  return (*walk)->finish();
}

/// "path=bytes" of what is found, by path.
std::string listing(const std::filesystem::path& root, const DirectoryOptions& options = {}) {
  auto walked = walk_directory(root, options);
  if (walked.has_error()) return walked.error().message;
  std::string text;
  for (std::size_t i = 0; i < walked->size(); ++i) {
    const auto entry = walked->entry(i);
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
    for (const auto& found : walked->paths)
      if (found.kind == layer::EntryKind::kHardlink)
        text += found.path() + ">" + found.rare->link_target + " ";
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

  auto source = walked->content_of(walked->paths.front()).open();
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

TEST(Walk, FindsTheSameByAnyNumberOfThreads) {
  const Folder folder;
  for (int i = 0; i < 300; ++i) {
    const auto directory = std::to_string(i % 7) + "/" + std::to_string(i % 31) + ".d";
    folder.write(directory + "/" + std::to_string(i), std::to_string(i));
    if (i % 5 == 0) folder.make_symlink(directory + "/link" + std::to_string(i), "to");
    if (i % 10 == 0)
      folder.make_hardlink("0-" + std::to_string(i), directory + "/" + std::to_string(i));
  }
  const auto identity_by = [&](std::size_t threads) {
    auto found = walk_by(threads, folder.path());
    if (found.has_error()) return found.error().message;
    for (auto& path : found->paths)
      if (path.kind == layer::EntryKind::kFile) path.sum = sha256(path.name);
    return std::to_string(found->paths.size()) + " " + found->identity();
  };
  const auto alone = identity_by(1);
  EXPECT_THAT(alone, ::testing::StartsWith("614 sha256:"));
  for (const std::size_t threads : {2U, 3U, 8U}) EXPECT_EQ(identity_by(threads), alone) << threads;
}

TEST(Walk, TellsTheErrorOfTheFirstDirectoryByAnyNumberOfThreads) {
  const Folder folder;
  for (const auto* path : {"a/b/c/pipe", "a/b/d/pipe", "a.d/pipe", "z/pipe", "z/a/pipe"}) {
    std::filesystem::create_directories(folder.at(path).parent_path());
    folder.make_fifo(path);
  }
  for (int i = 0; i < 50; ++i) folder.write("m/" + std::to_string(i) + "/f");
  for (const std::size_t threads : {1U, 2U, 3U, 8U})
    EXPECT_THAT(walk_by(threads, folder.path()),
                FailsWith(Errc::kInvalid, folder.at("a/b/c/pipe").string() + " is a FIFO"))
        << threads;
}

}  // namespace
}  // namespace kiln::source
