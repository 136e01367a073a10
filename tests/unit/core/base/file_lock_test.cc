#include "core/base/file_lock.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;
using testing::IsOk;
using Mode = FileLock::Mode;

struct Folder {
  TempDir dir = std::move(*TempDir::create("kiln-lock-"));
  std::filesystem::path lock = dir.path() / "lock";
};

Result<FileLock> take(const std::filesystem::path& path, Mode mode,
                      std::chrono::milliseconds limit = std::chrono::seconds(20),
                      std::stop_token stop = {}) {
  return FileLock::take(path, mode, limit, std::move(stop), "the folder");
}

TEST(FileLock, IsForOneAtATime) {
  const Folder folder;
  const auto first = take(folder.lock, Mode::kExclusive);
  ASSERT_THAT(first, IsOk());

  EXPECT_FALSE(FileLock::try_take(folder.lock, Mode::kExclusive)->has_value());
  EXPECT_FALSE(FileLock::try_take(folder.lock, Mode::kShared)->has_value());
}

TEST(FileLock, IsSharedByThoseWhoWantNoMore) {
  const Folder folder;
  const auto first = take(folder.lock, Mode::kShared);
  ASSERT_THAT(first, IsOk());

  EXPECT_TRUE(FileLock::try_take(folder.lock, Mode::kShared)->has_value());
  EXPECT_FALSE(FileLock::try_take(folder.lock, Mode::kExclusive)->has_value());
}

TEST(FileLock, IsWaitedFor) {
  const Folder folder;
  std::optional<Result<FileLock>> second;
  std::thread waiting;
  {
    const auto first = take(folder.lock, Mode::kExclusive);
    ASSERT_THAT(first, IsOk());
    waiting = std::thread([&] { second.emplace(take(folder.lock, Mode::kExclusive)); });
  }
  waiting.join();

  EXPECT_THAT(*second, IsOk());
}

TEST(FileLock, IsNotWaitedForBeyondTheLimit) {
  const Folder folder;
  const auto first = take(folder.lock, Mode::kExclusive);

  EXPECT_THAT(take(folder.lock, Mode::kShared, std::chrono::milliseconds(10)),
              FailsWith(Errc::kTimeout, "waiting for the folder took longer than 10ms"));
}

TEST(FileLock, IsNotWaitedForAfterAStop) {
  const Folder folder;
  const auto first = take(folder.lock, Mode::kExclusive);
  std::stop_source stop;
  stop.request_stop();

  EXPECT_THAT(take(folder.lock, Mode::kShared, std::chrono::seconds(20), stop.get_token()),
              FailsWith(Errc::kCancelled, "waiting for the folder was cancelled"));
}

TEST(FileLock, OfAFileThatWasReplacedIsWorthNothing) {
  const Folder folder;
  const auto old = take(folder.lock, Mode::kExclusive);
  std::filesystem::rename(folder.lock, folder.dir.path() / "gone");

  EXPECT_THAT(take(folder.lock, Mode::kExclusive), IsOk());
}

TEST(FileLock, NeverFollowsASymlink) {
  const Folder folder;
  std::filesystem::create_symlink(folder.dir.path() / "elsewhere", folder.lock);

  EXPECT_THAT(FileLock::try_take(folder.lock, Mode::kShared),
              FailsWith(Errc::kInvalid, "cannot open the lock"));
}

}  // namespace
}  // namespace kiln
