#include "core/base/oldest_files.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>

#include "core/base/file.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

class OldestFiles : public ::testing::Test {
 protected:
  /// `bytes` of a file that was written so many hours ago.
  void write(const std::string& name, std::size_t bytes, int hours_ago) const {
    const auto path = folder_.path() / name;
    (void)write_file_atomically(path, std::string(bytes, 'x')).value();
    fs::last_write_time(path, now_ - std::chrono::hours(hours_ago));
  }
  /// The names that are left.
  std::string left(const FolderLimit& limit) const {
    forget_oldest_files(folder_.path(), limit);
    std::set<std::string> names;
    for (const auto& at : fs::directory_iterator(folder_.path()))
      names.insert(at.path().filename());
    std::string text;
    for (const auto& name : names) text += name;
    return text;
  }
  static FolderLimit of_files(std::size_t most, std::size_t left = 0) {
    FolderLimit limit;
    limit.max_files = most;
    limit.files_left = left;
    return limit;
  }
  static FolderLimit of_bytes(std::uint64_t most) {
    FolderLimit limit;
    limit.max_bytes = most;
    return limit;
  }

  TempDir folder_ = *TempDir::create("kiln-oldest");
  fs::file_time_type now_ = fs::file_time_type::clock::now();
};

TEST_F(OldestFiles, GoWhereThereAreTooMany) {
  write("a", 1, 1);
  write("b", 1, 4);
  write("c", 1, 2);
  write("d", 1, 3);
  EXPECT_EQ(left(of_files(4)), "abcd");
  EXPECT_EQ(left(of_files(3)), "acd");
  EXPECT_EQ(left(of_files(2)), "ac");
}

TEST_F(OldestFiles, GoSeveralAtATimeWhereThatIsAsked) {
  write("a", 1, 1);
  write("b", 1, 2);
  write("c", 1, 3);
  write("d", 1, 4);
  EXPECT_EQ(left(of_files(4, 2)), "abcd");
  EXPECT_EQ(left(of_files(3, 2)), "ab");
}

TEST_F(OldestFiles, GoWhereTheyAreTooLargeTogether) {
  write("a", 10, 1);
  write("b", 10, 2);
  write("c", 10, 3);
  EXPECT_EQ(left(of_bytes(30)), "abc");
  EXPECT_EQ(left(of_bytes(29)), "ab");
  EXPECT_EQ(left(of_bytes(1)), "a") << "the newest stays";
}

TEST_F(OldestFiles, OfAFolderThatIsNotThereAreNoError) {
  forget_oldest_files(folder_.path() / "none", of_files(1));
  EXPECT_FALSE(fs::exists(folder_.path() / "none"));
}

}  // namespace
}  // namespace kiln
