#include "core/registry/protocol/upload_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::registry::protocol {
namespace {

using testing::HasSubstr;
using testing::Not;

http::ResponseHead accepted(const std::string& asked, const std::string& location) {
  http::ResponseHead head(*http::Url::parse(asked));
  head.status = 202;
  head.peer = http::AddressKind::kPrivate;
  if (!location.empty()) head.headers.set("Location", location);
  return head;
}

struct Case {
  std::string name, asked, location;
  std::string expected;  ///< "" = refused.
  bool at_registry = true;
  std::string why{};
};

class Locations : public testing::TestWithParam<Case> {};

TEST_P(Locations, ResolveAgainstTheRequest) {
  const auto& param = GetParam();
  const auto session = UploadSession::begin(accepted(param.asked, param.location));
  if (param.expected.empty()) {
    ASSERT_TRUE(session.has_error());
    EXPECT_THAT(session.error().message, HasSubstr(param.why));
    EXPECT_THAT(session.error().message, Not(HasSubstr("_state")));
    return;
  }
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ(session->location().str(), param.expected);
  EXPECT_EQ(session->at_registry(), param.at_registry);
  // Another server's address is for the connector to judge (attack A2).
  const auto named_by = session->finish(oci::Digest::of(""), {}).named_by;
  EXPECT_EQ(named_by.has_value(), !param.at_registry);
}

constexpr auto kPost = "https://r.test/v2/shop/blobs/uploads/";

INSTANTIATE_TEST_SUITE_P(
    Resolve, Locations,
    testing::ValuesIn(std::vector<Case>{
        {"Absolute", kPost,
         "https://r.test/up/1?_state=a%2Fb==", "https://r.test/up/1?_state=a%2Fb=="},
        {"Path", kPost, "/up/1?_state=x", "https://r.test/up/1?_state=x"},
        {"Relative", kPost, "1", "https://r.test/v2/shop/blobs/uploads/1"},
        {"SchemeLess", kPost, "//r.test/up/1", "https://r.test/up/1"},
        {"AnotherHost", kPost, "https://store.test/up/1", "https://store.test/up/1", false},
        {"AnotherPort", kPost, "https://r.test:8443/up/1", "https://r.test:8443/up/1", false},
        {"SameHostWithoutTls", kPost, "http://r.test/up/1?_state=x",
         "https://r.test/up/1?_state=x"},
        {"SameHostAndPortWithoutTls", "https://r.test:5000/v2/x", "http://r.test:5000/up/1",
         "https://r.test:5000/up/1"},
        {"HiddenPortWithoutTls", "https://r.test:5000/v2/x", "http://r.test/up/1",
         "https://r.test:5000/up/1"},
        {"PlainStaysPlain", "http://localhost:5000/v2/x", "http://localhost:5000/up/1",
         "http://localhost:5000/up/1"},
        {"PlainToTlsIsAnotherPlace", "http://r.test/v2/x", "https://r.test/up/1",
         "https://r.test/up/1", false},
        {"AnotherHostWithoutTls", kPost, "http://169.254.169.254/up?_state=x", "", true,
         "r.test wants the upload to go on without TLS, at http://169.254.169.254/up; refused"},
        {"SameHostOtherPortWithoutTls", kPost, "http://r.test:8080/up", "", true, "without TLS"},
        {"Missing", kPost, "", "", true,
         "r.test began an upload without saying where (no Location)"},
        {"NotAUrl", kPost, "https://", "", true, "a Location that is not a URL"},
        {"OtherScheme", kPost, "ftp://r.test/up", "", true, "a Location that is not a URL"},
    }),
    [](const auto& test) { return test.param.name; });

UploadSession session_at(const std::string& location) {
  return *UploadSession::begin(accepted(kPost, location));
}

TEST(UploadSession, FinishesWithTheDigestBehindTheOpaqueQuery) {
  const auto digest = oci::Digest::of("abc");
  const auto put = session_at("/up/1?_state=a%2Fb==&x").finish(digest, http::Body("abc"));
  EXPECT_EQ(put.method, "PUT");
  EXPECT_EQ(put.url.str(), "https://r.test/up/1?_state=a%2Fb==&x&digest=sha256%3A" + digest.hex());
  EXPECT_EQ(put.headers.get("Content-Type"), "application/octet-stream");
  EXPECT_EQ(put.body.size_bytes(), 3u);
  EXPECT_FALSE(put.headers.has("Content-Range"));
}

TEST(UploadSession, SendsTheRestWithARangeThatIncludesItsEnd) {
  const auto put =
      session_at("/up/1").finish_from(oci::Digest::of("abcdef"), http::Body("def"), 3, 6);
  EXPECT_EQ(put.headers.get("Content-Range"), "3-5");
}

TEST(UploadSession, TheNewestLocationCounts) {
  auto session = session_at("/up/1?_state=a");
  ASSERT_TRUE(session.moved_by(accepted("https://r.test/up/1", "/up/1?_state=b")));
  EXPECT_EQ(session.location().query(), "_state=b");
  ASSERT_TRUE(session.moved_by(accepted("https://r.test/up/1", "")));
  EXPECT_EQ(session.location().query(), "_state=b");
  EXPECT_TRUE(session.moved_by(accepted("https://r.test/up/1", "http://evil.test/")).has_error());
}

TEST(UploadSession, AsksAndCancelsWhereItIs) {
  const auto session = session_at("/up/1?_state=a");
  EXPECT_EQ(session.status().method + " " + session.status().url.str(),
            "GET https://r.test/up/1?_state=a");
  EXPECT_EQ(session.cancel().method + " " + session.cancel().url.str(),
            "DELETE https://r.test/up/1?_state=a");
}

TEST(UploadSession, NotesTheSmallestChunkWithinReason) {
  auto head = accepted(kPost, "/up/1");
  EXPECT_EQ(UploadSession::begin(head)->chunk_min_bytes(), 0u);
  head.headers.set("OCI-Chunk-Min-Length", "5242880");
  EXPECT_EQ(UploadSession::begin(head)->chunk_min_bytes(), 5242880u);
  head.headers.set("OCI-Chunk-Min-Length", "99999999999999");
  EXPECT_EQ(UploadSession::begin(head)->chunk_min_bytes(), 1u << 30);
  head.headers.set("OCI-Chunk-Min-Length", "many");
  EXPECT_EQ(UploadSession::begin(head)->chunk_min_bytes(), 0u);
}

TEST(UploadSession, ReadsHowMuchHasArrived) {
  const std::vector<std::pair<std::string, std::optional<std::uint64_t>>> table = {
      {"0-99", 100},
      {"bytes=0-99", 100},
      {"0-0", 0},
      {"", std::nullopt},
      {"5-99", std::nullopt},
      {"0-", std::nullopt},
      {"0-x", std::nullopt},
      {"0-18446744073709551615", std::nullopt},
      {"0-99999999999999999999", std::nullopt}};
  for (const auto& [range, expected] : table) {
    auto head = accepted(kPost, "");
    if (!range.empty()) head.headers.set("Range", range);
    EXPECT_EQ(UploadSession::held_bytes(head), expected) << range;
  }
}

TEST(UploadSession, SendsAChunkWithARangeThatIncludesItsEnd) {
  const auto session = UploadSession::begin(accepted(kPost, "/up/1?_state=x"));
  const auto patch = session->chunk(http::Body(std::string("45678")), 4);
  EXPECT_EQ(patch.method, "PATCH");
  EXPECT_EQ(patch.url.str(), "https://r.test/up/1?_state=x");
  EXPECT_EQ(patch.headers.get("Content-Range"), "4-8");
  EXPECT_EQ(patch.body.size_bytes(), 5u);
}

TEST(UploadSession, BringsCookiesBackToWhoSetThemAndToNobodyElse) {
  auto begun = accepted(kPost, "/up/1");
  begun.headers.add("Set-Cookie", "replica=2; Path=/; HttpOnly");
  begun.headers.add("Set-Cookie", "a=b");
  begun.headers.add("Set-Cookie", "=nameless");
  begun.headers.add("Set-Cookie", "long=" + std::string(5000, 'x'));
  auto session = UploadSession::begin(begun);
  EXPECT_EQ(session->status().headers.get("Cookie"), "a=b; replica=2");

  auto moved = accepted("https://r.test/up/1", "https://store.test/up/2");
  moved.headers.add("Set-Cookie", "replica=3");
  ASSERT_TRUE(session->moved_by(moved));
  EXPECT_FALSE(session->status().headers.has("Cookie"));

  auto back = accepted("https://store.test/up/2", "https://r.test/up/3");
  back.headers.add("Set-Cookie", "replica=evil");
  ASSERT_TRUE(session->moved_by(back));
  EXPECT_EQ(session->status().headers.get("Cookie"), "a=b; replica=3");
}

}  // namespace
}  // namespace kiln::registry::protocol
