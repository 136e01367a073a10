#include "core/http/redirect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::http {
namespace {

using testing::HasSubstr;

Url url(const char* text) {
  return *Url::parse(text);
}

Request request_to(const char* text, const char* method = "GET") {
  Request request(method, url(text));
  request.max_redirects = 5;
  request.headers.set("Authorization", "Bearer secret");
  request.headers.set("Cookie", "a=b");
  request.headers.set("Accept", "*/*");
  TlsOptions tls;
  tls.ca_pem = "ca";
  tls.client_cert_pem = "cert";
  tls.client_key_pem = "key";
  tls.server_name = "name";
  tls.insecure_skip_verify = true;
  request.tls = std::make_shared<const TlsOptions>(tls);
  return request;
}

ResponseHead head_of(const Request& request, int status, const char* location,
                     AddressKind peer = AddressKind::kPublic) {
  ResponseHead head(request.url);
  head.status = status;
  head.peer = peer;
  if (location != nullptr) head.headers.set("Location", location);
  return head;
}

TEST(Redirect, KeepsEverythingWithinTheOrigin) {
  const auto request = request_to("https://r:444/a?q");
  const auto next = follow_redirect(request, head_of(request, 307, "/b", AddressKind::kPrivate), 0);

  ASSERT_TRUE(next) << next.error().message;
  ASSERT_TRUE(next->has_value());
  EXPECT_EQ((*next)->url.str(), "https://r:444/b");
  EXPECT_EQ((*next)->headers.get("Authorization"), "Bearer secret");
  EXPECT_EQ((*next)->tls, request.tls);
  EXPECT_EQ((*next)->named_by, AddressKind::kPrivate);
}

TEST(Redirect, LeavesSecretsBehindAtTheOriginsBorder) {
  for (const auto* target : {"https://other/b", "https://r:444/b", "https://sub.r/b"}) {
    const auto request = request_to("https://r/a");
    const auto next = follow_redirect(request, head_of(request, 302, target), 0);

    ASSERT_TRUE(next && next->has_value()) << target;
    EXPECT_FALSE((*next)->headers.has("Authorization")) << target;
    EXPECT_FALSE((*next)->headers.has("Cookie")) << target;
    EXPECT_TRUE((*next)->headers.has("Accept")) << target;
    EXPECT_EQ((*next)->tls->client_cert_pem, "") << target;
    EXPECT_EQ((*next)->tls->client_key_pem, "") << target;
    EXPECT_EQ((*next)->tls->server_name, "") << target;
    EXPECT_EQ((*next)->tls->ca_pem, "ca") << target;
  }
}

TEST(Redirect, TakesUnverifiedTlsToNoOtherHost) {
  const auto request = request_to("https://r/a");
  EXPECT_TRUE((*follow_redirect(request, head_of(request, 302, "https://r:444/"), 0))
                  ->tls->insecure_skip_verify);
  EXPECT_FALSE((*follow_redirect(request, head_of(request, 302, "https://other/"), 0))
                   ->tls->insecure_skip_verify);
}

TEST(Redirect, IsFollowedFromHttpToHttpsButNotBack) {
  const auto up = request_to("http://r/a");
  EXPECT_TRUE(follow_redirect(up, head_of(up, 301, "https://r/a"), 0)->has_value());

  const auto down = request_to("https://r/a?token=secret");
  const auto refused = follow_redirect(down, head_of(down, 301, "http://r/a?token=secret"), 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
  EXPECT_EQ(refused.error().message, "r redirects from https to http (r), which is refused");
}

TEST(Redirect, IsTheAnswerWhereItIsNotToBeFollowed) {
  const auto post = request_to("https://r/a", "POST");
  EXPECT_FALSE(follow_redirect(post, head_of(post, 307, "/b"), 0)->has_value());

  auto none = request_to("https://r/a");
  none.max_redirects = 0;
  EXPECT_FALSE(follow_redirect(none, head_of(none, 307, "/b"), 0)->has_value());

  const auto get = request_to("https://r/a");
  EXPECT_FALSE(follow_redirect(get, head_of(get, 200, "/b"), 0)->has_value());
  EXPECT_FALSE(follow_redirect(get, head_of(get, 304, "/b"), 0)->has_value());
  EXPECT_FALSE(follow_redirect(get, head_of(get, 302, nullptr), 0)->has_value());

  const auto head = request_to("https://r/a", "HEAD");
  EXPECT_EQ((*follow_redirect(head, head_of(head, 303, "/b"), 0))->method, "HEAD");
}

TEST(Redirect, EndsWhenTheAllowedOnesAreUsedUp) {
  const auto request = request_to("https://r/a");
  EXPECT_TRUE(follow_redirect(request, head_of(request, 302, "/b"), 4));
  const auto one_more = follow_redirect(request, head_of(request, 302, "/b"), 5);
  ASSERT_FALSE(one_more);
  EXPECT_EQ(one_more.error().message, "r redirects on, after 5 redirects");
}

TEST(Redirect, RefusesALocationThatIsNoUrl) {
  const auto request = request_to("https://r/a");
  for (const auto* bad : {"javascript:alert(1)", "https://u:p@h/", "http://0x7f.1/", "/a b"}) {
    const auto next = follow_redirect(request, head_of(request, 302, bad), 0);
    ASSERT_FALSE(next) << bad;
    EXPECT_THAT(next.error().message, HasSubstr("r redirects to something that is no URL: "));
  }
}

}  // namespace
}  // namespace kiln::http
