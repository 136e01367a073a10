#include "controller/kube/last_applied.h"

#include <gtest/gtest.h>

#include <string>

namespace kiln::kube {
namespace {

/// "LAST" in a text stands for the annotation's name.
std::string spelled_out(std::string text) {
  const std::string name = "kubectl.kubernetes.io/last-applied-configuration";
  for (auto at = text.find("LAST"); at != std::string::npos; at = text.find("LAST", at))
    text.replace(at, 4, name);
  return text;
}

struct Case {
  const char* what;
  const char* json;
  const char* rest;
};

class LastApplied : public ::testing::TestWithParam<Case> {};

TEST_P(LastApplied, IsLeftOutOfMetadataAlone) {
  EXPECT_EQ(without_last_applied(spelled_out(GetParam().json)), spelled_out(GetParam().rest));
}

INSTANTIATE_TEST_SUITE_P(
    All, LastApplied,
    ::testing::Values(
        Case{"Alone", R"({"metadata":{"annotations":{"LAST":"{\"a\":[1]}\n"},"name":"x"}})",
             R"({"metadata":{"annotations":{},"name":"x"}})"},
        Case{"First", R"({"metadata":{"annotations":{"LAST":"{}","b":"c"}}})",
             R"({"metadata":{"annotations":{"b":"c"}}})"},
        Case{"InTheMiddle", R"({"metadata":{"annotations":{"a":"b","LAST":"{}","b":"c"}}})",
             R"({"metadata":{"annotations":{"a":"b","b":"c"}}})"},
        Case{"Last", R"({"metadata":{"annotations":{"a":"b","LAST":"{}"}},"spec":{}})",
             R"({"metadata":{"annotations":{"a":"b"}},"spec":{}})"},
        Case{"OfAnEvent", R"({"type":"ADDED","object":{"metadata":{"annotations":{"LAST":"1"}}}})",
             R"({"type":"ADDED","object":{"metadata":{"annotations":{}}}})"},
        Case{"OfEachItem",
             R"({"metadata":{},"items":[{"metadata":{"annotations":{"LAST":"1"}}},{"metadata":{}},)"
             R"({"a":1,"metadata":{"annotations":{"LAST":"2"}}}]})",
             R"({"metadata":{},"items":[{"metadata":{"annotations":{}}},{"metadata":{}},)"
             R"({"a":1,"metadata":{"annotations":{}}}]})"},
        Case{"NotOfTheImage", R"({"metadata":{},"spec":{"output":{"annotations":{"LAST":"1"}}}})",
             R"({"metadata":{},"spec":{"output":{"annotations":{"LAST":"1"}}}})"},
        Case{"NotInAString", R"({"metadata":{"annotations":{"a":"\"LAST\":\"1\""}}})",
             R"({"metadata":{"annotations":{"a":"\"LAST\":\"1\""}}})"},
        Case{"NotAFile", R"({"data":{"LAST":"1"},"metadata":{"name":"x"}})",
             R"({"data":{"LAST":"1"},"metadata":{"name":"x"}})"},
        Case{"CutShort", R"({"metadata":{"annotations":{"LAST":"1)",
             R"({"metadata":{"annotations":{"LAST":"1)"},
        Case{"SpaceBehindIt", R"({"metadata":{"annotations":{"LAST":"1" ,"b":"c"}}})",
             R"({"metadata":{"annotations":{"LAST":"1" ,"b":"c"}}})"},
        Case{"WrittenForPeople", R"({ "metadata": {"annotations":{"LAST":"1"}} })",
             R"({ "metadata": {"annotations":{"LAST":"1"}} })"}),
    [](const auto& one) { return std::string(one.param.what); });

}  // namespace
}  // namespace kiln::kube
