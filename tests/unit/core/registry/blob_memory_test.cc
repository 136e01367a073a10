#include "core/registry/blob_memory.h"

#include <gtest/gtest.h>

#include <string>

namespace kiln::registry {
namespace {

using namespace std::chrono_literals;

const BlobMemory::TimePoint kNow{1h};

TEST(BlobMemory, BelievesForFiveMinutes) {
  BlobMemory memory;
  memory.remember("r.io/site@a", kNow);

  EXPECT_TRUE(memory.knows("r.io/site@a", kNow + 4min));
  EXPECT_FALSE(memory.knows("r.io/site@a", kNow + 5min));
  EXPECT_FALSE(memory.knows("r.io/site@b", kNow));
}

TEST(BlobMemory, KeepsNothingThatItDoesNotBelieve) {
  BlobMemory memory;
  for (int i = 0; i < 1000; ++i) memory.remember("r.io/site@" + std::to_string(i), kNow);

  memory.remember("r.io/site@new", kNow + 10min);

  EXPECT_EQ(memory.size(), 1U);
}

TEST(BlobMemory, HasALimit) {
  BlobMemory memory;
  for (std::size_t i = 0; i <= BlobMemory::kMaxEntries; ++i)
    memory.remember(std::to_string(i), kNow);

  EXPECT_LE(memory.size(), BlobMemory::kMaxEntries);
  EXPECT_TRUE(memory.knows(std::to_string(BlobMemory::kMaxEntries), kNow));
}

TEST(BlobMemory, DoesNotBelieveInABlobThatWasLostUntilItIsFound) {
  BlobMemory memory;
  memory.remember("r.io/site@a", kNow);

  memory.mark_lost("r.io/site@a");
  EXPECT_FALSE(memory.knows("r.io/site@a", kNow));
  EXPECT_TRUE(memory.is_lost("r.io/site@a"));

  memory.mark_found("r.io/site@a");
  EXPECT_FALSE(memory.is_lost("r.io/site@a"));
}

}  // namespace
}  // namespace kiln::registry
