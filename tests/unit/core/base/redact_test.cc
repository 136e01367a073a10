#include "core/base/redact.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

struct Row {
  std::string name, in, out;
};
void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}
const auto kName = [](const auto& test) { return test.param.name; };

class RedactUrl : public ::testing::TestWithParam<Row> {};
TEST_P(RedactUrl, CutsWhatMayBeSecret) {
  EXPECT_EQ(redact_url(GetParam().in), GetParam().out);
}
INSTANTIATE_TEST_SUITE_P(
    Table, RedactUrl,
    ::testing::Values(Row{"Plain", "https://h/p", "https://h/p"},
                      Row{"UserInfo", "https://me:secret@h/p", "https://h/p"},
                      Row{"Query", "https://h/p?X-Amz-Signature=abc", "https://h/p"},
                      Row{"AtSignInThePath", "https://h/a@b", "https://h/a@b"},
                      Row{"SeveralAtSigns", "https://a@b:c@h/p", "https://h/p"},
                      Row{"ControlCharacters", "https://h/\r\nx", "https://h/  x"}),
    kName);

class SanitizeServerText : public ::testing::TestWithParam<Row> {};
TEST_P(SanitizeServerText, MasksWhatLooksLikeASecret) {
  EXPECT_EQ(sanitize_server_text(GetParam().in), GetParam().out);
}
INSTANTIATE_TEST_SUITE_P(
    Table, SanitizeServerText,
    ::testing::Values(Row{"Words", "no such tag", "no such tag"},
                      Row{"BearerToken", "got Bearer eyJhbGciOi rest", "got Bearer *** rest"},
                      Row{"TwoTokens", "bearer a bearer b", "bearer *** bearer ***"},
                      Row{"TokenInJson", R"({"token":"abc"})", R"({"token":"***"})"},
                      Row{"SignedQuery", "at /x?sig=abc&y=1", "at /x?sig=***&y=1"},
                      Row{"PrettyJson", R"({"token" : "abc", "x": 1})",
                          R"({"token" : "***", "x": 1})"},
                      Row{"TokenBehindTwoSpaces", "Bearer  abc", "Bearer  ***"},
                      Row{"SchemeTwice", "Bearer Bearer abc def", "Bearer *** *** def"},
                      Row{"OneSchemeAfterAnother", "basic bearer abc", "basic *** ***"},
                      Row{"WordsAboutTokens", "the token: it expired", "the token: it expired"},
                      Row{"NewLines", "a\nb", "a b"}, Row{"BrokenUtf8", "a\xff", "a?"},
                      Row{"BrokenUtf8AmongGood", "\xc3\xa9\xff\xc3\xa9", "\xc3\xa9?\xc3\xa9"},
                      // To a terminal U+009B is what ESC [ is.
                      Row{"TerminalControl", "a\xc2\x9b[31m", "a [31m"}),
    kName);

TEST(SanitizeServerText, CutsBetweenCharacters) {
  EXPECT_EQ(sanitize_server_text("caf\xc3\xa9 caf\xc3\xa9", 10), "caf\xc3\xa9 caf…");
}

TEST(SanitizeServerText, StaysShortWhenItMasks) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "sig=a ";
  EXPECT_LE(sanitize_server_text(text, 60).size(), 60 + std::string("…").size());
}

TEST(QuotedName, ShowsAHostileNameOnOneShortLine) {
  EXPECT_EQ(quoted_name("usr/caf\xc3\xa9"), "\"usr/caf\xc3\xa9\"");
  EXPECT_EQ(quoted_name("a\nb\x1b\xc2\x9b\xff"), "\"a?b???\"");
  EXPECT_EQ(quoted_name("abcdef", 3), "\"abc…\"");
}

TEST(SanitizeServerText, CutsLongText) {
  const auto out = sanitize_server_text(std::string(1000, 'x'), 10);
  EXPECT_EQ(out, "xxxxxxxxxx…");
}

}  // namespace
}  // namespace kiln
