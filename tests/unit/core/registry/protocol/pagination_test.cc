#include "core/registry/protocol/pagination.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace kiln::registry::protocol {
namespace {

http::ResponseHead page(const std::vector<std::string>& links) {
  http::ResponseHead head(*http::Url::parse("https://r.test/v2/shop/referrers/sha256:1?n=2"));
  for (const auto& link : links) head.headers.add("Link", link);
  return head;
}

struct Case {
  std::string name;
  std::vector<std::string> links;
  std::string next;  ///< "" = this was the last page.
};

class NextPage : public testing::TestWithParam<Case> {};

TEST_P(NextPage, IsFound) {
  const auto next = next_page(page(GetParam().links));
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(next->value_or(""), GetParam().next);
}

INSTANTIATE_TEST_SUITE_P(
    Table, NextPage,
    testing::ValuesIn(std::vector<Case>{
        {"None", {}, ""},
        {"Path", {R"(</v2/shop/x?last=a%2Fb&n=2>; rel="next")"}, "/v2/shop/x?last=a%2Fb&n=2"},
        {"Absolute", {R"(<https://r.test/v2/x>; rel="next")"}, "/v2/x"},
        {"DefaultPortWritten", {R"(<https://r.test:443/v2/x>; rel="next")"}, "/v2/x"},
        {"QueryOnly", {R"(<?last=c>; rel=next)"}, "/v2/shop/referrers/sha256:1?last=c"},
        {"AmongOthers", {R"(</first>; rel="first", </b>;title="a,b"; REL="Next")"}, "/b"},
        {"InAnotherField", {R"(</first>; rel="first")", R"(</b>; rel="next")"}, "/b"},
        {"OtherRelations", {R"(</a>; rel="prev", </b>; rel="nextish")"}, ""},
        {"NoBrackets", {R"(/b; rel="next")"}, ""},
        {"Unfinished", {R"(</b)"}, ""},
    }),
    [](const auto& test) { return test.param.name; });

TEST(NextPage, OnAnotherServerIsRefused) {
  for (const auto* target : {"http://r.test/v2/x", "https://r.test:8443/v2/x", "https://evil.test/",
                             "//evil.test/", "http://169.254.169.254/"}) {
    const auto next = next_page(page({"<" + std::string(target) + ">; rel=\"next\""}));
    ASSERT_TRUE(next.has_error()) << target;
    EXPECT_EQ(next.error().code, Errc::kEgressDenied);
    EXPECT_THAT(next.error().message,
                testing::StartsWith("r.test names a next page on another server"));
  }
}

TEST(NextPage, ThatIsNoUrlIsRefused) {
  EXPECT_EQ(next_page(page({R"(<ftp://r.test/x>; rel="next")"})).error().message,
            "r.test names a next page that is not a URL");
}

}  // namespace
}  // namespace kiln::registry::protocol
