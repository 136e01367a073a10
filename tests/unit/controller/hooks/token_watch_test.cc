#include "controller/hooks/token_watch.h"

#include <gtest/gtest.h>

#include "core/base/encoding.h"
#include "tests/support/matchers.h"

namespace kiln::hooks {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using runtime::Origin;

kube::Object secret(const std::string& name, const std::string& token) {
  return *kube::Object::parse(R"({"metadata":{"namespace":"kiln-system","name":")" + name +
                              R"("},"data":{"token":")" + base64_encode(token) + "\"}}");
}

class Watch : public ::testing::Test {
 protected:
  TokenBox box_;
  TokenWatch watch_{kube::ObjectKey("kiln-system", "hooks"), box_};
};

TEST_F(Watch, FollowsTheSecretAsItChanges) {
  watch_.applied(secret("hooks", "the first token here"), Origin::kInitial);
  ASSERT_NE(box_.get(), nullptr);
  EXPECT_EQ(box_.get()->all(), std::vector<std::string>{"the first token here"});

  watch_.applied(secret("hooks", "the second token here"), Origin::kChange);

  EXPECT_EQ(box_.get()->all(), std::vector<std::string>{"the second token here"});
  EXPECT_EQ(watch_.known(), (std::vector<kube::ObjectKey>{{"kiln-system", "hooks"}}));
}

TEST_F(Watch, HasNoTokensOnceTheSecretIsGone) {
  watch_.applied(secret("hooks", "the first token here"), Origin::kInitial);
  watch_.deleted({"kiln-system", "hooks"});
  EXPECT_EQ(box_.get(), nullptr);
  EXPECT_TRUE(watch_.known().empty());
}

TEST_F(Watch, HasNoTokensWhereTheSecretHoldsNoneThatIsUsed) {
  watch_.applied(secret("hooks", "the first token here"), Origin::kInitial);
  watch_.applied(secret("hooks", "short"), Origin::kChange);
  EXPECT_EQ(box_.get(), nullptr);
  watch_.applied(*kube::Object::parse(R"({"metadata":{"namespace":"kiln-system","name":"hooks"},)"
                                      R"("data":{"token":5}})"),
                 Origin::kChange);
  EXPECT_EQ(box_.get(), nullptr);
}

TEST_F(Watch, MindsNoOtherSecret) {
  watch_.applied(secret("hooks", "the first token here"), Origin::kInitial);
  watch_.applied(secret("other", "the second token here"), Origin::kChange);
  watch_.deleted({"kiln-system", "other"});
  watch_.synced();
  ASSERT_NE(box_.get(), nullptr);
  EXPECT_EQ(box_.get()->all(), std::vector<std::string>{"the first token here"});
}

TEST(ParseSecretKey, ReadsNamespaceAndName) {
  const auto key = parse_secret_key("kiln-system/hooks.v1");
  ASSERT_THAT(key, IsOk());
  EXPECT_EQ(key->str(), "kiln-system/hooks.v1");
}

TEST(ParseSecretKey, SaysWhatToWrite) {
  for (const auto* text : {"", "hooks", "/hooks", "kiln-system/", "a/b/c", "Kiln/hooks", "a/b c"})
    EXPECT_THAT(parse_secret_key(text), FailsWith(Errc::kInvalid, "must be NAMESPACE/NAME"))
        << text;
}

}  // namespace
}  // namespace kiln::hooks
