#pragma once
// Random tars and layers, hostile to whoever merges them but such as can be unpacked: few names, so
// that they meet, and everything that image-spec v1.1, layer.md allows, in any order.
#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/layer/entry_path.h"
#include "core/layer/file_tree.h"
#include "tests/unit/core/image/unpacked.h"

namespace kiln::image::testing_support {

/// Random, but the same on every machine (the standard's distributions are not).
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : state_(seed * 2654435761U + 1) {}
  std::uint32_t below(std::uint32_t limit) {
    state_ = state_ * 1664525U + 1013904223U;
    return (state_ >> 8) % limit;
  }
  bool once_in(std::uint32_t times) { return below(times) == 0; }
  template <class List>
  const auto& of(const List& choices) {
    return choices[below(static_cast<std::uint32_t>(choices.size()))];
  }

 private:
  std::uint32_t state_;
};

/// What a random tar may hold besides files, directories and hard links.
struct Kinds {
  bool whiteouts = true;
  bool symlinks = true;
  bool devices = true;
};

inline std::string random_path(Dice& dice) {
  static const std::vector<std::string> kNames = {"a", "b", "bin", "usr", "x", "a.b", "\xe9"};
  auto path = dice.of(kNames);
  for (auto depth = dice.below(3); depth > 0; --depth) path += "/" + dice.of(kNames);
  return path;
}

