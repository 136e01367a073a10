// Random trees on a disk: what DirectorySource reads of them and make_layer writes is the same tree
// again, for TarReader and for GNU tar.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "core/layer/layer.h"
#include "tests/unit/core/layer/tar_pieces.h"
#include "tests/unit/core/source/directory_fixture.h"

namespace kiln::source {
namespace {

using kiln::testing::IsOk;
using layer::EntryKind;
using namespace testing_support;
using layer::testing_support::sample_bytes;

/// Random, but the same on every machine.
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : state_(seed * 2654435761U + 1) {}
  std::uint32_t below(std::uint32_t limit) {
    state_ = state_ * 1664525U + 1013904223U;
    return (state_ >> 8) % limit;
  }
  bool once_in(std::uint32_t times) { return below(times) == 0; }

 private:
  std::uint32_t state_;
};

std::string random_name(Dice& dice) {
  static const std::vector<std::string> kNames = {
      "a",  "b", "a.b", "A",  "index.html",          "caf\xc3\xa9",         "\xe9\xff", " ",  "-rf",
      "a!", "#", "~",   "\\", std::string(101, 'l'), std::string(255, 'n'), ".hidden",  "..."};
  return kNames[dice.below(static_cast<std::uint32_t>(kNames.size()))];
}

/// Puts one more thing somewhere in the folder; often nothing, where there is something already.
void grow(Dice& dice, const Folder& folder, std::vector<std::string>& folders,
          std::vector<std::string>& files) {
  const auto& parent = folders[dice.below(static_cast<std::uint32_t>(folders.size()))];
  const auto path = layer::join_path(parent, random_name(dice));
  if (std::filesystem::symlink_status(folder.at(path)).type() !=
      std::filesystem::file_type::not_found)
    return;
  const bool root = ::geteuid() == 0;
  const auto mode = dice.below(010000);
  switch (dice.below(6)) {
    case 0:
    case 1:
      folder.make_directory(path, static_cast<mode_t>(mode | 0700));
      folders.push_back(path);
      break;
    case 2:
      folder.make_symlink(path, dice.once_in(2) ? "../" + random_name(dice) : "/etc/passwd");
      break;
    case 3:
      if (!files.empty()) {
        folder.make_hardlink(path, files[dice.below(static_cast<std::uint32_t>(files.size()))]);
        return;  // Its owner and xattrs are its file's.
      }
      [[fallthrough]];
    default:
      folder.write(path, sample_bytes(dice.below(dice.once_in(10) ? 2'000'000 : 3000), mode + 1));
      files.push_back(path);
  }
  if (root && dice.once_in(3)) {
    // Before the mode: giving a file away takes setuid from it.
    ASSERT_EQ(::lchown(folder.at(path).c_str(), dice.below(70000), dice.below(5)), 0);
  }
  if (!std::filesystem::is_symlink(folder.at(path))) {
    if (dice.once_in(3)) folder.set_xattr(path, "user." + random_name(dice).substr(0, 50), "v");
    const auto type = std::filesystem::is_directory(folder.at(path)) ? 0700U : 0400U;
    ASSERT_EQ(::chmod(folder.at(path).c_str(), static_cast<mode_t>(mode | type)), 0);
  }
}

void fill(std::uint32_t seed, const Folder& folder) {
  Dice dice(seed);
  std::vector<std::string> folders = {""};
  std::vector<std::string> files;
  for (auto left = dice.below(60); left > 0; --left) grow(dice, folder, folders, files);
}

/// One line for each path, however it was found out: all that should be the same on both sides.
struct Line {
  char kind = 'f';
  unsigned mode = 0;
  unsigned long uid = 0;
  unsigned long gid = 0;
  std::string target{};  ///< Of a symlink.
  std::string bytes{};
  std::map<std::string, std::string> xattrs{};
  std::string same_as{};  ///< The first path of the same file.

