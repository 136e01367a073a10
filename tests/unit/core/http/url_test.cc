#include "core/http/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kiln::http {
namespace {

struct GoodUrl {
  std::string name, text, origin, target, str;
};

class UrlAccepts : public testing::TestWithParam<GoodUrl> {};

TEST_P(UrlAccepts, AndSplits) {
  const auto url = Url::parse(GetParam().text);
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->origin(), GetParam().origin);
  EXPECT_EQ(url->target(), GetParam().target);
  EXPECT_EQ(url->str(), GetParam().str);
  EXPECT_EQ(*Url::parse(url->str()), *url);
}

INSTANTIATE_TEST_SUITE_P(
    Parse, UrlAccepts,
    testing::ValuesIn(std::vector<GoodUrl>{
        {"HostOnly", "https://example.com", "https://example.com:443", "/", "https://example.com/"},
        {"UpperCase", "HTTPS://Example.COM/Path", "https://example.com:443", "/Path",
         "https://example.com/Path"},
        {"DefaultPort", "http://example.com:80/x", "http://example.com:80", "/x",
         "http://example.com/x"},
        {"EmptyPort", "http://example.com:/x", "http://example.com:80", "/x",
         "http://example.com/x"},
        {"OtherPort", "http://localhost:5000/v2/", "http://localhost:5000", "/v2/",
         "http://localhost:5000/v2/"},
        {"QueryByteForByte", "https://h/p?a=%2f&&b=/?", "https://h:443", "/p?a=%2f&&b=/?",
         "https://h/p?a=%2f&&b=/?"},
        {"QueryWithoutPath", "https://h?x=1", "https://h:443", "/?x=1", "https://h/?x=1"},
        {"FragmentDropped", "https://h/p#frag?no", "https://h:443", "/p", "https://h/p"},
        {"IPv4", "http://192.0.2.1:8080/", "http://192.0.2.1:8080", "/", "http://192.0.2.1:8080/"},
        {"IPv6", "http://[2001:DB8:0::1]:8080/", "http://[2001:db8::1]:8080", "/",
         "http://[2001:db8::1]:8080/"},
        {"IPv6DefaultPort", "https://[::1]", "https://[::1]:443", "/", "https://[::1]/"},
        {"Underscore", "http://my_registry/", "http://my_registry:80", "/", "http://my_registry/"},
        {"TrailingDot", "http://registry.svc./", "http://registry.svc.:80", "/",
         "http://registry.svc./"},
        {"DigitsInside", "http://1.2.3.4.example/", "http://1.2.3.4.example:80", "/",
         "http://1.2.3.4.example/"},
    }),
    [](const auto& test) { return test.param.name; });

struct BadUrl {
  std::string name, text, why;
};

class UrlRejects : public testing::TestWithParam<BadUrl> {};

TEST_P(UrlRejects, WithAReasonThatNamesTheBrokenPart) {
  const auto url = Url::parse(GetParam().text);
  ASSERT_FALSE(url) << url->str();
  EXPECT_EQ(url.error().code, Errc::kInvalid);
  EXPECT_EQ(url.error().message, GetParam().why);
}

constexpr const char* kScheme = "the URL must start with \"http://\" or \"https://\"";
constexpr const char* kCharacters =
    "the URL holds a space, control character, quote, backslash or non-ASCII character; write it "
    "percent-encoded";
constexpr const char* kHost = "the host may hold only letters, digits, \"-\", \"_\" and \".\"";
constexpr const char* kNumber =
    "the host looks like a number but is not an IPv4 address such as 192.0.2.1";
constexpr const char* kPort = "the port must be a number from 1 to 65535";

INSTANTIATE_TEST_SUITE_P(
    Parse, UrlRejects,
    testing::ValuesIn(std::vector<BadUrl>{
        {"Empty", "", kScheme},
        {"NoScheme", "example.com/x", kScheme},
        {"OtherScheme", "ftp://example.com/", kScheme},
        {"File", "file:///etc/passwd", kScheme},
        {"NoHost", "https:///x", "the URL has no host"},
        {"PortOnly", "https://:443/x", "the URL has no host"},
        {"UserInformation", "https://user:pass@example.com/",
         "user information (\"user:password@\") is not allowed in a URL"},
        {"HostTrick", "https://good.example@evil.example/",
         "user information (\"user:password@\") is not allowed in a URL"},
        {"LineBreak", "https://h/\r\nX: y", kCharacters},
        {"Nul", std::string("https://h/\0", 11), kCharacters},
        {"Space", "https://h/a b", kCharacters},
        {"Backslash", "https://good.example\\@evil.example/", kCharacters},
        {"NotAscii", "https://h/\xc3\xa4", kCharacters},
        {"EncodedHost", "https://ex%61mple.com/", kHost},
        {"TwoDots", "https://a..b/", "the host has an empty part between dots"},
        {"LongLabel", "https://" + std::string(64, 'a') + ".com/",
         "a part of the host is longer than 63 characters"},
        {"Decimal", "http://2130706433/", kNumber},
        {"Octal", "http://0177.0.0.1/", kNumber},
        {"Hexadecimal", "http://0x7f.1/", kNumber},
        {"HexadecimalEnd", "http://127.0.0.0x1/", kNumber},
        {"Short", "http://127.1/", kNumber},
        {"ShortWithDot", "http://127.1./", kNumber},
        {"PortZero", "http://h:0/", kPort},
        {"PortTooLarge", "http://h:65536/", kPort},
        {"PortText", "http://h:http/", kPort},
        {"PortSign", "http://h:+80/", kPort},
        {"BracketOpen", "http://[::1/", "the host has \"[\" without \"]\""},
        {"BracketText", "http://[localhost]/", "the host in brackets is not an IPv6 address"},
        {"BracketZone", "http://[fe80::1%25eth0]/", "the host in brackets is not an IPv6 address"},
        {"BracketTail", "http://[::1]x/", "only a port may follow the host's \"]\""},
        {"TooLong", "http://h/" + std::string(16 * 1024, 'a'), "the URL is longer than 16 KiB"},
    }),
    [](const auto& test) { return test.param.name; });