inline layer::Entry random_entry(Dice& dice, const Kinds& kinds) {
  using layer::EntryKind;
  static const std::vector<std::string> kTargets = {
      "usr", "a", "b",       "../b",     "/usr/bin", "x/..",    "bin",    "missing/place",
      "/",   ".", "../../a", "usr/bin/", "a/./../b", "/bin//x", "../bin", "/a/b"};
  static const std::vector<EntryKind> kKinds = {
      EntryKind::kDirectory, EntryKind::kDirectory, EntryKind::kDirectory, EntryKind::kFile,
      EntryKind::kFile,      EntryKind::kFile,      EntryKind::kSymlink,   EntryKind::kSpecial};
  layer::Entry entry(random_path(dice), dice.of(kKinds));
  if ((entry.kind == EntryKind::kSymlink && !kinds.symlinks) ||
      (entry.kind == EntryKind::kSpecial && !kinds.devices))
    entry.kind = EntryKind::kFile;
  entry.mode = dice.below(010000);
  entry.uid = dice.below(3);
  entry.gid = dice.below(3);
  entry.mtime = 1'600'000'000 + dice.below(5);
  if (entry.kind == EntryKind::kSymlink) {
    entry.link_target = dice.of(kTargets);
    return entry;
  }
  // The kernel keeps no user.* of devices.
  if (dice.once_in(4) && entry.kind != EntryKind::kSpecial)
    entry.xattrs["user." + std::string(1, "ab"[dice.below(2)])] = "v";
  if (entry.kind == EntryKind::kFile)
    entry.content = layer::testing_support::content_of(
        layer::testing_support::sample_bytes(dice.below(dice.once_in(8) ? 70'000 : 40)));
  if (entry.kind == EntryKind::kSpecial)
    entry.device = std::vector<layer::Device>{{layer::Device::Type::kCharacter, 1, 3},
                                              {layer::Device::Type::kBlock, 7, 99},
                                              {layer::Device::Type::kFifo, 0, 0}}[dice.below(3)];
  return entry;
}

/// A hard link to what is there when the tar is unpacked so far; nothing if that is nothing.
inline void add_hardlink(Dice& dice, const std::vector<std::string>& lower,
                         std::vector<layer::Entry>& entries) {
  Unpacked so_far;
  for (const auto& tar : lower) so_far.add(tar);
  so_far.add(layer::testing_support::tar_of(entries));
  const auto targets = so_far.leaves();
  if (targets.empty()) return;
  entries.push_back(layer::testing_support::hardlink_to(random_path(dice), dice.of(targets)));
  entries.back().mtime = 1'600'000'000;
}

/// The tar of `entries`, without its hard links if what comes after one takes its file away.
inline std::string valid_tar(const std::vector<std::string>& lower,
                             std::vector<layer::Entry> entries) {
  auto tar = layer::testing_support::tar_of(entries);
  try {
    Unpacked files;
    for (const auto& below : lower) files.add(below);
    files.add(tar);
    return tar;
  } catch (const std::out_of_range&) {
    std::erase_if(entries,
                  [](const auto& entry) { return entry.kind == layer::EntryKind::kHardlink; });
    return layer::testing_support::tar_of(entries);
  }
}

/// A tar to be put on top of `lower`.
inline std::string random_tar(Dice& dice, const std::vector<std::string>& lower,
                              const Kinds& kinds = {}) {
  std::vector<layer::Entry> entries;
  // First, because they count first wherever they stand.
  for (auto left = kinds.whiteouts && !lower.empty() ? dice.below(6) : 0; left > 0; --left) {
    const auto path = dice.once_in(20) ? "" : random_path(dice);
    if (dice.once_in(3) || path.empty())
      entries.push_back(layer::testing_support::file(layer::join_path(path, ".wh..wh..opq")));
    else
      entries.push_back(layer::testing_support::whiteout(path));
  }
  const auto whiteouts = entries.size();
  if (dice.once_in(4)) entries.push_back(layer::testing_support::directory("", 0711));
  for (auto left = 1 + dice.below(25); left > 0; --left) {
    if (dice.once_in(5))
      add_hardlink(dice, lower, entries);
    else
      entries.push_back(random_entry(dice, kinds));
  }
  for (std::size_t i = 0; i < whiteouts; ++i) {
    auto mark = std::move(entries.front());
    entries.erase(entries.begin());
    const auto place = dice.below(static_cast<std::uint32_t>(entries.size() + 1));
    entries.insert(entries.begin() + place, std::move(mark));
  }
  return valid_tar(lower, std::move(entries));
}

/// Lowest first.
inline std::vector<std::string> random_layers(std::uint32_t seed, const Kinds& kinds = {}) {
  Dice dice(seed);
  std::vector<std::string> tars;
  for (auto left = 1 + dice.below(5); left > 0; --left)
    tars.push_back(random_tar(dice, tars, kinds));
  return tars;
}

/// What a tar of orderly_tar() is made of.
inline layer::FileTree orderly_tree(Dice& dice, bool whiteouts) {
  layer::FileTree tree;
  for (auto left = 1 + dice.below(20); left > 0; --left) {
    auto entry = random_entry(dice, Kinds{whiteouts, true, false});
    if (whiteouts && dice.once_in(6)) entry = layer::testing_support::whiteout(entry.path);
    (void)tree.add(std::move(entry));  // What does not fit is left out.
  }
  for (auto left = dice.below(5); left > 0; --left) {
    const auto turn = dice.below(static_cast<std::uint32_t>(tree.size()));
    auto link = std::next(tree.entries().begin(), turn)->second;
    if (link.kind != layer::EntryKind::kFile) continue;
    link.kind = layer::EntryKind::kHardlink;
    link.link_target = link.path;
    link.path = random_path(dice);
    link.content = {};
    if (tree.find(link.path) == nullptr) (void)tree.add(std::move(link));
  }
  return tree;
}

/// Such a tar as programs make: every path once (whatever links of lower layers it goes through),
/// parents first, hard links last and to files of the same tar.
inline std::string orderly_tar(Dice& dice, const std::vector<std::string>& lower) {
  for (;;) {
    const auto tree = orderly_tree(dice, !lower.empty());
    std::vector<layer::Entry> entries;
    std::vector<layer::Entry> links;
    std::size_t names = 0;
    for (const auto& [path, entry] : tree.entries()) {
      const bool directory = entry.kind == layer::EntryKind::kDirectory;
      (entry.kind == layer::EntryKind::kHardlink ? links : entries).push_back(entry);
      if (entry.kind != layer::EntryKind::kWhiteout) ++names;
      if (directory && !lower.empty() && dice.once_in(4))
        entries.push_back(layer::testing_support::file(path + "/.wh..wh..opq"));
    }
    entries.insert(entries.end(), links.begin(), links.end());
    auto tar = layer::testing_support::tar_of(entries);
    try {
      Unpacked files;
      for (const auto& below : lower) files.add(below);
      files.add(tar);
      if (files.names_of_last() == names) return tar;
    } catch (const std::out_of_range&) {
      // A link of a lower layer led two of its names to one place.
    }
  }
}

inline std::vector<std::string> orderly_layers(std::uint32_t seed) {
  Dice dice(seed);
  std::vector<std::string> tars;
  for (auto left = 1 + dice.below(5); left > 0; --left) tars.push_back(orderly_tar(dice, tars));
  return tars;
}

inline Unpacked unpacked(const std::vector<std::string>& tars) {
  Unpacked files;
  for (const auto& tar : tars) files.add(tar);
  return files;
}

/// Layers as images have them, each compressed otherwise.
inline std::vector<layer::Blob> blobs_of(const std::vector<std::string>& tars) {
  using layer::testing_support::compress;
  std::vector<layer::Blob> blobs;
  for (const auto& tar : tars) {
    const auto turn = blobs.size() % 3;
    blobs.push_back(layer::Blob::of(std::string(oci::media_type::kOciLayer),
                                    turn == 0   ? tar
                                    : turn == 1 ? compress(layer::Compression::kGzip, tar)
                                                : compress(layer::Compression::kZstd, tar)));
  }
  return blobs;
}

}  // namespace kiln::image::testing_support
