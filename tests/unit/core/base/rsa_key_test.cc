#include "core/base/rsa_key.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/json_web_token.h"
#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;
using testing::is_signed_by;
using testing::IsOk;
using testing::MadeRsaKey;

const MadeRsaKey& made_key() {
  static const MadeRsaKey kKey;
  return kKey;
}

TEST(RsaKey, SignsWhatThePublicKeyConfirmsAndNothingElse) {
  for (const auto& pem : {made_key().pem(), made_key().pkcs8_pem()}) {
    const auto key = RsaKey::parse(pem);
    ASSERT_THAT(key, IsOk());
    const auto signature = key->sign("some text");
    ASSERT_THAT(signature, IsOk());

    EXPECT_TRUE(is_signed_by(made_key().public_pem(), "some text", *signature));
    EXPECT_FALSE(is_signed_by(made_key().public_pem(), "some other text", *signature));
    EXPECT_FALSE(is_signed_by(MadeRsaKey().public_pem(), "some text", *signature));
  }
}

struct BadKey {
  std::string name, pem, why;
};
void PrintTo(const BadKey& bad, std::ostream* out) {
  *out << bad.name;
}

class RsaKeyRefuses : public ::testing::TestWithParam<BadKey> {};

TEST_P(RsaKeyRefuses, WithAReasonAndWithoutTheKey) {
  const auto key = RsaKey::parse(GetParam().pem);

  ASSERT_THAT(key, FailsWith(Errc::kInvalid, GetParam().why));
  if (GetParam().pem.size() < 60) return;
  EXPECT_EQ(key.error().message.find(GetParam().pem.substr(30, 20)), std::string::npos);
}

std::string with_line_breaks_as_text(std::string pem) {
  for (auto at = pem.find('\n'); at != pem.npos; at = pem.find('\n', at)) pem.replace(at, 1, "\\n");
  return pem;
}

INSTANTIATE_TEST_SUITE_P(
    Pem, RsaKeyRefuses,
    ::testing::ValuesIn(std::vector<BadKey>{
        {"Nothing", "", "is no PEM: it must begin with -----BEGIN"},
        {"Base64Alone", base64_encode("some bytes"), "is no PEM: it must begin with -----BEGIN"},
        {"APublicKey", made_key().public_pem(), "is no private key"},
        {"ACutOne", made_key().pem().substr(0, 900), "is no private key: it is cut off"},
        {"OneWithLineBreaksAsText", with_line_breaks_as_text(made_key().pem()),
         "is no private key"},
        {"ALockedOne", made_key().locked_pem("correct horse"),
         "is locked with a passphrase: store it without one"},
        {"AnEllipticOne", testing::made_elliptic_pem(), "is no RSA key"},
        {"AShortOne", MadeRsaKey(1024).pem(), "has 1024 bits, and it must have 2048"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace kiln
