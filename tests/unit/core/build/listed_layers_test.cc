#include "core/build/listed_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "core/build/layer_cut.h"
#include "core/build/placement.h"
#include "core/source/late_identity.h"
#include "tests/support/base_images.h"
#include "tests/support/entry_list.h"
#include "tests/support/matchers.h"

namespace kiln::build {
namespace {

using testing::directory;
using ::testing::ElementsAre;
using testing::FailsWith;
using testing::file;
using testing::IsOk;
using testing::listed;
using testing::symlink;

using Entries = std::vector<layer::Entry>;

/// Of that size, without bytes that anybody reads.
layer::Entry large_file(const std::string& path, std::uint64_t size) {
  layer::Entry entry(path, layer::EntryKind::kFile);
  entry.content = layer::FileContent(
      size, [] { return Result<std::unique_ptr<ByteSource>>(std::make_unique<MemorySource>("")); });
  entry.identity = "sha256:" + path + std::to_string(size);
  return entry;
}

/// A site of some hundred MiB, three levels deep, with all that a folder can have but hard links.
Entries site(unsigned seed, std::size_t folders) {
  std::mt19937 random(seed);
  Entries entries;
  for (std::size_t i = 0; i < folders; ++i) {
    auto path = "d" + std::to_string(100 + i);
    entries.push_back(directory(path, 0700 + i % 64));
    for (const auto* below : {"/a", "/b", "/b/c"}) {
      entries.push_back(directory(path + below, 0755));
      entries.back().uid = static_cast<std::uint32_t>(random() % 3);
      for (std::size_t j = 0; j < 10; ++j) {
        const auto name = path + below + "/0" + std::to_string(j);
        if (random() % 8 == 0) {
          entries.push_back(symlink(name, "../elsewhere"));
          continue;
        }
        entries.push_back(large_file(name, random() % 1'000'000));
        if (random() % 8 == 0) entries.back().xattrs["user.kiln"] = name;
      }
    }
  }
  return entries;
}

layer::BaseTree base_of(Entries entries) {
  layer::FileTree tree;
  for (auto& entry : entries) EXPECT_THAT(tree.add(std::move(entry)), IsOk());
  return *layer::BaseTree::merge({index_of(tree)});
}

BuildRequest request_for(const std::string& path, const Ownership& ownership = {}) {
  BuildRequest request;
  request.content.emplace_back(nullptr, path);
  request.content.front().ownership = ownership;
  request.content.front().name = "the site";
  return request;
}

std::optional<LayerDrafts> drafts_of(const BuildRequest& request, const Entries& entries,
                                     const layer::BaseTree& below,
                                     const source::LateIdentities& late = {}) {
  auto drafts = listed_layers(request, 0, listed(entries), below, "line");
  if (!drafts) return drafts;
  for (auto& draft : *drafts) {
    auto known = with_facts(draft, late);
    EXPECT_THAT(known, IsOk());
    if (known) draft = std::move(*known);
  }
  return drafts;
}

/// What the layers are when the whole tree is made.
std::vector<std::string> by_the_tree(const BuildRequest& request, const Entries& entries,
                                     const layer::BaseTree& below) {
  const auto& wanted = request.content.front();
  layer::FileTree tree;
  EXPECT_THAT(place_content(listed(entries), wanted.path, wanted.ownership, below, tree), IsOk());
  std::vector<std::string> identities;
  if (tree.empty()) return identities;
  const auto parts = cut_into_layers(std::move(tree));
  for (const auto& part : *parts) identities.push_back(source::identity_of(*part));
  return identities;
}

std::vector<std::string> as_announced(const LayerDrafts& drafts) {
  std::vector<std::string> identities;
  for (const auto& draft : drafts) identities.push_back(draft->facts->identity);
  return identities;
}

std::vector<std::string> as_made(const LayerDrafts& drafts) {
  std::vector<std::string> identities;
  for (const auto& draft : drafts) {
    const auto tree = draft->tree();
    EXPECT_THAT(tree, IsOk());
    identities.push_back(tree ? source::identity_of(**tree) : "");
  }
  return identities;
}

struct Case {
  const char* name;
  std::string path;
  Ownership ownership{};
  Entries base{};
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

Ownership all_given() {
  Ownership ownership;
  ownership.uid = 101;
  ownership.gid = 102;
  ownership.file_mode = 0600;
  ownership.dir_mode = 0500;
  return ownership;
}

class ListedLayers : public ::testing::TestWithParam<Case> {};

TEST_P(ListedLayers, AreThoseOfTheTree) {
  const auto base = base_of(GetParam().base);
  const auto request = request_for(GetParam().path, GetParam().ownership);
  for (const std::size_t folders : {0u, 1u, 20u, 60u, 120u}) {
    const auto entries = site(static_cast<unsigned>(folders), folders);
    const auto wanted = by_the_tree(request, entries, base);

    const auto drafts = drafts_of(request, entries, base);

    ASSERT_TRUE(drafts) << folders;
    EXPECT_EQ(as_announced(*drafts), wanted) << folders;
    EXPECT_EQ(as_made(*drafts), wanted) << folders;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Places, ListedLayers,
    ::testing::Values(Case{"OfScratch", "/srv"}, Case{"TheRootOfScratch", "/"},
                      Case{"DeepInScratch", "/a/b/c"}, Case{"WithAnOwner", "/srv/x", all_given()},
                      Case{"NewInABase", "/srv/site", {}, testing::nginx_like_entries()},
                      Case{"NewInABaseWithAnOwner", "/var/cache/nginx/site", all_given(),
                           testing::nginx_like_entries()},
                      Case{
                          "BehindASymlinkOfABase", "/bin/site", {}, testing::nginx_like_entries()}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(ListedLayersOf, ALargeListAreSeveral) {
  const auto drafts = drafts_of(request_for("/srv"), site(1, 60), base_of({}));

  ASSERT_TRUE(drafts);
  ASSERT_GT(drafts->size(), 10u);
  EXPECT_EQ(drafts->front()->created_by, "line (1 of " + std::to_string(drafts->size()) + ")");
}

TEST(ListedLayersOf, ASmallListCountFilesAndBytes) {
  const Entries entries{directory("a"), large_file("a/one", 3), large_file("two", 4),
                        symlink("z", "two")};

  const auto drafts = drafts_of(request_for("/srv"), entries, base_of({}));

  ASSERT_TRUE(drafts);
  ASSERT_EQ(drafts->size(), 1u);
  EXPECT_EQ(drafts->front()->created_by, "line");
  EXPECT_EQ(drafts->front()->facts->files, 2u);
  EXPECT_EQ(drafts->front()->facts->content_bytes, 7u);
  EXPECT_TRUE(drafts->front()->facts->is_known);
}

TEST(ListedLayersOf, NothingAreNone) {
  const auto drafts = drafts_of(request_for("/srv"), {}, base_of({}));

  ASSERT_TRUE(drafts);
  EXPECT_TRUE(drafts->empty());
}

/// Files that are known when they have been packed: those called "late:…".
class Late final : public source::LateIdentity {
 public:
  bool gave(std::string_view identity) const override { return identity.starts_with("late:"); }
  std::string find(std::string_view) const override { return ""; }
  bool is_complete() const override { return false; }
  Result<std::string> finish() override { return std::string(); }
  void remember() const override {}
};

TEST(ListedLayersOf, FilesThatAreKnownLateSaySo) {
  Entries entries{large_file("one", 3)};
  entries.front().identity = "late:1";

  const auto with_late =
      drafts_of(request_for("/srv"), entries, base_of({}), {std::make_shared<Late>()});
  const auto without = drafts_of(request_for("/srv"), entries, base_of({}));

  EXPECT_FALSE(with_late->front()->facts->is_known);
  EXPECT_TRUE(with_late->front()->facts->will_be_known);
  EXPECT_FALSE(without->front()->facts->will_be_known);
}

TEST(ListedLayersOf, ATreesContentAreNotTold) {
  source::Content content;
  ASSERT_THAT(content.tree.add(file("x", "")), IsOk());

  EXPECT_FALSE(listed_layers(request_for("/srv"), 0, content, base_of({}), "line"));
}

TEST(ListedLayersOf, HardLinksAreNotTold) {
  layer::Entry link("b", layer::EntryKind::kHardlink);
  link.link_target = "a";

  EXPECT_FALSE(drafts_of(request_for("/srv"), {file("a", ""), link}, base_of({})));
}

TEST(ListedLayersOf, WhatComesWithoutItsDirectoryAreNotTold) {
  EXPECT_FALSE(drafts_of(request_for("/srv"), {file("a/b", "")}, base_of({})));
}

TEST(ListedLayersOf, APlaceWhereTheBaseHasSomethingAreNotTold) {
  const auto base = base_of(testing::nginx_like_entries());

  EXPECT_FALSE(drafts_of(request_for("/usr/share"), {file("a", "")}, base));
}

TEST(ListedLayersOf, APlaceThatIsAFileAreNotTold) {
  EXPECT_FALSE(drafts_of(request_for("/srv/x"), {file("a", "")}, base_of({file("srv", "")})));
}

TEST(ListedLayersOf, WhatNoLayerCanHoldFailsWithTheContentsName) {
  const auto drafts = drafts_of(request_for("/srv"), {symlink("a", "")}, base_of({}));

  ASSERT_TRUE(drafts);
  EXPECT_THAT(drafts->front()->tree(), FailsWith(Errc::kInvalid, "the site: "));
}

}  // namespace
}  // namespace kiln::build
