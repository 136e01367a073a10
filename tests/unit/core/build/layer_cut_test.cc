#include "core/build/layer_cut.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "core/layer/entry_path.h"
#include "tests/support/matchers.h"

namespace kiln::build {
namespace {

using layer::Entry;
using layer::EntryKind;
using layer::FileTree;
using testing::IsOk;

constexpr std::uint64_t kMiB = 1 << 20;

Entry file(const std::string& path, std::uint64_t size) {
  Entry entry(path, EntryKind::kFile);
  entry.content = layer::FileContent(
      size, [] { return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>("")); });
  entry.identity = path + " " + std::to_string(size);
  return entry;
}

Entry directory(const std::string& path, std::uint32_t mode) {
  Entry entry(path, EntryKind::kDirectory);
  entry.mode = mode;
  return entry;
}

/// A site of some hundred MiB: "site/dir7/file12".
FileTree site(std::size_t directories) {
  FileTree tree;
  EXPECT_THAT(tree.add(directory("site", 0711)), IsOk());
  for (std::size_t i = 0; i < directories; ++i) {
    const auto folder = "site/dir" + std::to_string(i);
    EXPECT_THAT(tree.add(directory(folder, 0750)), IsOk());
    for (std::size_t j = 0; j < 40; ++j)
      EXPECT_THAT(tree.add(file(folder + "/file" + std::to_string(j), (j + 1) * 10'000)), IsOk());
  }
  return tree;
}

using Parts = std::vector<std::shared_ptr<const FileTree>>;

Parts cut(FileTree tree) {
  auto parts = cut_into_layers(std::move(tree));
  EXPECT_THAT(parts, IsOk());
  return parts ? *parts : Parts();
}

/// Which files are in each part.
std::set<std::set<std::string>> contents(const Parts& parts) {
  std::set<std::set<std::string>> all;
  for (const auto& part : parts) {
    std::set<std::string> files;
    for (const auto& [path, entry] : part->entries())
      if (entry.kind != EntryKind::kDirectory) files.insert(path + " " + entry.identity);
    all.insert(files);
  }
  return all;
}

std::size_t not_in(const std::set<std::set<std::string>>& before,
                   const std::set<std::set<std::string>>& after) {
  std::size_t count = 0;
  for (const auto& files : after) count += before.contains(files) ? 0 : 1;
  return count;
}

TEST(LayerCut, LeavesASmallTreeWhole) {
  const auto parts = cut(site(2));

  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(contents(parts), contents({std::make_shared<const FileTree>(site(2))}));
}

TEST(LayerCut, MakesLayersOfAboutTheSizeOfOne) {
  const auto parts = cut(site(40));  // 328 MB.

  EXPECT_GE(parts.size(), 6u);
  EXPECT_LE(parts.size(), 20u);
  for (const auto& part : parts) EXPECT_LE(part->content_bytes(), 2 * kLayerBytes);
}

TEST(LayerCut, MakesNoMoreLayersThanAllowedHoweverMuchThereIs) {
  FileTree tree;
  for (int i = 0; i < 5000; ++i)
    ASSERT_THAT(tree.add(file("file" + std::to_string(i), 2 * kMiB)), IsOk());

  EXPECT_LE(cut(std::move(tree)).size(), kMaxCutLayers);
}

TEST(LayerCut, OfTheLargestSitesThatOneMeetsIsNotCoarser) {
  const auto parts = cut(site(90));  // 738 MB.

  EXPECT_GE(parts.size(), 18u);
  EXPECT_LE(parts.size(), kMaxCutLayers);
}

TEST(LayerCut, PutsEveryFileIntoOnePartBelowItsDirectories) {
  const auto whole = site(40);

  std::map<std::string, int> seen;
  for (const auto& part : cut(site(40)))
    for (const auto& [path, entry] : part->entries()) {
      if (entry.kind == EntryKind::kFile) ++seen[path];
      const std::string parent(layer::parent_of(path));
      if (parent.empty()) continue;
      ASSERT_NE(part->find(parent), nullptr) << path;
      EXPECT_EQ(part->find(parent)->mode, whole.find(parent)->mode);
    }

  EXPECT_EQ(seen.size(), 1600u);
  for (const auto& [path, times] : seen) EXPECT_EQ(times, 1) << path;
}

TEST(LayerCut, OneChangedFileChangesOneLayer) {
  auto edited = site(40);
  ASSERT_THAT(edited.add(file("site/dir20/file7", 80'001)), IsOk());

  EXPECT_EQ(not_in(contents(cut(site(40))), contents(cut(std::move(edited)))), 1u);
}

TEST(LayerCut, ANewFileChangesFewLayers) {
  auto grown = site(40);
  ASSERT_THAT(grown.add(file("site/dir20/new", 3 * kMiB)), IsOk());

  EXPECT_LE(not_in(contents(cut(site(40))), contents(cut(std::move(grown)))), 3u);
}

TEST(LayerCut, KeepsHardLinksWithTheirFile) {
  auto tree = site(40);
  for (const auto* target : {"site/dir0/file0", "site/dir39/file39"}) {
    Entry link("site/link-" + std::string(layer::name_of_path(target)), EntryKind::kHardlink);
    link.link_target = target;
    ASSERT_THAT(tree.add(std::move(link)), IsOk());
  }

  std::size_t links = 0;
  for (const auto& part : cut(std::move(tree)))
    for (const auto& [path, entry] : part->entries()) {
      if (entry.kind != EntryKind::kHardlink) continue;
      ++links;
      EXPECT_NE(part->find(entry.link_target), nullptr) << path;
    }
  EXPECT_EQ(links, 2u);
}

}  // namespace
}  // namespace kiln::build
