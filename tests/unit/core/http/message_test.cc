#include "core/http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::http {
namespace {

using std::chrono::seconds;

TEST(Headers, CompareNamesWithoutCaseAndKeepTheOrder) {
  Headers headers;
  headers.add("Link", "a");
  headers.add("X", "b");
  headers.add("link", "c");

  EXPECT_EQ(headers.get("LINK"), "a");
  EXPECT_EQ(headers.get("none"), "");
  EXPECT_TRUE(headers.has("x"));
  EXPECT_THAT(headers.all("Link"), testing::ElementsAre("a", "c"));

  headers.set("link", "d");
  EXPECT_THAT(headers.all("Link"), testing::ElementsAre("d"));
  headers.remove("LINK");
  EXPECT_FALSE(headers.has("Link"));
}

TEST(Headers, RefuseWhatWouldSplitTheRequest) {
  Headers headers;
  for (const auto& value : {std::string("a\r\nX: y"), std::string("a\n"), std::string("\0", 1)}) {
    EXPECT_FALSE(headers.add("Name", value));
    EXPECT_FALSE(headers.set("Name", value));
  }
  for (const auto* name : {"", "a b", "a:", "a\r\n", "\xc3\xa4"})
    EXPECT_FALSE(headers.add(name, "v"));
  EXPECT_TRUE(headers.fields().empty());
}

TEST(Body, OpensAgainFromItsStart) {
  const Body body("bytes");
  EXPECT_EQ(body.size_bytes(), 5u);
  for (int i = 0; i < 2; ++i) {
    auto source = body.open();
    ASSERT_TRUE(source);
    EXPECT_EQ(*read_all(**source, 100), "bytes");
  }
}

TEST(Body, OutlivesItsMakerWhileASourceIsOpen) {
  std::unique_ptr<ByteSource> source;
  { source = std::move(*Body("kept").open()); }
  EXPECT_EQ(*read_all(*source, 100), "kept");
}

TEST(Body, IsEmptyByDefault) {
  auto source = Body().open();
  ASSERT_TRUE(source);
  EXPECT_EQ(*read_all(**source, 100), "");
}

struct Hint {
  std::string name, value;
  std::optional<seconds> wait;
};

class RetryAfter : public testing::TestWithParam<Hint> {};

TEST_P(RetryAfter, IsReadInAllItsForms) {
  // 1994-11-06 08:49:37 UTC, RFC 9110's example.
  const std::chrono::sys_seconds now{seconds(784111777)};
  Headers headers;
  headers.set("Retry-After", GetParam().value);
  EXPECT_EQ(retry_after(headers, now), GetParam().wait);
}

INSTANTIATE_TEST_SUITE_P(Forms, RetryAfter,
                         testing::ValuesIn(std::vector<Hint>{
                             {"Seconds", "120", seconds(120)},
                             {"Zero", "0", seconds(0)},
                             {"Padded", " 7 ", seconds(7)},
                             {"CappedAtAnHour", "7200", seconds(3600)},
                             {"MoreThanANumberHolds", "99999999999999999999999999", seconds(3600)},
                             {"Negative", "-5", std::nullopt},
                             {"Fraction", "1.5", std::nullopt},
                             {"Text", "soon", std::nullopt},
                             {"Empty", "", std::nullopt},
                             {"ImfDate", "Sun, 06 Nov 1994 08:50:37 GMT", seconds(60)},
                             {"PastDate", "Sun, 06 Nov 1994 08:40:00 GMT", seconds(0)},
                             {"FarDate", "Mon, 07 Nov 1994 08:49:37 GMT", seconds(3600)},
                             {"AsctimeDate", "Sun Nov  6 08:50:37 1994", seconds(60)},
                             {"BadMonth", "Sun, 06 Foo 1994 08:50:37 GMT", std::nullopt},
                             {"BadDay", "Sun, 31 Feb 1994 08:50:37 GMT", std::nullopt},
                             {"BadHour", "Sun, 06 Nov 1994 28:50:37 GMT", std::nullopt},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST(RetryAfter, IsNothingWithoutTheField) {
  EXPECT_EQ(retry_after(Headers(), std::chrono::sys_seconds()), std::nullopt);
}

TEST(HttpDate, IsWrittenAsTheSpecificationShows) {
  EXPECT_EQ(format_http_date(std::chrono::sys_seconds(seconds(784'111'777))),
            "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(std::chrono::sys_seconds(seconds(0))),
            "Thu, 01 Jan 1970 00:00:00 GMT");
}

}  // namespace
}  // namespace kiln::http