  std::string str() const {
    std::array<char, 100> text{};
    std::snprintf(text.data(), text.size(), "%c %o %lu:%lu ", kind, mode, uid, gid);
    auto line = text.data() + target + " " + oci::Digest::of(bytes).short_hex() + " =" + same_as;
    for (const auto& [name, value] : xattrs) line += " " + name + "=" + value;
    return line;
  }
};
using Lines = std::map<std::string, std::string>;

std::map<std::string, std::string> user_xattrs(const std::filesystem::path& path) {
  std::map<std::string, std::string> found;
  std::array<char, 65536> names{};
  const auto size = ::llistxattr(path.c_str(), names.data(), names.size());
  for (ssize_t at = 0; at < size;) {
    const std::string name = names.data() + at;
    at += static_cast<ssize_t>(name.size() + 1);
    std::array<char, 4096> value{};
    const auto bytes = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (name.starts_with("user.") && bytes >= 0)
      found[name] = std::string(value.data(), static_cast<std::size_t>(bytes));
  }
  return found;
}

/// What lies on the disk, by the system's own means.
Lines lines_on_disk(const std::filesystem::path& root) {
  std::map<std::string, struct stat> found;
  for (const auto& item : std::filesystem::recursive_directory_iterator(root)) {
    struct stat info {};
    EXPECT_EQ(::lstat(item.path().c_str(), &info), 0);
    found[item.path().string().substr(root.string().size() + 1)] = info;
  }
  std::vector<std::string> paths;
  for (const auto& [path, info] : found) paths.push_back(path);
  std::sort(paths.begin(), paths.end(), layer::sorted_before);
  std::map<ino_t, std::string> first;
  Lines lines;
  for (const auto& path : paths) {
    const auto& info = found[path];
    Line line;
    line.kind = S_ISDIR(info.st_mode) ? 'd' : S_ISLNK(info.st_mode) ? 'l' : 'f';
    line.mode = info.st_mode & 07777;
    line.uid = info.st_uid;
    line.gid = info.st_gid;
    line.xattrs = user_xattrs(root / path);
    if (line.kind == 'l') line.target = std::filesystem::read_symlink(root / path).string();
    if (line.kind == 'f') {
      line.bytes = *read_file(root / path, 1 << 26);
      line.same_as = first.emplace(info.st_ino, path).first->second;
    }
    lines[path] = line.str();
  }
  return lines;
}

/// What TarReader says of a layer.
Lines lines_in(const layer::Layer& layer) {
  auto source = *layer.blob.open();
  const auto entries = layer::testing_support::read_tar(*source);
  EXPECT_THAT(entries, IsOk());
  std::map<std::string, const layer::testing_support::ReadBack*> files;
  Lines lines;
  for (const auto& back : *entries) {
    const auto& entry = back.found.entry;
    Line line;
    line.kind = entry.kind == EntryKind::kDirectory ? 'd'
                : entry.kind == EntryKind::kSymlink ? 'l'
                                                    : 'f';
    line.mode = entry.mode;
    line.uid = entry.uid;
    line.gid = entry.gid;
    line.xattrs = entry.xattrs;
    if (line.kind == 'l') line.target = entry.link_target;
    if (entry.kind == EntryKind::kFile) {
      files[entry.path] = &back;
      line.bytes = back.text;
      line.same_as = entry.path;
    }
    if (entry.kind == EntryKind::kHardlink) {
      line.same_as = entry.link_target;
      line.bytes = files.at(entry.link_target)->text;
    }
    EXPECT_FALSE(lines.contains(entry.path)) << entry.path << " is there twice";
    lines[entry.path] = line.str();
  }
  return lines;
}

class RandomDirectory : public DirectoryFixture, public ::testing::WithParamInterface<unsigned> {};

TEST_P(RandomDirectory, ComesBackFromItsLayerAsItWas) {
  fill(GetParam(), folder_);
  const auto content = fetch(keeping_all());
  ASSERT_THAT(content, IsOk());

  const auto layer = layer::make_layer(content->tree, {});

  ASSERT_THAT(layer, IsOk());
  EXPECT_EQ(lines_in(*layer), lines_on_disk(folder_.path()));
}

TEST_P(RandomDirectory, ComesOutOfGnuTarAsItWas) {
  if (!layer::testing_support::has_program("tar")) GTEST_SKIP() << "GNU tar is not here";
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  fill(GetParam(), folder_);
  const auto content = fetch(keeping_all());
  ASSERT_THAT(content, IsOk());
  const auto layer = layer::make_layer(content->tree, {});
  ASSERT_THAT(layer, IsOk());
  auto source = *layer->blob.open();
  const auto archive = folder_.outside() / "layer.tar.gz";
  ASSERT_THAT(write_file_atomically(archive, *read_all(*source, 1 << 28)), IsOk());
  const auto unpacked = folder_.outside() / "unpacked";
  std::filesystem::create_directory(unpacked);

  ASSERT_TRUE(output_of("tar --numeric-owner --xattrs --same-permissions --same-owner -C " +
                        unpacked.string() + " -xzf " + archive.string()));

  EXPECT_EQ(lines_on_disk(unpacked), lines_on_disk(folder_.path()));
}

TEST_P(RandomDirectory, GivesTheSameLayerEveryTime) {
  fill(GetParam(), folder_);
  auto options = keeping_all();
  const auto first = layer::make_layer(fetch(options)->tree, {});
  options.identities = true;
  const auto second = layer::make_layer(fetch(options)->tree, {});
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(first->blob.descriptor(), second->blob.descriptor());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDirectory, ::testing::Range(1U, 31U));

}  // namespace
}  // namespace kiln::source
