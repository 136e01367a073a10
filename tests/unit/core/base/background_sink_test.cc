#include "core/base/background_sink.h"

#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <string>

#include "tests/support/matchers.h"

namespace kiln {
namespace {

using testing::FailsWith;
using testing::IsOk;

std::string numbers(std::size_t size) {
  std::string text;
  while (text.size() < size) text += std::to_string(text.size()) + " ";
  return text;
}

/// Takes nothing before it is let go.
class HeldSink final : public ByteSink {
 public:
  Result<void> write(std::string_view bytes) override {
    opened_.wait();
    taken_ += bytes.size();
    return {};
  }
  void let_go() { open_.set_value(); }
  std::size_t taken() const { return taken_; }

 private:
  std::promise<void> open_;
  std::future<void> opened_ = open_.get_future();
  std::size_t taken_ = 0;
};

class FullSink final : public ByteSink {
 public:
  Result<void> write(std::string_view) override { return Error(Errc::kNoSpace, "it is full"); }
};

class ThrowingSink final : public ByteSink {
 public:
  Result<void> write(std::string_view) override { throw std::runtime_error("it broke"); }
};

TEST(BackgroundSink, HandsOnAllInOrderWhateverTheSizesOfTheWrites) {
  const auto text = numbers(3 * BackgroundSink::kMaxBehindBytes);
  for (const std::size_t at_once : {std::size_t{511}, BackgroundSink::kPieceBytes, text.size()}) {
    StringSink out;
    BackgroundSink sink(out);
    for (std::size_t at = 0; at < text.size(); at += at_once)
      ASSERT_THAT(sink.write(std::string_view(text).substr(at, at_once)), IsOk());
    ASSERT_THAT(sink.finish(), IsOk());
    EXPECT_EQ(out.str(), text) << at_once;
  }
}

TEST(BackgroundSink, HandsOnNothingOfNothing) {
  StringSink out;
  BackgroundSink sink(out);
  EXPECT_THAT(sink.finish(), IsOk());
  EXPECT_EQ(out.str(), "");
}

TEST(BackgroundSink, DoesNotMakeTheWriterWaitForAFewPieces) {
  HeldSink out;
  BackgroundSink sink(out);
  const std::string text(BackgroundSink::kMaxBehindBytes / 2, 'x');
  ASSERT_THAT(sink.write(text), IsOk());  // Would not come back if it waited.
  out.let_go();
  ASSERT_THAT(sink.finish(), IsOk());
  EXPECT_EQ(out.taken(), text.size());
}

TEST(BackgroundSink, TellsTheErrorInTheEnd) {
  FullSink out;
  BackgroundSink sink(out);
  ASSERT_THAT(sink.write("x"), IsOk());
  EXPECT_THAT(sink.finish(), FailsWith(Errc::kNoSpace, "it is full"));
}

TEST(BackgroundSink, TellsTheErrorToAWriterThatGoesOn) {
  FullSink out;
  BackgroundSink sink(out);
  const std::string piece(BackgroundSink::kMaxBehindBytes, 'x');
  EXPECT_THAT(sink.write(piece + piece), FailsWith(Errc::kNoSpace, "it is full"));
}

TEST(BackgroundSink, LetsAnExceptionOut) {
  ThrowingSink out;
  BackgroundSink sink(out);
  ASSERT_THAT(sink.write("x"), IsOk());
  EXPECT_THROW((void)sink.finish(), std::runtime_error);
}

TEST(BackgroundSink, MayEndBeforeAllIsWritten) {
  StringSink out;
  {
    BackgroundSink sink(out);
    ASSERT_THAT(sink.write(numbers(2 * BackgroundSink::kPieceBytes)), IsOk());
  }
  EXPECT_EQ(out.str().size() % BackgroundSink::kPieceBytes, 0u);
}

}  // namespace
}  // namespace kiln
