#include "core/store/packing.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::store {
namespace {

using oci::media_type::LayerCompression;

struct Case {
  std::string name, bytes;
  LayerCompression packing;
};

class Packing : public ::testing::TestWithParam<Case> {};

TEST_P(Packing, IsKnownByTheFirstBytes) {
  MemorySource source(GetParam().bytes);
  const auto packing = packing_of(source);
  ASSERT_THAT(packing, kiln::testing::IsOk());
  EXPECT_EQ(*packing, GetParam().packing);
}

INSTANTIATE_TEST_SUITE_P(Of, Packing,
                         ::testing::ValuesIn(std::vector<Case>{
                             {"Nothing", "", LayerCompression::kNone},
                             {"OneByte", "\x1f", LayerCompression::kNone},
                             {"ATar", std::string("usr/\0\0\0", 7), LayerCompression::kNone},
                             {"Gzip", std::string("\x1f\x8b\x08\0", 4), LayerCompression::kGzip},
                             {"Zstd", "\x28\xb5\x2f\xfd\x04", LayerCompression::kZstd},
                             {"Bzip2", "BZh91AY", LayerCompression::kUnknown},
                             {"Xz",
                              std::string("\xfd"
                                          "7zXZ\0\0",
                                          7),
                              LayerCompression::kUnknown},
                         }),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln::store
