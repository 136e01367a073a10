#include "core/base/yaml_check.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;
using testing::IsOk;

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

/// Nine times nine times nine …
std::string billion_laughs() {
  std::string text = "a0: &a0 ha\n";
  for (int i = 1; i < 10; ++i) {
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 9; ++j) text += (j > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    text += "]\n";
  }
  return text;
}

struct Bad {
  std::string name, yaml, why;
};
void PrintTo(const Bad& row, std::ostream* out) {
  *out << row.name;
}

class CheckYamlRefuses : public ::testing::TestWithParam<Bad> {};

TEST_P(CheckYamlRefuses, WhatCostsMoreThanItsSize) {
  EXPECT_THAT(check_yaml(GetParam().yaml), FailsWith(Errc::kInvalid, GetParam().why));
}

constexpr const char* kAliases = ": anchors and aliases are not supported; write the value out";

INSTANTIATE_TEST_SUITE_P(
    Table, CheckYamlRefuses,
    ::testing::ValuesIn(std::vector<Bad>{
        {"Alias", "a: &x 1\nb: *x\n", std::string("line 1") + kAliases},
        {"AnchorThatNobodyUses", "\na: &x [1]\n", std::string("line 2") + kAliases},
        {"AnchorOfNothing", "a: &x\nb: 1\n", kAliases},
        {"AnchorOfAKey", "&x a: 1\n", kAliases},
        {"ListThatHoldsItself", "a: &x [*x]\n", kAliases},
        {"MapThatHoldsItself", "&x {*x : *x}\n", kAliases},
        {"BillionLaughs", billion_laughs(), kAliases},
        {"MergeKeys", "a: &a {x: 1}\nb: {<<: *a}\n", kAliases},
        {"InTheSecondDocument", "a: 1\n---\nb: &x 1\n", std::string("line 3") + kAliases},
        {"Deep", nested(65), "line 1: nested deeper than 64 levels"},
        {"VeryDeep", std::string(100'000, '['), "line 1: nested deeper than 64 levels"},
        {"VeryDeepMap",
         [] {
           std::string text;
           for (int i = 0; i < 1000; ++i) text += std::string(i, ' ') + "a:\n";
           return text;
         }(),
         "nested deeper than 64 levels"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(CheckYaml, TakesWhatFilesOfSettingsHold) {
  EXPECT_THAT(check_yaml(""), IsOk());
  EXPECT_THAT(check_yaml("a: [1, {b: '*x'}]\nc: |\n  &x\n---\nd: ~\n"), IsOk());
  EXPECT_THAT(check_yaml(nested(64)), IsOk());
}

TEST(CheckYaml, LeavesWhatIsNoYamlToItsReader) {
  EXPECT_THAT(check_yaml("a: [1\n"), IsOk());
  EXPECT_THAT(check_yaml("{]"), IsOk());
}

}  // namespace
}  // namespace kiln
