#include "core/base/json_scan.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/base/json.h"

namespace kiln {
namespace {

using Parts = std::vector<std::string>;

/// "name=value" of each, or the value of an element.
Parts parts_of(std::string_view text) {
  Parts parts;
  JsonScan scan(text);
  while (const auto part = scan.next())
    parts.push_back((part->name.empty() ? "" : std::string(part->name) + "=") +
                    std::string(part->value));
  return parts;
}

struct Case {
  const char* what;
  const char* json;
  Parts parts;
};

class Scan : public ::testing::TestWithParam<Case> {};

TEST_P(Scan, FindsWhatIsThere) {
  EXPECT_EQ(parts_of(GetParam().json), GetParam().parts);
}

INSTANTIATE_TEST_SUITE_P(
    All, Scan,
    ::testing::Values(
        Case{"Members",
             R"({"a":1,"b":"x","c":[1,{"d":2}],"e":{"f":{}},"g":null})",
             {"a=1", "b=\"x\"", "c=[1,{\"d\":2}]", "e={\"f\":{}}", "g=null"}},
        Case{"Elements", R"([{"a":[1]},"b",-3.5e7])", {R"({"a":[1]})", "\"b\"", "-3.5e7"}},
        Case{"BracketsAndEscapesInStrings",
             R"({"a":"}\"]","b\\":"\\","c\"":["]","\\\"}"]})",
             {R"(a="}\"]")", R"(b\\="\\")", R"(c\"=["]","\\\"}"])"}},
        Case{"EmptyObject", "{}", {}}, Case{"EmptyArray", "[]", {}}, Case{"Nothing", "", {}},
        Case{"NoContainer", R"("a":1)", {}}, Case{"WithWhatFollows", "{\"a\":1}\n", {"a=1"}},
        Case{"CutShort", R"({"a":1,"b":{"c":"d)", {"a=1"}},
        Case{"CutInAString", R"({"a":1,"b":"c\")", {"a=1"}},
        Case{"CutBehindAValue", R"({"a":1,"b":2)", {"a=1"}},
        Case{"WrittenForPeople", "{ \"a\": 1 }", {}},
        Case{"SpaceBehindAValue", R"({"a":1 ,"b":2})", {}}, Case{"WrongEnd", R"({"a":1])", {}},
        Case{"NoValue", R"({"a":,"b":1})", {}}, Case{"NoColon", R"({"a")", {}}),
    [](const auto& one) { return std::string(one.param.what); });

TEST_P(Scan, IsCompleteWhereAParserWouldFindAnObjectOrArray) {
  JsonScan scan(GetParam().json);
  while (scan.next()) {
  }
  const std::string_view text = GetParam().json;
  const bool compact = text.find(' ') == std::string_view::npos;
  const bool container = !text.empty() && (text[0] == '{' || text[0] == '[');
  EXPECT_EQ(scan.is_complete(), compact && container && parse_json(text).has_value());
}

TEST(ScanOf, AnObjectIsNotCompleteWithMoreThanSpaceBehindIt) {
  for (const auto* text : {R"({"a":1}{)", R"({"a":1},)", R"({},)", R"({"a":1,})"}) {
    JsonScan scan(text);
    while (scan.next()) {
    }
    EXPECT_FALSE(scan.is_complete()) << text;
  }
}

TEST(PlainJsonText, IsOfAStringWithoutEscapes) {
  EXPECT_EQ(plain_json_text(R"("site")"), "site");
  EXPECT_EQ(plain_json_text(R"("si\u0074e")"), "");
  EXPECT_EQ(plain_json_text("7"), "");
  EXPECT_EQ(plain_json_text(""), "");
}

TEST(JsonAsciiText, IsWhatAParserReads) {
  for (const auto* json :
       {R"("")", R"("site")", R"("<p class=\"a\">\u003cb\u003e\n\t\\\/\b\f\r</p>")",
        R"("\u0000\u007f")"})
    EXPECT_EQ(json_ascii_text(json), parse_json(json)->get<std::string>()) << json;
}

TEST(JsonAsciiText, IsNoneWhereAParserHasToLook) {
  for (const auto* json : {"", "7", "\"", R"("a)", R"("a\")", R"("a"b")", R"("\u00e4")", R"("ä")",
                           "\"a\nb\"", R"("\x")", R"("\u12")", R"("\u+041")", R"("\u 041")"})
    EXPECT_EQ(json_ascii_text(json), std::nullopt) << json;
}

TEST(JsonMember, IsFoundByItsName) {
  EXPECT_EQ(json_member(R"({"a":{"b":1},"b":[2]})", "b"), "[2]");
  EXPECT_EQ(json_member(R"({"a":{"b":1}})", "b"), "");
}

TEST(JsonMember, IsReplacedWhereItStands) {
  EXPECT_EQ(with_json_member(R"({"a":1,"b":{"a":2},"c":3})", "b", "[]"), R"({"a":1,"b":[],"c":3})");
}

TEST(JsonMember, IsAddedAsTheLast) {
  EXPECT_EQ(with_json_member(R"({"a":1})", "b", "2"), R"({"a":1,"b":2})");
  EXPECT_EQ(with_json_member("{}", "b", "2"), R"({"b":2})");
}

}  // namespace
}  // namespace kiln
