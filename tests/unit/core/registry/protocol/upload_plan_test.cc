#include "core/registry/protocol/upload_plan.h"

#include <gtest/gtest.h>

#include <vector>

namespace kiln::registry::protocol {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

/// The PATCHes that bring `total` bytes over.
std::vector<std::uint64_t> chunks(const UploadPlan& plan, std::uint64_t total,
                                  std::uint64_t smallest = 0) {
  std::vector<std::uint64_t> sizes;
  std::uint64_t held = 0;
  while (const auto next = plan.next_chunk(total, held, smallest)) {
    sizes.push_back(next);
    held += next;
  }
  return sizes;
}

using Sizes = std::vector<std::uint64_t>;

TEST(UploadPlan, SendsAllInOnePutUnlessItIsToldOtherwise) {
  EXPECT_EQ(chunks(UploadPlan(), 5000 * kMiB), Sizes());
  EXPECT_EQ(chunks(UploadPlan(), 5000 * kMiB, 5 * kMiB), Sizes());
}

TEST(UploadPlan, CutsWhatIsLargerThanAChunk) {
  EXPECT_EQ(chunks(UploadPlan(10), 25), (Sizes{10, 10, 5}));
  EXPECT_EQ(chunks(UploadPlan(10), 20), (Sizes{10, 10}));
  EXPECT_EQ(chunks(UploadPlan(10), 10), Sizes());
}

TEST(UploadPlan, GoesOnInChunksWhereItStopped) {
  EXPECT_EQ(UploadPlan(10).next_chunk(25, 18, 0), 7u);
  EXPECT_EQ(UploadPlan(10).next_chunk(25, 25, 0), 0u);
  EXPECT_EQ(UploadPlan(10).next_chunk(9, 4, 0), 5u);
}

TEST(UploadPlan, HoldsToTheSmallestChunkThatTheRegistryTakes) {
  EXPECT_EQ(chunks(UploadPlan(10), 45, 20), (Sizes{20, 20, 5}));
}

TEST(UploadPlan, TriesSmallerBodiesUntilThereAreNone) {
  UploadPlan plan;
  for (const auto size : {64 * kMiB, 8 * kMiB, 4 * kMiB, std::uint64_t{960 * 1024}}) {
    const auto refused = plan.next_chunk(200 * kMiB, 0, 0);
    EXPECT_TRUE(plan.too_large(refused == 0 ? 200 * kMiB : refused, 0));
    EXPECT_EQ(plan.next_chunk(200 * kMiB, 0, 0), size);
  }
  EXPECT_FALSE(plan.too_large(960 * 1024, 0));
}

TEST(UploadPlan, DoesNotTryChunksBelowTheRegistrysSmallest) {
  UploadPlan plan;
  EXPECT_TRUE(plan.too_large(200 * kMiB, 5 * kMiB));
  EXPECT_TRUE(plan.too_large(64 * kMiB, 5 * kMiB));
  EXPECT_EQ(plan.next_chunk(200 * kMiB, 0, 5 * kMiB), 8 * kMiB);
  EXPECT_TRUE(plan.too_large(8 * kMiB, 5 * kMiB));
  EXPECT_EQ(plan.next_chunk(200 * kMiB, 0, 5 * kMiB), 5 * kMiB);
  EXPECT_FALSE(plan.too_large(5 * kMiB, 5 * kMiB));
}

TEST(UploadPlan, KeepsWhatAnotherUploadLearnt) {
  UploadPlan plan;
  EXPECT_TRUE(plan.too_large(30 * kMiB, 0));
  EXPECT_TRUE(plan.too_large(200 * kMiB, 0));
  EXPECT_EQ(plan.next_chunk(200 * kMiB, 0, 0), 8 * kMiB);
}

TEST(UploadPlan, TriesTheOtherWayOnceEach) {
  UploadPlan plan;
  EXPECT_TRUE(plan.no_whole());
  EXPECT_EQ(chunks(plan, 25), Sizes{25});
  EXPECT_FALSE(plan.no_chunks());
  EXPECT_FALSE(plan.no_whole());

  UploadPlan told(10);
  EXPECT_TRUE(told.no_chunks());
  EXPECT_EQ(chunks(told, 25), Sizes());
  EXPECT_FALSE(told.no_chunks());
}

}  // namespace
}  // namespace kiln::registry::protocol
