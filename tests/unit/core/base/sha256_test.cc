#include "core/base/sha256.h"

#include <gtest/gtest.h>

#include "core/base/encoding.h"

namespace kiln {
namespace {

TEST(Sha256, KnowsTheStandardVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, DoesNotDependOnThePieces) {
  const std::string bytes(10'000, 'k');
  Sha256 hash;
  for (std::size_t i = 0; i < bytes.size(); i += 7)
    hash.update(std::string_view(bytes).substr(i, 7));
  EXPECT_EQ(hash.finish_hex(), sha256_hex(bytes));
}

TEST(HmacSha256, KnowsAVectorOfRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(EqualSecrets, ComparesWholeTextsOfAnyLength) {
  EXPECT_TRUE(equal_secrets("", ""));
  EXPECT_TRUE(equal_secrets("token", "token"));
  EXPECT_FALSE(equal_secrets("token", "tokens"));
  EXPECT_FALSE(equal_secrets("token", "Token"));
  EXPECT_FALSE(equal_secrets(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

}  // namespace
}  // namespace kiln
