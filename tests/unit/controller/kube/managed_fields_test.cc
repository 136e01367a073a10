#include "controller/kube/managed_fields.h"

#include <gtest/gtest.h>

#include <string>

namespace kiln::kube {
namespace {

struct Case {
  const char* what;
  const char* json;
  const char* rest;
};

class ManagedFields : public ::testing::TestWithParam<Case> {};

TEST_P(ManagedFields, AreLeftOut) {
  EXPECT_EQ(without_managed_fields(GetParam().json), GetParam().rest);
}

INSTANTIATE_TEST_SUITE_P(
    All, ManagedFields,
    ::testing::Values(
        Case{"InTheMiddle", R"({"a":1,"managedFields":[{"x":[1]}],"b":2})", R"({"a":1,"b":2})"},
        Case{"First", R"({"managedFields":[],"b":2})", R"({"b":2})"},
        Case{"Last", R"({"a":1,"managedFields":[{}]})", R"({"a":1})"},
        Case{"Alone", R"({"managedFields":[{}]})", R"({})"},
        Case{"OfEachItem",
             R"([{"a":1,"managedFields":[1],"b":2},{"managedFields":[2],"c":3},{"d":4}])",
             R"([{"a":1,"b":2},{"c":3},{"d":4}])"},
        Case{"ThreeInARow",
             R"({"managedFields":[1],"managedFields":[2],"managedFields":[3],"a":1})",
             R"({"a":1})"},
        Case{"OneBesideAnother", R"({"managedFields":[1],"managedFields":[2]})", R"({})"},
        Case{"WithBracketsAndQuotesInStrings",
             R"({"a":1,"managedFields":[{"f:x\"]":"]}","f:y\\":"["}],"b":2})", R"({"a":1,"b":2})"}),
    [](const auto& one) { return std::string(one.param.what); });

class OtherText : public ::testing::TestWithParam<Case> {};

TEST_P(OtherText, ComesBackAsItIs) {
  EXPECT_EQ(without_managed_fields(GetParam().json), GetParam().json);
}

INSTANTIATE_TEST_SUITE_P(
    All, OtherText,
    ::testing::Values(Case{"Nothing", "", ""}, Case{"WithoutAny", R"({"a":["managedFields"]})", ""},
                      Case{"InAString",
                           R"({"a":"{\"managedFields\":[1]}","b":",\"managedFields\":[1]"})", ""},
                      Case{"ANameThatEndsLikeIt", R"({"a\"managedFields":[1],"b":2})", ""},
                      Case{"NoList", R"({"managedFields":"x","b":{"managedFields":{}}})", ""},
                      Case{"WrittenForPeople", "{ \"managedFields\": [ 1 ] }", ""},
                      Case{"CutShort", R"({"a":1,"managedFields":[{"x":[1]})", ""},
                      Case{"NothingBeforeIt", R"("managedFields":[1])", ""}),
    [](const auto& one) { return std::string(one.param.what); });

}  // namespace
}  // namespace kiln::kube
