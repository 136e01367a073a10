#include "core/http/proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/base/encoding.h"

namespace kiln::http {
namespace {

using Variables = std::map<std::string, std::string>;

Result<ProxyRules> rules_of(const Variables& variables) {
  return ProxyRules::from_environment([&](const char* name) -> const char* {
    const auto it = variables.find(name);
    return it == variables.end() ? nullptr : it->second.c_str();
  });
}

std::string way_to(const ProxyRules& rules, const std::string& url) {
  const auto* proxy = rules.proxy_for(*Url::parse(url));
  return proxy ? proxy->url.host_port() : "directly";
}

TEST(ProxyRules, AreEmptyWithoutVariables) {
  const auto rules = rules_of({});
  ASSERT_TRUE(rules);
  EXPECT_TRUE(rules->empty());
  EXPECT_EQ(way_to(*rules, "https://r.test/"), "directly");
  EXPECT_EQ(rules->str(), "");
}

TEST(ProxyRules, GoBySchemeAndPreferNamesInLowerCase) {
  const auto rules = rules_of({{"HTTPS_PROXY", "http://upper.test:1"},
                               {"https_proxy", "http://secure.test:3128/"},
                               {"HTTP_PROXY", "plain.test:8080"}});
  ASSERT_TRUE(rules) << rules.error().message;
  EXPECT_EQ(way_to(*rules, "https://r.test/"), "secure.test:3128");
  EXPECT_EQ(way_to(*rules, "http://r.test/"), "plain.test:8080");
  EXPECT_EQ(rules->str(), "http://secure.test:3128 (https), http://plain.test:8080 (http)");
}

TEST(ProxyRules, AlwaysMeansEverything) {
  const auto rules = ProxyRules::always("http://proxy.test:3128");
  ASSERT_TRUE(rules) << rules.error().message;
  for (const auto* url : {"https://r.test/", "http://r.test/", "https://127.0.0.1/"})
    EXPECT_EQ(way_to(*rules, url), "proxy.test:3128") << url;
  EXPECT_EQ(ProxyRules::always("socks5://proxy.test").error().code, Errc::kUnsupported);
}

TEST(ProxyRules, KeepCredentialsApartFromWhatIsShown) {
  const auto rules = rules_of({{"HTTPS_PROXY", "http://me:p%40ss@proxy.test:3128"}});
  ASSERT_TRUE(rules) << rules.error().message;
  const auto* proxy = rules->proxy_for(*Url::parse("https://r.test/"));
  ASSERT_NE(proxy, nullptr);
  EXPECT_EQ(proxy->authorization, "Basic " + base64_encode("me:p@ss"));
  EXPECT_EQ(proxy->url.str(), "http://proxy.test:3128/");
  EXPECT_EQ(rules->str(), "http://proxy.test:3128");
  EXPECT_EQ(proxy->login(), "me:p@ss");
  EXPECT_EQ(proxy->without_login("of me: p@ss"), "of me: ***");
}

struct Exempt {
  std::string name, no_proxy, url;
  bool direct;
};

class NoProxy : public testing::TestWithParam<Exempt> {};

TEST_P(NoProxy, DecidesWhatGoesDirectly) {
  const auto rules = rules_of({{"HTTPS_PROXY", "proxy.test:3128"},
                               {"HTTP_PROXY", "proxy.test:3128"},
                               {"NO_PROXY", GetParam().no_proxy}});
  ASSERT_TRUE(rules);
  EXPECT_EQ(way_to(*rules, GetParam().url), GetParam().direct ? "directly" : "proxy.test:3128");
}

INSTANTIATE_TEST_SUITE_P(
    Table, NoProxy,
    testing::ValuesIn(std::vector<Exempt>{
        {"NothingListed", "", "https://r.test/", false},
        {"Everything", "*", "https://r.test/", true},
        {"TheNameItself", "a.test, r.test", "https://r.test/", true},
        {"BelowTheName", "r.test", "https://sub.r.test/", true},
        {"NotASuffixOfALabel", "r.test", "https://other.test/", false},
        {"NotACommonEnding", "r.test", "https://myr.test/", false},
        {"InCapitals", "R.TEST", "https://r.test/", true},
        {"DotMeansBelowOnly", ".r.test", "https://r.test/", false},
        {"DotBelow", ".r.test", "https://sub.r.test/", true},
        {"StarDotBelow", "*.r.test", "https://sub.r.test/", true},
        {"ThePort", "r.test:8443", "https://r.test:8443/", true},
        {"AnotherPort", "r.test:8443", "https://r.test/", false},
        {"AnAddress", "10.1.2.3", "http://10.1.2.3/", true},
        {"ARange", "10.0.0.0/8", "http://10.1.2.3/", true},
        {"OutsideTheRange", "10.0.0.0/8", "http://11.1.2.3/", false},
        {"ARangeHoldsNoNames", "0.0.0.0/0", "https://r.test/", false},
        {"AnIpv6Address", "fd00::1", "http://[fd00::1]/", true},
        {"AnIpv6AddressWithPort", "[fd00::1]:5000", "http://[fd00::1]:5000/", true},
        {"AnIpv6AddressWithAnotherPort", "[fd00::1]:5000", "http://[fd00::1]/", false},
        {"LocalhostAlways", "", "http://localhost:5000/", true},
        {"LoopbackAlways", "", "http://127.0.0.1:5000/", true},
        {"LoopbackSixAlways", "", "http://[::1]:5000/", true},
    }),
    [](const auto& test) { return test.param.name; });

TEST(ProxyRules, RefuseWhatTheyCannotUseWithoutRepeatingIt) {
  for (const auto& [value, code, why] : std::vector<std::tuple<std::string, Errc, std::string>>{
           {"https://me:secret@proxy.test", Errc::kUnsupported, "only proxies that are spoken to"},
           {"socks5://me:secret@proxy.test", Errc::kUnsupported, "write http://HOST:PORT"},
           {"http://me:secret@", Errc::kInvalid, "the URL has no host"},
           {"http://me:secret@proxy.test:x", Errc::kInvalid, "the port must be a number"},
       }) {
    const auto rules = rules_of({{"HTTPS_PROXY", value}});
    ASSERT_TRUE(rules.has_error()) << value;
    EXPECT_EQ(rules.error().code, code) << value;
    EXPECT_THAT(rules.error().message, testing::StartsWith("HTTPS_PROXY: "));
    EXPECT_THAT(rules.error().message, testing::HasSubstr(why));
    EXPECT_THAT(rules.error().message, testing::Not(testing::HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace kiln::http
