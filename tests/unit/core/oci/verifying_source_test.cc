#include "core/oci/verifying_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::oci {
namespace {

using testing::FailsWith;
using testing::IsOk;

/// Gives `bytes` in pieces of `step`; then, once, the error if there is one.
class Pieces final : public ByteSource {
 public:
  Pieces(std::string bytes, std::size_t step, Result<std::size_t> end = std::size_t{0})
      : bytes_(std::move(bytes)), step_(step), end_(std::move(end)) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const auto count = std::min({buffer.size(), step_, bytes_.size() - at_});
    if (count == 0 && !buffer.empty()) return std::exchange(end_, std::size_t{0});
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at_), count, buffer.begin());
    at_ += count;
    return count;
  }

 private:
  std::string bytes_;
  std::size_t step_;
  Result<std::size_t> end_;
  std::size_t at_ = 0;
};

VerifyingSource verifying(const std::string& given, const std::string& expected,
                          std::size_t step = 3, Result<std::size_t> end = std::size_t{0}) {
  return {std::make_unique<Pieces>(given, step, std::move(end)),
          Descriptor("", Digest::of(expected), expected.size())};
}

TEST(VerifyingSource, PassesOnTheBytesOfItsBlob) {
  for (const std::size_t step : {1, 3, 100}) {
    auto source = verifying("hello world", "hello world", step);
    EXPECT_EQ(*read_all(source, 100), "hello world");
  }
}

TEST(VerifyingSource, MayBeEmpty) {
  auto source = verifying("", "");
  EXPECT_EQ(*read_all(source, 100), "");
}

TEST(VerifyingSource, StaysAtItsEnd) {
  auto source = verifying("x", "x");
  std::array<char, 10> buffer{};
  EXPECT_EQ(*source.read(buffer), 1U);
  EXPECT_EQ(*source.read(buffer), 0U);
  EXPECT_EQ(*source.read(buffer), 0U);
}

TEST(VerifyingSource, TakesAnEmptyBufferForNoEnd) {
  auto source = verifying("x", "x");
  EXPECT_EQ(*source.read({}), 0U);
  EXPECT_EQ(*read_all(source, 100), "x");
}

TEST(VerifyingSource, RefusesOtherBytes) {
  auto source = verifying("hello WORLD", "hello world");
  EXPECT_THAT(read_all(source, 100),
              FailsWith(Errc::kCorrupt, "blob " + Digest::of("hello world").str() +
                                            " has other bytes: their digest is " +
                                            Digest::of("hello WORLD").str()));
}

TEST(VerifyingSource, TellsWrongBytesToWhoeverStopsAtTheAnnouncedSize) {
  auto source = verifying("cintent", "content", 100);
  std::array<char, 7> buffer{};
  EXPECT_THAT(source.read(buffer), FailsWith(Errc::kCorrupt, "has other bytes"));
}

TEST(VerifyingSource, TellsABytePastAWholeBlob) {
  auto source = verifying("contents", "content", 7);
  std::array<char, 7> buffer{};
  ASSERT_EQ(*source.read(buffer), 7U);
  EXPECT_THAT(source.read(buffer), FailsWith(Errc::kCorrupt, "has at least 8 bytes"));
}

TEST(VerifyingSource, RefusesTooFewBytes) {
  auto source = verifying("hello", "hello world");
  EXPECT_THAT(read_all(source, 100),
              FailsWith(Errc::kCorrupt, "has only 5 bytes, its descriptor says 11"));
}

TEST(VerifyingSource, RefusesTooManyBytesAsSoonAsTheyCome) {
  auto source = verifying("hello world", "hello", 3);
  std::array<char, 10> buffer{};
  EXPECT_THAT(source.read(buffer), IsOk());
  EXPECT_THAT(source.read(buffer),
              FailsWith(Errc::kCorrupt, "has at least 6 bytes, its descriptor says 5"));
}

TEST(VerifyingSource, PassesOnTheErrorOfItsSource) {
  auto source = verifying("hello", "hello world", 3, Error(Errc::kUnavailable, "cut"));
  EXPECT_THAT(read_all(source, 100), FailsWith(Errc::kUnavailable, "cut"));
}

// Whoever asks again must not take what follows for the end of a good blob.
TEST(VerifyingSource, StaysWithItsError) {
  const std::string blob = "hello";
  auto other = verifying("HELLO", blob);
  auto few = verifying("hell", blob);
  auto many = verifying("hello, world", blob);
  auto cut = verifying(blob, blob, 3, Error(Errc::kUnavailable, "cut"));
  for (auto* source : {&other, &few, &many, &cut}) {
    const auto first = read_all(*source, 100);
    ASSERT_TRUE(first.has_error());
    std::array<char, 10> buffer{};
    for (int i = 0; i < 3; ++i)
      EXPECT_THAT(source->read(buffer), FailsWith(first.error().code, first.error().message));
  }
}

}  // namespace
}  // namespace kiln::oci
