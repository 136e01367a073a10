#include "core/source/file_checksums.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <functional>

#include "core/base/encoding.h"
#include "tests/unit/core/source/directory_fixture.h"

namespace kiln::source {
namespace {

namespace fs = std::filesystem;
using kiln::testing::IsOk;
using namespace testing_support;

/// Some time from now, when nothing was written just now any more.
class LaterClock final : public Clock {
 public:
  WallTime now() const override { return system_.now() + std::chrono::minutes(1); }
  std::chrono::steady_clock::time_point steady_now() const override { return system_.steady_now(); }

 private:
  SystemClock system_;
};

FileChecksum checksum_of(std::uint64_t inode) {
  FileChecksum file;
  file.version.device = 1ULL << 63;
  file.version.inode = inode;
  file.version.size_bytes = 3;
  file.version.modified_s = -4;  // Before 1970.
  file.version.changed_s = 1'700'000'000;
  file.version.modified_ns = 999'999'999;
  file.sum = sha256(std::to_string(inode));
  return file;
}

class Checksums : public DirectoryFixture {
 protected:
  std::size_t kept_roots() const {
    return fs::exists(cache())
               ? static_cast<std::size_t>(std::distance(fs::directory_iterator(cache()), {}))
               : 0;
  }
  fs::path cache() const { return cache_.path() / "file-checksums"; }
  fs::path only_file() const { return fs::directory_iterator(cache())->path(); }

  DirectoryOptions remembering() const {
    DirectoryOptions options;
    options.identities = true;
    options.checksums = checksums_;
    return options;
  }
  std::string identity_now(const std::string& path) {
    const auto content = fetch(remembering());
    EXPECT_THAT(content, IsOk());
    const auto* entry = content ? content->tree.find(path) : nullptr;
    return entry == nullptr ? "none" : entry->identity;
  }
  /// What is known is made wrong, so that it shows who believes it.
  void falsify() const {
    auto known = checksums_->read(folder_.path());
    for (auto& one : known) one.sum = sha256("false");
    checksums_->write(folder_.path(), std::move(known));
  }
  static std::string identity_of_bytes(const std::string& bytes) {
    return "sha256:" + sha256_hex(bytes);
  }
  static std::string false_identity() { return identity_of_bytes("false"); }

