#include "core/layer/block_deflater.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace kiln::layer {
namespace {

/// A short text, so that ISA-L has few hashes for it, whose beginning comes again and again.
std::string text_of(std::uint32_t seed) {
  std::minstd_rand random(seed + 1);
  const auto word = [&random](std::size_t letters) {
    std::string text;
    while (text.size() < letters) text += static_cast<char>('a' + random() % 26);
    return text;
  };
  const auto beginning = word(7);
  std::string text;
  for (int i = 0; i < 12; ++i) text += beginning + word(13);
  return text;
}

TEST(IsalDeflater, GivesTheSameBytesWhereverItsMemoryLies) {
  std::vector<std::unique_ptr<BlockDeflater>> deflaters;  // Each with memory of its own.
  while (deflaters.size() < 24) deflaters.push_back(make_isal_deflater());
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const auto text = text_of(seed);
    const auto expected = deflaters.front()->deflate(text);
    ASSERT_TRUE(expected) << expected.error().message;
    for (const auto& deflater : deflaters) {
      const auto block = deflater->deflate(text);
      ASSERT_TRUE(block) << block.error().message;
      ASSERT_EQ(block->bytes, expected->bytes) << "text " << seed;
    }
  }
}

TEST(IsalDeflater, GivesTheSameBytesWhateverItsMemoryWasUsedForBefore) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    // More than are kept, so that the next has memory of its own.
    const std::array others = {make_isal_deflater(), make_isal_deflater(), make_isal_deflater()};
    const auto expected = make_isal_deflater()->deflate(text_of(seed));
    ASSERT_TRUE(expected) << expected.error().message;
    ASSERT_TRUE(make_isal_deflater()->deflate(text_of(seed + 1000)));  // What that has left behind.
    const auto block = make_isal_deflater()->deflate(text_of(seed));
    ASSERT_TRUE(block) << block.error().message;
    ASSERT_EQ(block->bytes, expected->bytes) << "text " << seed;
  }
}

}  // namespace
}  // namespace kiln::layer
