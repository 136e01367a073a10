#include "cli/terminal.h"

#include <gtest/gtest.h>

namespace kiln::cli {
namespace {

TEST(HumanBytes, CountInDecimalUnits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1234), "1.2 kB");
  EXPECT_EQ(human_bytes(999'960), "1.0 MB");
  EXPECT_EQ(human_bytes(5'000'000'000), "5.0 GB");
}

}  // namespace
}  // namespace kiln::cli
