#include "cli/destination.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::cli {
namespace {

using testing::FailsWith;
using testing::IsOk;

struct Row {
  std::string name, text, shown, tag;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.text;
}

class TargetReads : public ::testing::TestWithParam<Row> {};
TEST_P(TargetReads, WhatTheCommandLineSays) {
  const auto target = Target::parse(GetParam().text);
  ASSERT_THAT(target, IsOk());
  EXPECT_EQ(target->name(), GetParam().shown);
  EXPECT_EQ(target->tag(), GetParam().tag);
}
INSTANTIATE_TEST_SUITE_P(
    Table, TargetReads,
    ::testing::Values(Row{"Registry", "r.io/team/site:1", "r.io/team/site", "1"},
                      Row{"ShortName", "site", "index.docker.io/library/site", "latest"},
                      Row{"Layout", "oci:out", "oci:out", "latest"},
                      Row{"LayoutWithTag", "oci:out:1.0", "oci:out", "1.0"},
                      Row{"LayoutWithColonInAFolder", "oci:a:b/out", "oci:a:b/out", "latest"}),
    [](const auto& test) { return test.param.name; });

TEST(Target, RefusesWhatItCannotWrite) {
  EXPECT_THAT(Target::parse("oci:"), FailsWith(Errc::kInvalid, "needs a folder"));
  EXPECT_THAT(Target::parse("docker-daemon:a:b"),
              FailsWith(Errc::kUnsupported, "not supported by this version"));
  EXPECT_THAT(Target::parse("r.io/a@sha256:" + std::string(64, '1')),
              FailsWith(Errc::kInvalid, "not a digest"));
}

}  // namespace
}  // namespace kiln::cli
