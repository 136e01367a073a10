#include "core/oci/digest.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::oci {
namespace {

using testing::FailsWith;

struct BadDigest {
  std::string name, text, why;
};
void PrintTo(const BadDigest& bad, std::ostream* out) {
  *out << bad.name;
}

class DigestRefuses : public ::testing::TestWithParam<BadDigest> {};
TEST_P(DigestRefuses, WithAReasonThatNamesTheBrokenPart) {
  EXPECT_THAT(Digest::parse(GetParam().text), FailsWith(Errc::kInvalid, GetParam().why));
}
INSTANTIATE_TEST_SUITE_P(
    Parse, DigestRefuses,
    ::testing::Values(BadDigest{"Empty", "", "digest must start with \"sha256:\""},
                      BadDigest{"OtherAlgorithm", "md5:" + std::string(32, 'a'),
                                "digest must start with \"sha256:\""},
                      BadDigest{"OneDigitShort", "sha256:" + std::string(63, 'a'),
                                "digest must have 64 hex digits"},
                      BadDigest{"OneDigitLong", "sha256:" + std::string(65, 'a'),
                                "digest must have 64 hex digits"},
                      BadDigest{"UpperCase", "sha256:" + std::string(64, 'A'),
                                "digest hex must be lower case [0-9a-f]"}),
    [](const auto& test) { return test.param.name; });

TEST(Digest, ParseThenStrIsTheIdentity) {
  const auto text = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(Digest::parse(text)->str(), text);
}

TEST(Digest, OfBytesIsTheirSha256) {
  EXPECT_EQ(Digest::of("").str(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

}  // namespace
}  // namespace kiln::oci
