#include "controller/imagebuild/outcome.h"

#include <gtest/gtest.h>

namespace kiln::imagebuild {
namespace {

struct Row {
  Step step;
  Errc code;
  std::string_view reason;
  bool dead_end;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << name_of(row.step) << ", " << name_of(row.code);
}

class Judge : public ::testing::TestWithParam<Row> {};
TEST_P(Judge, NamesTheReasonAndWhetherAnythingCanHeal) {
  const auto verdict = judge(GetParam().step, Error(GetParam().code, "x"));
  EXPECT_EQ(verdict.reason, GetParam().reason);
  EXPECT_EQ(verdict.dead_end, GetParam().dead_end);
}
INSTANTIATE_TEST_SUITE_P(
    Table, Judge,
    ::testing::Values(Row{Step::kSpec, Errc::kInvalid, "InvalidSpec", true},
                      Row{Step::kSpec, Errc::kUnsupported, "InvalidSpec", true},
                      Row{Step::kCredentials, Errc::kNotFound, "SecretNotFound", false},
                      Row{Step::kCredentials, Errc::kInvalid, "AuthenticationFailed", false},
                      Row{Step::kContent, Errc::kNotFound, "ConfigMapNotFound", false},
                      Row{Step::kContent, Errc::kInvalid, "ContentInvalid", true},
                      Row{Step::kContent, Errc::kUnauthorized, "AuthenticationFailed", false},
                      Row{Step::kFetch, Errc::kNotFound, "GitRevisionNotFound", false},
                      Row{Step::kFetch, Errc::kUnauthorized, "AuthenticationFailed", false},
                      Row{Step::kFetch, Errc::kUnavailable, "GitOperationFailed", false},
                      Row{Step::kFetch, Errc::kCorrupt, "GitOperationFailed", false},
                      Row{Step::kFetch, Errc::kInvalid, "ContentInvalid", true},
                      Row{Step::kFetch, Errc::kEgressDenied, "EgressDenied", true},
                      Row{Step::kImage, Errc::kNotFound, "ImageNotFound", false},
                      Row{Step::kImage, Errc::kInvalid, "ContentInvalid", true},
                      Row{Step::kImage, Errc::kUnavailable, "RegistryUnavailable", false},
                      Row{Step::kImage, Errc::kUnauthorized, "AuthenticationFailed", false},
                      Row{Step::kBase, Errc::kNotFound, "BaseNotFound", false},
                      Row{Step::kBase, Errc::kUnauthorized, "AuthenticationFailed", false},
                      Row{Step::kBase, Errc::kUnavailable, "RegistryUnavailable", false},
                      Row{Step::kBase, Errc::kRateLimited, "RegistryRateLimited", false},
                      Row{Step::kAssemble, Errc::kInvalid, "ContentInvalid", true},
                      Row{Step::kPush, Errc::kDenied, "PushDenied", false},
                      Row{Step::kPush, Errc::kUnauthorized, "AuthenticationFailed", false},
                      Row{Step::kPush, Errc::kUnavailable, "RegistryUnavailable", false},
                      Row{Step::kPush, Errc::kCorrupt, "DigestMismatch", false},
                      Row{Step::kPush, Errc::kNoSpace, "NoSpace", false},
                      Row{Step::kPush, Errc::kTimeout, "Timeout", false},
                      Row{Step::kBase, Errc::kEgressDenied, "EgressDenied", true}));

}  // namespace
}  // namespace kiln::imagebuild
