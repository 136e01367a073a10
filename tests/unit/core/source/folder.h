#pragma once
// A folder for tests of what is read from folders, and threads that may do less than the test.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "core/base/file.h"
#include "tests/support/matchers.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::source::testing_support {

using layer::testing_support::output_of;

inline constexpr unsigned kNobody = 65534;

/// A folder that is gone at the end, however deep it became.
class Folder {
 public:
  Folder() {
    // Others may look into it too, see as_nobody().
    std::filesystem::permissions(outside(), std::filesystem::perms(0755));
    std::filesystem::create_directory(path());
    std::filesystem::permissions(path(), std::filesystem::perms(0755));
  }
  ~Folder() {
    // Not std::filesystem::remove_all, which has a descriptor open for every level.
    EXPECT_TRUE(output_of("chmod -R u+rwX '" + outside().string() + "'").has_value());
    EXPECT_TRUE(output_of("rm -rf '" + path().string() + "'").has_value());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::filesystem::path path() const { return outside() / "root"; }
  /// What lies around it, for links that lead out of it.
  const std::filesystem::path& outside() const { return directory_.path(); }
  std::filesystem::path at(const std::string& path) const { return this->path() / path; }
  /// How many names are at its top.
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path()), {}));
  }

  /// Parents are made.
  void write(const std::string& path, const std::string& bytes = "", mode_t mode = 0644) const {
    std::filesystem::create_directories(at(path).parent_path());
    write_at(at(path), bytes, mode);
  }
  void write_outside(const std::string& path, const std::string& bytes) const {
    std::filesystem::create_directories((outside() / path).parent_path());
    write_at(outside() / path, bytes, 0644);
  }
  void make_directory(const std::string& path, mode_t mode = 0755) const {
    std::filesystem::create_directories(at(path));
    ASSERT_EQ(::chmod(at(path).c_str(), mode), 0);
  }
  void make_symlink(const std::string& path, const std::string& target) const {
    std::filesystem::create_directories(at(path).parent_path());
    std::filesystem::create_symlink(target, at(path));
  }
  void make_hardlink(const std::string& path, const std::string& file) const {
    std::filesystem::create_directories(at(path).parent_path());
    std::filesystem::create_hard_link(at(file), at(path));
  }
  void make_fifo(const std::string& path) const { ASSERT_EQ(::mkfifo(at(path).c_str(), 0644), 0); }
  void remove(const std::string& path) const { std::filesystem::remove_all(at(path)); }

  /// False where the file system has none of this kind.
  bool set_xattr(const std::string& path, const std::string& name, const std::string& value) const {
    return ::lsetxattr(at(path).c_str(), name.c_str(), value.data(), value.size(), 0) == 0;
  }

 private:
  /// In place, so that what has the file open, or a hard link to it, sees it change.
  static void write_at(const std::filesystem::path& path, const std::string& bytes, mode_t mode) {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    ASSERT_TRUE(fd.valid()) << path;
    ASSERT_THAT(FdSink(fd.get()).write(bytes), kiln::testing::IsOk());
    ASSERT_EQ(::fchmod(fd.get(), mode), 0);
  }

  TempDir directory_ = *TempDir::create("kiln-folder-test");
};

/// Runs `work` on a thread that must ask for rights, even where the tests are root's.
template <class Work>
auto as_nobody(Work work) {
  std::optional<decltype(work())> result;
  std::thread thread([&] {
    if (::geteuid() == 0) {
      ::setfsgid(kNobody);
      ::setfsuid(kNobody);  // Takes the rights to read all files away too, of this thread alone.
    }
    result.emplace(work());
  });
  thread.join();
  return std::move(*result);
}

inline void tell_kernel(const char* file, std::string_view text) {
  const UniqueFd fd(::open(file, O_WRONLY | O_CLOEXEC));
  if (!fd.valid() || FdSink(fd.get()).write(text).has_error()) ::_exit(3);
}

/// Root needs no user namespace, which a process with threads cannot have: ThreadSanitizer's has
/// one.
inline bool enter_own_mounts() {
  if (::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0)
    return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  const auto own = "0 " + std::to_string(::geteuid()) + " 1";
  const auto own_group = "0 " + std::to_string(::getegid()) + " 1";
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
  tell_kernel("/proc/self/setgroups", "deny");
  tell_kernel("/proc/self/uid_map", own);
  tell_kernel("/proc/self/gid_map", own_group);
  return true;
}

/// Runs `work` in a child process that is root and has mounts of its own. What it says comes out;
/// nothing where the kernel lets nobody have that.
template <class Work>
std::optional<std::string> in_own_namespaces(Work work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const pid_t child = ::fork();
  if (child == 0) {
    if (!enter_own_mounts()) ::_exit(1);
    const std::string said = work();
    ::_exit(FdSink(ends[1]).write(said).has_error() ? 2 : 0);
  }
  UniqueFd writing(ends[1]);
  FileSource reading{UniqueFd(ends[0])};
  writing = UniqueFd();
  auto said = read_all(reading, 1 << 20);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0 || said.has_error()) return std::nullopt;
  return std::move(*said);
}

}  // namespace kiln::source::testing_support
