#include "core/registry/protocol/challenge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::registry::protocol {
namespace {

/// "bearer realm=… service=…|basic realm=…": one text per list, so that tables can be read.
std::string summary(const std::vector<Challenge>& challenges) {
  std::string text;
  for (const auto& challenge : challenges) {
    text += (text.empty() ? "" : "|") + challenge.scheme;
    if (!challenge.token68.empty()) text += " " + challenge.token68;
    for (const auto& [name, value] : challenge.params) text += " " + name + "=" + value;
  }
  return text;
}

struct Case {
  std::string name;
  std::vector<std::string> fields;
  std::string expected;
};

class Challenges : public testing::TestWithParam<Case> {};

TEST_P(Challenges, AreReadInOrder) {
  const auto& fields = GetParam().fields;
  const std::vector<std::string_view> views(fields.begin(), fields.end());
  EXPECT_EQ(summary(parse_challenges(views)), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Parse, Challenges,
    testing::ValuesIn(std::vector<Case>{
        {"None", {}, ""},
        {"Empty", {""}, ""},
        {"BearerAsDockerHubSendsIt",
         {R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io")"},
         "bearer realm=https://auth.docker.io/token service=registry.docker.io"},
        {"CommaInsideQuotes",
         {R"(Bearer realm="https://a.test/t",scope="repository:x:pull,push",error="e")"},
         "bearer error=e realm=https://a.test/t scope=repository:x:pull,push"},
        {"CaseDoesNotMatter", {R"(bEaReR ReAlM="https://a.test")"}, "bearer realm=https://a.test"},
        {"TwoInOneField",
         {R"(Basic realm="r", Bearer realm="https://a.test",service="s")"},
         "basic realm=r|bearer realm=https://a.test service=s"},
        {"TwoFields",
         {R"(Basic realm="r")", R"(Bearer realm="b")"},
         "basic realm=r|bearer realm=b"},
        {"SchemeAlone", {"Negotiate"}, "negotiate"},
        {"SchemeAloneBeforeAnother", {R"(Negotiate, Basic realm="r")"}, "negotiate|basic realm=r"},
        {"Token68",
         {R"(Negotiate YIIB+/x==, Basic realm="r")"},
         "negotiate YIIB+/x==|basic realm=r"},
        {"WhiteSpaceAroundEquals",
         {R"(Bearer realm = "a" , service= b)"},
         "bearer realm=a service=b"},
        {"NoQuotes",
         {"Bearer realm=https://a.test/token,service=s"},
         "bearer realm=https://a.test/token service=s"},
        {"EscapedQuote", {R"(Basic realm="a\"b\\c")"}, R"(basic realm=a"b\c)"},
        {"EmptyListItems", {R"(, ,Bearer realm="a",, service="s",)"}, "bearer realm=a service=s"},
        {"FirstOfANameCounts", {R"(Bearer realm="a",realm="b")"}, "bearer realm=a"},
        {"MissingClosingQuote",
         {R"(Basic realm="r", Bearer realm="https://a)"},
         "basic realm=r|bearer"},
        {"Garbage", {"\"=,;;="}, ""},
        {"ParametersDoNotCrossFields",
         {R"(Bearer realm="a")", R"(service="s")"},
         "bearer realm=a|service"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(Challenge, BearerIsPreferredWhereverItStands) {
  const auto challenges =
      parse_challenges({R"(Negotiate, Basic realm="r")", R"(Bearer realm="https://a.test")"});
  ASSERT_NE(choose(challenges), nullptr);
  EXPECT_EQ(choose(challenges)->scheme, "bearer");
}

TEST(Challenge, BearerWithoutRealmIsNoOffer) {
  const auto with_basic = parse_challenges({R"(Bearer service="s", Basic realm="r")"});
  ASSERT_NE(choose(with_basic), nullptr);
  EXPECT_EQ(choose(with_basic)->scheme, "basic");
  EXPECT_EQ(choose(parse_challenges({"Bearer", "Digest x=y"})), nullptr);
}

TEST(Challenge, AFloodIsCutOff) {
  std::string field;
  for (int i = 0; i < 1000; ++i) field += "A" + std::to_string(i) + " x=y,";
  EXPECT_LE(parse_challenges({field}).size(), 16u);
  std::string params = "Bearer ";
  for (int i = 0; i < 1000; ++i) params += "p" + std::to_string(i) + "=v,";
  EXPECT_LE(parse_challenges({params}).front().params.size(), 32u);
}

}  // namespace
}  // namespace kiln::registry::protocol