  TempDir cache_ = *TempDir::create("kiln-checksums");
  LaterClock later_;
  std::shared_ptr<const FileChecksums> checksums_ =
      std::make_shared<const FileChecksums>(cache(), later_);
};

TEST_F(Checksums, AreFoundByWhoeverOpensTheFolderNext) {
  checksums_->write("/site", {checksum_of(2), checksum_of(1), checksum_of(3)});
  const auto known = FileChecksums(cache(), later_).read("/site");
  ASSERT_EQ(known.size(), 3U);
  ChecksumFinder finder(known);
  for (const std::uint64_t inode : {1U, 2U, 3U}) {
    const auto* sum = finder.find(checksum_of(inode).version);
    ASSERT_NE(sum, nullptr) << inode;
    EXPECT_EQ(*sum, sha256(std::to_string(inode)));
  }
  EXPECT_EQ(finder.find(checksum_of(4).version), nullptr);
  EXPECT_TRUE(checksums_->read("/other").empty());
}

TEST_F(Checksums, AreFoundInWhateverOrderTheyAreAskedFor) {
  std::vector<FileChecksum> known;
  for (const std::uint64_t inode : {5U, 3U, 9U, 1U, 7U}) known.push_back(checksum_of(inode));
  const std::vector<std::vector<std::uint64_t>> orders = {
      {5, 3, 9, 1, 7},           // As they stand.
      {7, 1, 9, 3, 5},           // The other way.
      {5, 9, 7},                 // Some are gone.
      {7},                       // Nearly all are.
      {5, 4, 3, 8, 9, 2, 1, 7},  // There are new ones between.
      {5, 5, 3, 3, 5}};          // Again.
  for (const auto& order : orders) {
    ChecksumFinder finder(known);
    for (const auto inode : order) {
      const auto* sum = finder.find(checksum_of(inode).version);
      const bool is_known = inode % 2 == 1;
      ASSERT_EQ(sum != nullptr, is_known) << inode;
      if (is_known) {
        EXPECT_EQ(*sum, sha256(std::to_string(inode)));
      }
    }
  }
}

TEST_F(Checksums, ThatAreDamagedAreAsIfTheyHadNeverBeenThere) {
  checksums_->write("/site", {checksum_of(1)});
  const auto whole = *read_file(only_file(), 4096);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    (void)write_file_atomically(only_file(), damaged, 0600).value();
    EXPECT_TRUE(checksums_->read("/site").empty()) << "byte " << i;
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    (void)write_file_atomically(only_file(), whole.substr(0, size), 0600).value();
    EXPECT_TRUE(checksums_->read("/site").empty()) << size << " bytes";
  }
}

TEST_F(Checksums, ThatOthersMayWriteAreNotBelieved) {
  checksums_->write("/site", {checksum_of(1)});
  ASSERT_EQ(::chmod(only_file().c_str(), 0666), 0);
  EXPECT_TRUE(checksums_->read("/site").empty());
}

TEST_F(Checksums, OfRootsThatNobodyReadForLongestGoFirst) {
  const FileChecksums small(cache(), later_, 410);  // Three roots with a file each.
  const auto now = fs::file_time_type::clock::now();
  for (const auto* root : {"/a", "/b", "/c"}) small.write(root, {checksum_of(1)});
  for (const auto& at : fs::directory_iterator(cache()))
    fs::last_write_time(at.path(), now - std::chrono::hours(1));
  ASSERT_EQ(small.read("/a").size(), 1U);

  small.write("/d", {checksum_of(1)});

  EXPECT_EQ(kept_roots(), 3U);
  EXPECT_EQ(small.read("/a").size(), 1U);
  EXPECT_EQ(small.read("/d").size(), 1U);
}

TEST_F(Checksums, SpareReadingFilesAgain) {
  folder_.write("a/f", "bytes");
  folder_.write("g", "more");
  folder_.make_hardlink("a/link", "g");
  const auto first = fetch(remembering());
  ASSERT_THAT(first, IsOk());
  EXPECT_EQ(first->tree.find("a/f")->identity, identity_of_bytes("bytes"));
  EXPECT_EQ(checksums_->read(folder_.path()).size(), 2U);
  EXPECT_EQ(fetch(remembering())->identity, first->identity);

  falsify();

  EXPECT_EQ(identity_now("a/f"), false_identity());
  EXPECT_EQ(identity_now("a/link"), false_identity());
}

TEST_F(Checksums, AreOfBytesAndNotOfNames) {
  folder_.write("f", "bytes");
  EXPECT_EQ(identity_now("f"), identity_of_bytes("bytes"));
  folder_.write("g", "other");
  EXPECT_EQ(identity_now("g"), identity_of_bytes("other"));
  fs::rename(folder_.at("f"), folder_.at("h"));
  fs::rename(folder_.at("g"), folder_.at("f"));
  EXPECT_EQ(identity_now("f"), identity_of_bytes("other"));
  EXPECT_EQ(identity_now("h"), identity_of_bytes("bytes"));
}

void set_times_of(const fs::path& path, const struct stat& like) {
  const struct timespec times[] = {like.st_atim, like.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

TEST_F(Checksums, AreNotBelievedOfFilesThatAreNotTheSameAnyMore) {
  struct Change {
    const char* what;
    std::function<void()> apply;
    const char* bytes;
  };
  struct stat before {};
  const Change changes[] = {
      {"another size", [&] { folder_.write("f", "longer"); }, "longer"},
      {"another time", [&] { folder_.write("f", "bytez"); }, "bytez"},
      {"only its time",
       [&] {
         before.st_mtim.tv_sec -= 1;
         set_times_of(folder_.at("f"), before);
       },
       "bytes"},
      {"the size and the time that it had",
       [&] {
         folder_.write("f", "BYTES");
         set_times_of(folder_.at("f"), before);
       },
       "BYTES"},
      {"another file of its size and time",
       [&] {
         folder_.write("other", "other");
         set_times_of(folder_.at("other"), before);
         fs::rename(folder_.at("other"), folder_.at("f"));
       },
       "other"},
  };
  for (const auto& change : changes) {
    folder_.write("f", "bytes");
    EXPECT_EQ(identity_now("f"), identity_of_bytes("bytes")) << change.what;
    falsify();
    ASSERT_EQ(identity_now("f"), false_identity()) << change.what;
    ASSERT_EQ(::stat(folder_.at("f").c_str(), &before), 0);

    change.apply();

    EXPECT_EQ(identity_now("f"), identity_of_bytes(change.bytes)) << change.what;
  }
}

TEST_F(Checksums, OfFilesThatWereWrittenJustNowAreNotKept) {
  const SystemClock now;
  checksums_ = std::make_shared<const FileChecksums>(cache(), now);
  folder_.write("f", "bytes");
  EXPECT_EQ(identity_now("f"), identity_of_bytes("bytes"));
  EXPECT_TRUE(checksums_->read(folder_.path()).empty());
}

TEST_F(Checksums, HideNoEditOfTheSameSecond) {
  const SystemClock now;
  checksums_ = std::make_shared<const FileChecksums>(cache(), now);
  folder_.write("old", "old");
  for (const auto* bytes : {"one", "two", "six"}) {
    folder_.write("f", bytes);
    EXPECT_EQ(identity_now("f"), identity_of_bytes(bytes));
    EXPECT_EQ(identity_now("old"), identity_of_bytes("old"));
  }
}

TEST_F(Checksums, OfFilesThatAreGoneGoWhenTheyAreMany) {
  for (const auto* name : {"a", "b", "c"}) folder_.write(name, name);
  ASSERT_EQ(identity_now("a"), identity_of_bytes("a"));
  ASSERT_EQ(checksums_->read(folder_.path()).size(), 3U);
  for (const auto* name : {"a", "b", "c"}) folder_.remove(name);
  ASSERT_EQ(identity_now("a"), "none");
  EXPECT_TRUE(checksums_->read(folder_.path()).empty());
}

TEST_F(Checksums, ThatCannotBeKeptAreNoError) {
  folder_.write("f", "bytes");
  (void)write_file_atomically(cache_.path() / "file", "").value();
  checksums_ = std::make_shared<const FileChecksums>(cache_.path() / "file" / "below", later_);
  EXPECT_EQ(identity_now("f"), identity_of_bytes("bytes"));
  EXPECT_EQ(identity_now("f"), identity_of_bytes("bytes"));
}

}  // namespace
}  // namespace kiln::source
