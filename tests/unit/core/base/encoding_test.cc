#include "core/base/encoding.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;

TEST(Base64, RoundTripsEveryLength) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(*base64_decode(base64_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
}

TEST(Base64, KnowsTheRfcVectors) {
  EXPECT_EQ(base64_encode("f"), "Zg==");
  EXPECT_EQ(base64_encode("fo"), "Zm8=");
  EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
}

TEST(Base64Url, HasNoPaddingAndNothingThatAUrlCannotHold) {
  EXPECT_EQ(base64url_encode("f"), "Zg");
  EXPECT_EQ(base64url_encode("\xfb\xef\xff"), "--__");
}

class Base64Refuses : public ::testing::TestWithParam<std::string> {};
TEST_P(Base64Refuses, WhatIsNotBase64) {
  EXPECT_THAT(base64_decode(GetParam()), FailsWith(Errc::kInvalid, "base64"));
}
INSTANTIATE_TEST_SUITE_P(Text, Base64Refuses,
                         ::testing::Values("Zg", "Zg=", "Z===", "Zm9v\n",
                                           "Zm 9vYg=", "Zm9v!===", "=Zg="));

TEST(PercentEncode, LeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(percent_encode("a/b c&d=é~"), "a%2Fb%20c%26d%3D%C3%A9~");
}

TEST(Utf8, TellsGoodFromBroken) {
  EXPECT_TRUE(is_utf8("héllo €𝄞"));
  EXPECT_FALSE(is_utf8("\xff"));
  EXPECT_FALSE(is_utf8("\xc0\xaf"));      // Overlong '/'.
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));  // A surrogate.
  EXPECT_FALSE(is_utf8("\xe2\x82"));      // Cut short.
}

}  // namespace
}  // namespace kiln
