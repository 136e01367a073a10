// Properties of layers of many random trees: what goes in comes out, and nothing else decides the
// bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/layer/entry_path.h"
#include "core/layer/layer.h"
#include "core/layer/layer_check.h"
#include "tests/unit/core/layer/support.h"

namespace kiln::layer {
namespace {

using namespace testing_support;

/// Random, but the same on every machine (the standard's distributions are not).
class Dice {
 public:
  explicit Dice(std::uint32_t seed) : state_(seed * 2654435761U + 1) {}
  std::uint32_t below(std::uint32_t limit) {
    state_ = state_ * 1664525U + 1013904223U;
    return (state_ >> 8) % limit;
  }

 private:
  std::uint32_t state_;
};

std::string random_name(Dice& dice) {
  static const std::vector<std::string> kNames = {"a",
                                                  "b",
                                                  "a.b",
                                                  "A",
                                                  "index.html",
                                                  "caf\xc3\xa9",
                                                  "\xe9",
                                                  " ",
                                                  "-rf",
                                                  "a!",
                                                  "#",
                                                  "~",
                                                  "\\",
                                                  std::string(100, 'l'),
                                                  std::string(101, 'm'),
                                                  std::string(255, 'n'),
                                                  ".hidden",
                                                  "..."};
  return kNames[dice.below(static_cast<std::uint32_t>(kNames.size()))];
}

Entry random_entry(Dice& dice) {
  auto path = random_name(dice);
  for (auto depth = dice.below(4); depth > 0; --depth) path = join_path(path, random_name(dice));
  const std::vector<EntryKind> kinds = {EntryKind::kDirectory, EntryKind::kFile, EntryKind::kFile,
                                        EntryKind::kSymlink, EntryKind::kWhiteout};
  Entry entry(path, kinds[dice.below(5)]);
  entry.mode = dice.below(07777 + 1);
  entry.uid = dice.below(2) == 0 ? dice.below(1000) : 2097150 + dice.below(4);
  entry.gid = dice.below(1000);
  if (entry.kind == EntryKind::kSymlink) {
    entry.link_target = dice.below(2) == 0 ? "../" + random_name(dice) : "/" + random_name(dice);
  }
  if (entry.kind == EntryKind::kFile) {
    const auto text = sample_bytes(dice.below(3000), dice.below(1000));
    entry.content = dice.below(2) == 0 ? content_of(text) : streamed_content_of(text);
  }
  if (dice.below(10) == 0) entry.mtime = static_cast<std::int64_t>(dice.below(1 << 23)) - 1000;
  return entry;
}

FileTree random_tree(std::uint32_t seed) {
  Dice dice(seed);
  FileTree tree;
  for (auto left = dice.below(60); left > 0; --left) {
    // Conflicts are part of the game: what is refused must leave the tree as it was.
    const auto size = tree.size();
    if (tree.add(random_entry(dice)).has_error()) {
      EXPECT_EQ(tree.size(), size);
    }
  }
  // A few hard links to files that are there, under names of their own.
  std::vector<std::string> files;
  for (const auto& [path, entry] : tree.entries())
    if (entry.kind == EntryKind::kFile) files.push_back(path);
  for (std::size_t i = 0; i < files.size(); i += 4)
    EXPECT_FALSE(tree.add(hardlink_to("0-link-" + std::to_string(i), files[i])).has_error());
  return tree;
}

/// What an index of the tree's layer must say.
std::vector<IndexedEntry> expected_index(const FileTree& tree) {
  std::vector<IndexedEntry> entries;
  for (const auto& [path, entry] : tree.entries()) {
    const auto& facts = entry.kind == EntryKind::kHardlink ? *tree.find(entry.link_target) : entry;
    IndexedEntry indexed;
    indexed.path = path;
    indexed.kind = entry.kind;
    if (entry.kind != EntryKind::kWhiteout) {
      indexed.mode = entry.kind == EntryKind::kSymlink ? 0777 : facts.mode;
      indexed.uid = facts.uid;
      indexed.gid = facts.gid;
      indexed.link_target = entry.link_target;
      indexed.size_bytes = entry.kind == EntryKind::kFile ? entry.content.size_bytes() : 0;
      indexed.mtime = *entry_time(facts, {});
    }
    entries.push_back(std::move(indexed));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return entries;
}

class RandomTree : public testing::TestWithParam<std::uint32_t> {};

TEST_P(RandomTree, ComesBackFromItsLayerAsItWas) {
  const auto tree = random_tree(GetParam());
  for (const auto compression : {Compression::kGzip, Compression::kZstd}) {
    LayerOptions options;
    options.compression = compression;
    const auto layer = make_layer(tree, options);
    ASSERT_TRUE(layer.has_value()) << layer.error().message;
    auto source = *layer->blob.open();

    const auto index = index_layer(*source, {});

    ASSERT_TRUE(index.has_value()) << index.error().message;
    EXPECT_EQ(index->entries, expected_index(tree));
    EXPECT_EQ(LayerIndex::from_bytes(index->to_bytes())->entries, index->entries);
  }
}

TEST_P(RandomTree, MakesALayerThatImageSpecAllows) {
  const auto tree = random_tree(GetParam());
  const auto layer = make_layer(tree, {});
  ASSERT_TRUE(layer.has_value()) << layer.error().message;
  auto source = *layer->blob.open();

  const auto facts = check_layer(*source);

  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  EXPECT_EQ(facts->digest, layer->blob.descriptor().digest);
  EXPECT_EQ(facts->diff_id, layer->diff_id);
  EXPECT_EQ(facts->uncompressed_bytes % 512, 0U);
}

TEST_P(RandomTree, HasOneDiffIdHoweverItIsBuiltAndCompressed) {
  const auto tree = random_tree(GetParam());
  std::vector<Entry> entries;
  for (const auto& [path, entry] : tree.entries()) {
    entries.push_back(entry);
    // The same bytes by the other way of reading.
    if (entry.kind != EntryKind::kFile) continue;
    auto source = *entry.content.open();
    const auto bytes = *read_all(*source, 1 << 20);
    const bool in_memory = entry.content.in_memory() != nullptr;
    entries.back().content = in_memory ? streamed_content_of(bytes) : content_of(bytes);
  }
  std::reverse(entries.begin(), entries.end());
  const auto again = tree_of(entries);

  const auto diff_id = make_layer(tree, {})->diff_id;
  for (const auto compression : {Compression::kGzip, Compression::kGzipSmall, Compression::kZstd}) {
    LayerOptions options;
    options.compression = compression;
    options.memory_limit_bytes = 512;
    const auto layer = make_layer(again, options);
    ASSERT_TRUE(layer.has_value()) << layer.error().message;
    EXPECT_EQ(layer->diff_id, diff_id);
  }
}

/// Whiteouts and layers the slow and obvious way: a plain set of paths.
std::map<std::string, EntryKind> merged_plainly(const std::vector<FileTree>& trees) {
  std::map<std::string, EntryKind> paths;
  const auto erase_below = [&](const std::string& path) {
    std::erase_if(paths, [&](const auto& item) { return item.first.starts_with(path + "/"); });
  };
  for (const auto& tree : trees) {
    for (const auto& [path, entry] : tree.entries()) {
      if (entry.kind != EntryKind::kWhiteout) continue;
      erase_below(path);
      paths.erase(path);
    }
    for (const auto& [path, entry] : tree.entries()) {
      if (entry.kind == EntryKind::kWhiteout) continue;
      if (entry.kind != EntryKind::kDirectory) erase_below(path);
      for (auto parent = parent_of(path); !parent.empty(); parent = parent_of(parent))
        paths[std::string(parent)] = EntryKind::kDirectory;
      paths[path] = entry.kind;
    }
  }
  return paths;
}

/// Without symlinks, which the obvious way does not know.
FileTree without_links(const FileTree& tree) {
  FileTree rest;
  for (const auto& [path, entry] : tree.entries())
    if (entry.kind != EntryKind::kSymlink && entry.kind != EntryKind::kHardlink) {
      EXPECT_FALSE(rest.add(entry).has_error());
    }
  return rest;
}

TEST_P(RandomTree, MergesAsThePlainWayDoes) {
  std::vector<FileTree> trees;
  std::vector<LayerIndex> indexes;
  for (std::uint32_t i = 0; i < 4; ++i) {
    trees.push_back(without_links(random_tree(GetParam() * 4 + i)));
    auto source = *make_layer(trees.back(), {})->blob.open();
    indexes.push_back(*index_layer(*source, {}));
  }

  const auto tree = *BaseTree::merge(indexes);

  const auto plain = merged_plainly(trees);
  EXPECT_EQ(tree.size(), plain.size());
  for (const auto& [path, kind] : plain) {
    const auto* entry = tree.find(path);
    ASSERT_NE(entry, nullptr) << path;
    EXPECT_EQ(entry->kind, kind) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomTree, testing::Range(1U, 41U));

}  // namespace
}  // namespace kiln::layer
