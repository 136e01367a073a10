#include "core/base/io.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;

TEST(MemorySource, YieldsAllBytesInPiecesAndThenTheEnd) {
  MemorySource source("hello");
  std::array<char, 3> buffer{};
  EXPECT_EQ(*source.read(buffer), 3u);
  EXPECT_EQ(*source.read(buffer), 2u);
  EXPECT_EQ(*source.read(buffer), 0u);
}

TEST(StringSink, RefusesTheFirstByteTooMany) {
  StringSink sink(4);
  EXPECT_TRUE(sink.write("1234"));
  EXPECT_THAT(sink.write("5"), FailsWith(Errc::kInvalid, "more than the allowed 4 bytes"));
  EXPECT_EQ(sink.str(), "1234");
}

TEST(ReadAll, StopsAtTheLimit) {
  const std::string bytes(100'000, 'x');
  MemorySource fits(bytes);
  EXPECT_EQ(read_all(fits, 100'000)->size(), 100'000u);
  MemorySource too_large(bytes);
  EXPECT_THAT(read_all(too_large, 99'999), FailsWith(Errc::kInvalid, "99999"));
}

}  // namespace
}  // namespace kiln
