// Folders that change while they are read: between listing and reading, and in the middle of it.
#include <gtest/gtest.h>
#include <stdio.h>

#include <array>
#include <atomic>
#include <functional>

#include "core/layer/layer.h"
#include "tests/unit/core/source/directory_fixture.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using namespace testing_support;

constexpr std::size_t kSize = 300'000;  // More than one read of whoever reads it.

class DirectoryChanges : public DirectoryFixture {
 protected:
  void SetUp() override {
    folder_.write_outside("secret/file", std::string(kSize, 's'));
    folder_.write("sub/file", std::string(kSize, 'a'));
  }

  /// As somebody else would: another file under the same name.
  void replace(const std::string& path, const std::string& bytes) {
    folder_.write("aside", bytes);
    std::filesystem::rename(folder_.at("aside"), folder_.at(path));
  }
};

struct Change {
  std::string name;
  std::function<void(const Folder&)> make;
  std::string why;
};

void swap_for(const Folder& folder, const std::string& path, const std::string& target) {
  std::filesystem::rename(folder.at(path), folder.outside() / "was-here");
  folder.make_symlink(path, target);
}

std::vector<Change> changes() {
  const auto set_size = [](const Folder& folder, std::size_t size) {
    std::filesystem::resize_file(folder.at("sub/file"), size);
  };
  return {
      {"Grown", [=](const Folder& folder) { set_size(folder, kSize + 1); }, "it was written to"},
      {"Shrunk", [=](const Folder& folder) { set_size(folder, kSize - 1); }, "it was written to"},
      {"Emptied", [=](const Folder& folder) { set_size(folder, 0); }, "it was written to"},
      {"Rewritten",
       [](const Folder& folder) {
         folder.write("sub/file", std::string(kSize, 'b'));
         std::filesystem::last_write_time(
             folder.at("sub/file"),
             std::filesystem::file_time_type::clock::now() + std::chrono::seconds(1));
       },
       "it was written to"},
      {"Gone", [](const Folder& folder) { folder.remove("sub/file"); }, "it is gone"},
      {"GoneWithItsFolder", [](const Folder& folder) { folder.remove("sub"); }, "it is gone"},
      {"ReplacedByAFile",
       [](const Folder& folder) {
         folder.write("other", std::string(kSize, 'a'));
         std::filesystem::rename(folder.at("other"), folder.at("sub/file"));
       },
       "something else took its place"},
      {"ReplacedByAFolder",
       [](const Folder& folder) {
         folder.remove("sub/file");
         folder.make_directory("sub/file");
       },
       "something else took its place"},
      {"ReplacedByAFifo",
       [](const Folder& folder) {
         folder.remove("sub/file");
         folder.make_fifo("sub/file");
       },
       "something else took its place"},
      {"ReplacedByASymlink",
       [](const Folder& folder) { swap_for(folder, "sub/file", "../../secret/file"); },
       "a symlink took its place"},
      {"ItsFolderReplacedByASymlink",
       [](const Folder& folder) { swap_for(folder, "sub", "../secret"); },
       "a symlink took its place"},
      {"ItsFolderReplacedByAFile",
       [](const Folder& folder) {
         folder.remove("sub");
         folder.write("sub", "x");
       },
       "something else took its place"},
  };
}

class DirectoryChanged : public DirectoryChanges, public ::testing::WithParamInterface<Change> {};

TEST_P(DirectoryChanged, SinceItWasListedIsAConflictOfTheReader) {
  const auto content = fetch();
  ASSERT_THAT(content, IsOk());

  GetParam().make(folder_);

  const auto read = bytes_of(*content, "sub/file");
  EXPECT_THAT(read, FailsWith(Errc::kConflict,
                              folder_.at("sub/file").string() + " changed while it was read: "));
  EXPECT_THAT(read, FailsWith(Errc::kConflict, GetParam().why));
}

TEST_P(DirectoryChanged, SinceItWasListedMakesNoLayer) {
  const auto content = fetch();
  ASSERT_THAT(content, IsOk());
  GetParam().make(folder_);
  EXPECT_THAT(layer::make_layer(content->tree, {}), FailsWith(Errc::kConflict, "sub/file"));
}

INSTANTIATE_TEST_SUITE_P(Table, DirectoryChanged, ::testing::ValuesIn(changes()),
                         [](const auto& test) { return test.param.name; });

/// Reads one piece of sub/file, lets `change` happen, and reads the rest.
Result<std::string> read_with(const Content& content, const std::function<void()>& change) {
  auto source = content.tree.find("sub/file")->content.open();
  if (source.has_error()) return std::move(source).error();
  std::array<char, 4096> first{};
  const auto count = (*source)->read(first);
  if (count.has_error()) return count.error();
  change();
  auto rest = read_all(**source, 1 << 26);
  if (rest.has_error()) return rest;
  return std::string(first.data(), *count) + *rest;
}