struct Reference {
  std::string name, base, reference, result;
};

class UrlResolves : public testing::TestWithParam<Reference> {};

TEST_P(UrlResolves, AsRfc3986Says) {
  const auto url = Url::parse(GetParam().base)->resolve(GetParam().reference);
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->str(), GetParam().result);
}

INSTANTIATE_TEST_SUITE_P(
    Resolve, UrlResolves,
    testing::ValuesIn(std::vector<Reference>{
        {"Absolute", "https://a/b?q", "http://c:81/d?e", "http://c:81/d?e"},
        {"HostOnly", "https://a:444/b", "//c/d", "https://c/d"},
        {"AbsolutePath", "https://a:444/b/c?q", "/x?y", "https://a:444/x?y"},
        {"Relative", "https://a/b/c?q", "x?y", "https://a/b/x?y"},
        {"QueryOnly", "https://a/b/c?q", "?y", "https://a/b/c?y"},
        {"Empty", "https://a/b/c?q", "", "https://a/b/c?q"},
        {"DotDot", "https://a/b/c/d", "../x", "https://a/b/x"},
        {"TooManyDotDots", "https://a/b", "../../../x", "https://a/x"},
        {"DotAtEnd", "https://a/b/c", "./", "https://a/b/"},
        {"DotDotAtEnd", "https://a/b/c/d", "..", "https://a/b/"},
        {"ColonInQuery", "https://a/b", "x?u=http://y", "https://a/x?u=http://y"},
        {"UploadLocation", "https://r/v2/x/blobs/uploads/", "/v2/x/blobs/uploads/1?_state=a%3D%3D",
         "https://r/v2/x/blobs/uploads/1?_state=a%3D%3D"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(Url, RefusesAReferenceOfAnotherSchemeOrWithControlCharacters) {
  const auto base = *Url::parse("https://a/b");
  for (const auto* bad : {"javascript:alert(1)", "gopher://x/", "/a b", "/a\nb", "//u@h/"})
    EXPECT_FALSE(base.resolve(bad)) << bad;
}

TEST(Url, NamesTheHostWithItsPortOnlyWhereItIsNotTheDefault) {
  EXPECT_EQ(Url::parse("https://h:443/")->host_port(), "h");
  EXPECT_EQ(Url::parse("https://h:80/")->host_port(), "h:80");
  EXPECT_EQ(Url::parse("http://[::1]:5000/")->host_port(), "[::1]:5000");
  EXPECT_EQ(Url::parse("http://[::1]:5000/")->host(), "::1");
}

TEST(Url, LeavesTheQueryOutOfLogs) {
  EXPECT_EQ(Url::parse("https://h/p?token=secret")->redacted(), "https://h/p");
}

TEST(Url, LeavesTheRestOfALongPathOutOfLogs) {
  const auto shown = Url::parse("https://h/" + std::string(2000, 'p'))->redacted();
  EXPECT_EQ(shown, "https://h/" + std::string(499, 'p') + "…");
}

TEST(Url, HasItsLimitAlsoWhereTwoAreJoined) {
  const auto base = *Url::parse("https://h/" + std::string(9000, 'p') + "/");
  for (const auto& reference : {std::string(9000, 'q'), "?" + std::string(9000, 'q')}) {
    const auto joined = base.resolve(reference);
    ASSERT_TRUE(joined.has_error());
    EXPECT_EQ(joined.error().message, "the URL is longer than 16 KiB");
  }
}

TEST(Url, TakesAnotherPathAndStaysWellFormed) {
  const auto url = *Url::parse("https://h:444/p?q=1");
  EXPECT_EQ(url.with_path("/v2/%41").str(), "https://h:444/v2/%41");
  EXPECT_EQ(url.with_path("v2/").str(), "https://h:444/v2/");
  EXPECT_EQ(url.with_path("/a b?c#d\r\n").str(), "https://h:444/a%20b%3Fc%23d%0D%0A");
}

TEST(Url, AppendsToTheQuery) {
  const auto url = *Url::parse("https://h/p");
  EXPECT_EQ(url.with_query("digest", "sha256:ab").str(), "https://h/p?digest=sha256%3Aab");
  EXPECT_EQ(Url::parse("https://h/p?_state=x%3d")->with_query("n", "1&2").query(),
            "_state=x%3d&n=1%262");
}

}  // namespace
}  // namespace kiln::http
