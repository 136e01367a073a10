#include "core/oci/verifying_source.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "tests/support/matchers.h"

namespace kiln::oci {
namespace {

using testing::FailsWith;

Descriptor descriptor_of(std::string_view bytes) {
  return {"application/octet-stream", Digest::of(bytes), bytes.size()};
}

VerifyingSource verified(std::string bytes, Descriptor expected) {
  auto kept = std::make_shared<const std::string>(std::move(bytes));
  return {std::make_unique<MemorySource>(*kept, kept), std::move(expected)};
}

TEST(VerifyingSource, PassesOnWhatIsRight) {
  for (const std::string text : {"", "a", "content"}) {
    auto source = verified(text, descriptor_of(text));
    EXPECT_EQ(*read_all(source, 100), text);
  }
}

TEST(VerifyingSource, TellsWrongBytesToWhoeverStopsAtTheAnnouncedSize) {
  auto source = verified("cintent", descriptor_of("content"));
  std::array<char, 7> buffer{};
  EXPECT_THAT(source.read(buffer), FailsWith(Errc::kCorrupt, "has other bytes"));
}

TEST(VerifyingSource, TellsTooFewAndTooManyBytes) {
  auto few = verified("cont", descriptor_of("content"));
  EXPECT_THAT(read_all(few, 100), FailsWith(Errc::kCorrupt, "has only 4 bytes"));
  auto many = verified("contents", descriptor_of("content"));
  EXPECT_THAT(read_all(many, 100), FailsWith(Errc::kCorrupt, "has at least 8 bytes"));
}

TEST(VerifyingSource, TellsABytePastAWholeBlob) {
  auto source = verified("contents", descriptor_of("content"));
  std::array<char, 7> buffer{};
  ASSERT_EQ(*source.read(buffer), 7U);
  EXPECT_THAT(source.read(buffer), FailsWith(Errc::kCorrupt, "has at least 8 bytes"));
}

}  // namespace
}  // namespace kiln::oci
