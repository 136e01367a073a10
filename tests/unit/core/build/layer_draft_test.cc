#include "core/build/layer_draft.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/support/matchers.h"

namespace kiln::build {
namespace {

layer::Entry file(const std::string& path, std::size_t size) {
  layer::Entry entry(path, layer::EntryKind::kFile);
  entry.content = layer::FileContent(std::make_shared<const std::string>(size, 'x'));
  return entry;
}

layer::Entry file_on_disk() {
  layer::Entry entry("on-disk", layer::EntryKind::kFile);
  entry.content = layer::FileContent(
      1, [] { return Result<std::unique_ptr<ByteSource>>(Error(Errc::kInternal, "not read")); });
  return entry;
}

layer::Entry file_with_attribute(std::size_t size) {
  auto entry = file("attributes", 0);
  entry.xattrs["user.large"] = std::string(size, 'x');
  return entry;
}

struct Case {
  const char* what;
  std::function<std::vector<layer::Entry>()> entries;
  bool at_hand;
};

class AtHand : public ::testing::TestWithParam<Case> {};

TEST_P(AtHand, IsWhatIsPackedInNoTime) {
  auto tree = std::make_shared<layer::FileTree>();
  for (auto& entry : GetParam().entries())
    ASSERT_THAT(tree->add(std::move(entry)), testing::IsOk());
  EXPECT_EQ(LayerDraft(tree, "").is_at_hand, GetParam().at_hand);
}

std::vector<layer::Entry> files(std::size_t count, std::size_t size) {
  std::vector<layer::Entry> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(file(std::to_string(i), size));
  return all;
}

using Entries = std::vector<layer::Entry>;

INSTANTIATE_TEST_SUITE_P(
    Each, AtHand,
    ::testing::Values(
        Case{"FewSmallFiles", [] { return files(5, 4096); }, true},
        Case{"EmptyFiles", [] { return files(5, 0); }, true},
        Case{"ManyFiles", [] { return files(65, 1); }, false},
        Case{"LargeFiles", [] { return files(2, 40'000); }, false},
        Case{"FilesOnDisk", [] { return Entries{file_on_disk()}; }, false},
        Case{"SmallAttributes", [] { return Entries{file_with_attribute(100)}; }, true},
        Case{"LargeAttributes", [] { return Entries{file_with_attribute(100'000)}; }, false}),
    [](const auto& one) { return std::string(one.param.what); });

TEST(LaterDraft, IsNotAtHand) {
  const LayerDraft draft(
      [] {
        return Result<std::shared_ptr<const layer::FileTree>>(
            std::make_shared<const layer::FileTree>());
      },
      "");
  EXPECT_FALSE(draft.is_at_hand);
}

}  // namespace
}  // namespace kiln::build
