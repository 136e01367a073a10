#include "controller/hooks/tokens.h"

#include <gtest/gtest.h>

#include "core/base/encoding.h"
#include "tests/support/matchers.h"

namespace kiln::hooks {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

std::string secret(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string data;
  for (const auto& [key, value] : entries)
    data += (data.empty() ? "\"" : ",\"") + key + "\":\"" + base64_encode(value) + "\"";
  return R"({"metadata":{"name":"hooks"},"data":{)" + data + "}}";
}

TEST(Tokens, AreTheEntriesOfASecretWithoutTheWhiteSpaceAround) {
  const auto tokens = Tokens::read(
      secret({{"forge", "0123456789abcdef\n"}, {"registry", " sixteen characters \r\n"}}));
  ASSERT_THAT(tokens, IsOk());
  EXPECT_EQ(tokens->all(), (std::vector<std::string>{"0123456789abcdef", "sixteen characters"}));
  EXPECT_TRUE(tokens->warnings().empty());
}

TEST(Tokens, WarnOfOneThatIsTooShortWithoutShowingIt) {
  const auto tokens = Tokens::read(secret({{"empty", ""}, {"weak", "hunter2"}}));
  ASSERT_THAT(tokens, IsOk());
  EXPECT_TRUE(tokens->all().empty());
  EXPECT_EQ(
      tokens->warnings(),
      (std::vector<std::string>{"the token \"empty\" has less than 16 characters and is not used",
                                "the token \"weak\" has less than 16 characters and is not used"}));
}

TEST(Tokens, AreNotMoreThanSixteen) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (char c = 'a'; c <= 'q'; ++c) entries.emplace_back(std::string(1, c), std::string(20, c));
  const auto tokens = Tokens::read(secret(entries));
  ASSERT_THAT(tokens, IsOk());
  EXPECT_EQ(tokens->all().size(), Tokens::kMost);
  EXPECT_EQ(tokens->warnings(),
            std::vector<std::string>{"the token \"q\" is one more than 16 and is not used"});
}

TEST(Tokens, NeedASecret) {
  EXPECT_THAT(Tokens::read("no"), FailsWith(Errc::kInvalid, "not valid JSON"));
  EXPECT_THAT(Tokens::read(R"({"data":{"a":"%"}})"), FailsWith(Errc::kInvalid, "is not base64"));
}

TEST(TokenBox, HoldsWhatWasPutInLast) {
  TokenBox box;
  EXPECT_EQ(box.get(), nullptr);
  const auto tokens = std::make_shared<const Tokens>();
  box.set(tokens);
  EXPECT_EQ(box.get(), tokens);
  box.set(nullptr);
  EXPECT_EQ(box.get(), nullptr);
}

}  // namespace
}  // namespace kiln::hooks
