#include "cli/yaml_json.h"

#include <gtest/gtest.h>

#include "tests/support/matchers.h"

namespace kiln::cli {
namespace {

using testing::FailsWith;

struct Row {
  std::string name, yaml, json;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}
const auto kName = [](const auto& test) { return test.param.name; };

class Yaml : public ::testing::TestWithParam<Row> {};
TEST_P(Yaml, BecomesJson) {
  const auto documents = read_yaml(GetParam().yaml);
  ASSERT_THAT(documents, testing::IsOk());
  ASSERT_EQ(documents->size(), 1u);
  EXPECT_EQ((*documents)[0].json, GetParam().json);
}
INSTANTIATE_TEST_SUITE_P(
    Table, Yaml,
    ::testing::Values(
        Row{"Map", "b: 1\na: x\n", R"({"a":"x","b":1})"},
        Row{"List", "- a\n- [b, c]\n", R"(["a",["b","c"]])"},
        Row{"Nested", "a:\n  b:\n  - c: d\n    e: f\n", R"({"a":{"b":[{"c":"d","e":"f"}]}})"},
        Row{"QuotedIsText", "a: \"1\"\nb: 'true'\n", R"({"a":"1","b":"true"})"},
        Row{"OctalMode", "a: 0644\nb: 0o755\n", R"({"a":420,"b":493})"},
        Row{"Booleans", "a: true\nb: no\nc: On\n", R"({"a":true,"b":false,"c":true})"},
        Row{"Nulls", "a:\nb: ~\nc: null\n", R"({"a":null,"b":null,"c":null})"},
        Row{"Numbers", "a: -5\nb: 1.5\nc: 0x10\nd: 1e3\n", R"({"a":-5,"b":1.5,"c":16,"d":1000.0})"},
        Row{"TextThatBeginsLikeANumber", "a: 1.27.0\nb: 10m\nc: 1e\n",
            R"({"a":"1.27.0","b":"10m","c":"1e"})"},
        Row{"BlockText", "a: |\n  one\n  two\n", R"({"a":"one\ntwo\n"})"},
        Row{"FlowJson", R"({"a": [1, "b"]})", R"({"a":[1,"b"]})"},
        Row{"EmptyContainers", "a: {}\nb: []\n", R"({"a":{},"b":[]})"}),
    kName);

TEST(YamlStream, KeepsDocumentsApartAndDropsEmptyOnes) {
  const auto documents = read_yaml("---\na: 1\n---\n# nothing\n---\nb: 2\n");
  ASSERT_EQ(documents->size(), 2u);
  EXPECT_EQ((*documents)[0].line, 2);
  EXPECT_EQ((*documents)[1].json, R"({"b":2})");
}

class YamlRefuses : public ::testing::TestWithParam<Row> {};
TEST_P(YamlRefuses, WithThePlaceAndTheReason) {
  EXPECT_THAT(read_yaml(GetParam().yaml), FailsWith(Errc::kInvalid, GetParam().json));
}
INSTANTIATE_TEST_SUITE_P(Table, YamlRefuses,
                         ::testing::Values(Row{"Alias", "a: &x 1\nb: *x\n", "anchors and aliases"},
                                           Row{"DuplicateKey", "a: 1\na: 2\n",
                                               "line 2, column 1: the key \"a\" stands twice"},
                                           Row{"BadIndent", "a:\n  b: 1\n c: 2\n", "line 3"},
                                           Row{"MapAsKey", "{a: 1}: b\n",
                                               "keys must be plain text"},
                                           Row{"Unclosed", "a: [1\n", "not valid YAML"},
                                           Row{"Deep", std::string(70, '[') + std::string(70, ']'),
                                               "nested deeper than 64"},
                                           Row{"VeryDeep", std::string(100'000, '['), "line 1"}),
                         kName);

}  // namespace
}  // namespace kiln::cli
