#include "core/source/git_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::source {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;
using ::testing::ElementsAre;

const std::string kId(40, 'a');

/// What a sink takes when the bytes come in pieces of `piece` bytes.
Result<std::vector<std::string>> objects_in(const std::string& text, std::size_t piece,
                                            std::size_t limit = 100) {
  std::vector<std::string> taken;
  ObjectSink sink(limit, [&](std::size_t index, std::string bytes) -> Result<void> {
    EXPECT_EQ(index, taken.size());
    taken.push_back(std::move(bytes));
    return {};
  });
  for (std::size_t at = 0; at < text.size(); at += piece)
    KILN_TRY(sink.write(std::string_view(text).substr(at, piece)));
  return taken;
}

TEST(ObjectSink, TakesObjectsHoweverTheyAreCutInPieces) {
  const auto text = kId + " blob 5\nhello\n" + kId + " blob 0\n\n" + kId + " blob 3\na\nb\n";

  for (std::size_t piece = 1; piece <= text.size(); ++piece)
    EXPECT_THAT(*objects_in(text, piece), ElementsAre("hello", "", "a\nb")) << piece;
}

struct Bad {
  std::string text;
  Errc code;
  std::string message;
};

class BadObject : public ::testing::TestWithParam<Bad> {};

TEST_P(BadObject, IsRefused) {
  EXPECT_THAT(objects_in(GetParam().text, 1), FailsWith(GetParam().code, GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadObject,
    ::testing::ValuesIn(std::vector<Bad>{
        {kId + " missing\n", Errc::kCorrupt, "is not in the repository"},
        {kId + " tree 5\nhello\n", Errc::kCorrupt, "is no file"},
        {kId + " blob 101\n", Errc::kInvalid, "101 bytes, more than the limit of 100"},
        {kId + " blob x\n", Errc::kInternal, "something that is no object"},
        {kId + " blob 5 6\n", Errc::kInternal, "something that is no object"},
        {"nonsense\n", Errc::kInternal, "something that is no object"},
        {"x blob 5\n", Errc::kInternal, "something that is no object"},
        {std::string(5000, 'x'), Errc::kInternal, "a line of more than 4096 bytes"},
    }));

TEST(LineSink, TakesLinesHoweverTheyAreCutInPieces) {
  for (std::size_t piece = 1; piece <= 9; ++piece) {
    std::vector<std::string> lines;
    LineSink sink([&](std::string_view line) -> Result<void> {
      lines.emplace_back(line);
      return {};
    });
    const std::string text = "one\n\ntwo\n";
    for (std::size_t at = 0; at < text.size(); at += piece)
      ASSERT_THAT(sink.write(text.substr(at, piece)), IsOk());

    EXPECT_THAT(lines, ElementsAre("one", "", "two")) << piece;
  }
}

}  // namespace
}  // namespace kiln::source