TEST_F(DirectoryChanges, AFileThatShrinksWhileItIsReadIsAConflict) {
  const auto content = fetch();
  const auto read =
      read_with(*content, [&] { std::filesystem::resize_file(folder_.at("sub/file"), 5000); });
  EXPECT_THAT(read, FailsWith(Errc::kConflict, "it ended after 5000 of 300000 bytes"));
}

TEST_F(DirectoryChanges, AFileThatGrowsWhileItIsReadIsAConflict) {
  const auto content = fetch();
  const auto read = read_with(
      *content, [&] { std::filesystem::resize_file(folder_.at("sub/file"), kSize + 4096); });
  EXPECT_THAT(read, FailsWith(Errc::kConflict, "it was written to"));
}

TEST_F(DirectoryChanges, AFileThatIsWrittenToWhileItIsReadIsAConflict) {
  const auto content = fetch();
  const auto read = read_with(*content, [&] {
    folder_.write("sub/file", std::string(kSize, 'b'));
    std::filesystem::last_write_time(
        folder_.at("sub/file"),
        std::filesystem::file_time_type::clock::now() + std::chrono::seconds(1));
  });
  EXPECT_THAT(read, FailsWith(Errc::kConflict, "it was written to"));
}

TEST_F(DirectoryChanges, AFileThatIsReplacedWhileItIsReadIsReadAsItWas) {
  const auto content = fetch();
  EXPECT_EQ(*read_with(*content, [&] { replace("sub/file", "other"); }), std::string(kSize, 'a'));
}

TEST_F(DirectoryChanges, AFileThatIsRemovedWhileItIsReadIsReadAsItWas) {
  const auto content = fetch();
  EXPECT_EQ(*read_with(*content, [&] { folder_.remove("sub"); }), std::string(kSize, 'a'));
}

TEST_F(DirectoryChanges, WhatIsTouchedBesideAFileDoesNotMatter) {
  const auto content = fetch();
  folder_.write("sub/beside", "x");
  folder_.write("sub/file2", "x");
  ASSERT_EQ(::chmod(folder_.at("sub/file").c_str(), 0600), 0);
  EXPECT_EQ(*bytes_of(*content, "sub/file"), std::string(kSize, 'a'));
}

/// Swaps two names for each other again and again while it lives.
class Swapping {
 public:
  Swapping(std::filesystem::path a, std::filesystem::path b) {
    thread_ = std::thread([this, a = std::move(a), b = std::move(b)] {
      while (!stop_) {
        ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
        ++swaps_;
      }
    });
    while (swaps_ == 0) std::this_thread::yield();
  }
  ~Swapping() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<std::size_t> swaps_ = 0;
  std::thread thread_;
};

// CVE-2022-24877, CVE-2026-42574: what an attacker who can write to the folder tries.
TEST_F(DirectoryChanges, AFolderThatKeepsTurningIntoASymlinkNeverShowsWhatItPointsTo) {
  std::filesystem::create_directory_symlink(folder_.outside() / "secret",
                                            folder_.outside() / "link");
  DirectoryOptions options;
  options.identities = true;
  const Swapping swapping(folder_.at("sub"), folder_.outside() / "link");

  int whole = 0;
  for (int i = 0; i < 300; ++i) {
    const auto content = fetch(options);
    if (content.has_error()) {
      EXPECT_EQ(content.error().code, Errc::kConflict) << content.error().message;
      continue;
    }
    const auto bytes = bytes_of(*content, "sub/file");
    if (bytes.has_error()) continue;
    ++whole;
    EXPECT_EQ(bytes->front(), 'a') << "read through the symlink";
  }
  SCOPED_TRACE(whole);
}

TEST_F(DirectoryChanges, AFileThatKeepsTurningIntoASymlinkNeverShowsWhatItPointsTo) {
  std::filesystem::create_symlink(folder_.outside() / "secret/file", folder_.outside() / "link");
  const Swapping swapping(folder_.at("sub/file"), folder_.outside() / "link");

  for (int i = 0; i < 1000; ++i) {
    const auto content = fetch();
    if (content.has_error()) {
      EXPECT_EQ(content.error().code, Errc::kConflict) << content.error().message;
      continue;
    }
    if (content->tree.find("sub/file")->kind == layer::EntryKind::kSymlink) continue;
    const auto bytes = bytes_of(*content, "sub/file");
    if (bytes.has_error()) continue;
    EXPECT_EQ(bytes->front(), 'a') << "read through the symlink";
  }
}

}  // namespace
}  // namespace kiln::source
