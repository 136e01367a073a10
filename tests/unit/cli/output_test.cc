#include "cli/output.h"

#include <gtest/gtest.h>

#include "cli/terminal.h"

namespace kiln::cli {
namespace {

TEST(Table, LinesColumnsUpAndDropsSpacesAtTheEnd) {
  Table table({"NAME", "SIZE", "NOTE"}, {1});
  table.add({"a", "1", ""});
  table.add({"größer", "1000", "x"});

  EXPECT_EQ(table.str(),
            "NAME    SIZE  NOTE\n"
            "a          1\n"
            "größer  1000  x\n");
}

struct Row {
  std::string name, text, shown;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.shown;
}
class Printable : public ::testing::TestWithParam<Row> {};
TEST_P(Printable, LetsNoNameSteerTheTerminal) {
  EXPECT_EQ(printable(GetParam().text), GetParam().shown);
}
INSTANTIATE_TEST_SUITE_P(Table, Printable,
                         ::testing::Values(Row{"Plain", "a b", "a b"},
                                           Row{"Utf8", "größer", "größer"},
                                           Row{"Escape", "\x1b[2J", "\\x1b[2J"},
                                           Row{"Newline", "a\nb", "a\\x0ab"},
                                           Row{"C1Control",
                                               "\xc2\x9b"
                                               "31m",
                                               "\\xc2\\x9b31m"},
                                           Row{"NotUtf8", "\xff\xfe", "\\xff\\xfe"},
                                           Row{"CutSequence", "a\xc3", "a\\xc3"},
                                           Row{"Overlong", "\xc0\xaf", "\\xc0\\xaf"}),
                         [](const auto& test) { return test.param.name; });

TEST(BarText, FillsWithWhatIsDone) {
  EXPECT_EQ(bar_text(0, 100, 10), "[>         ]");
  EXPECT_EQ(bar_text(50, 100, 10), "[=====>    ]");
  EXPECT_EQ(bar_text(100, 100, 10), "[==========]");
  EXPECT_EQ(bar_text(0, 0, 4), "[====]");
}

}  // namespace
}  // namespace kiln::cli
