#include "core/http/server.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/matchers.h"

namespace kiln::http {
namespace {

using kiln::testing::FailsWith;

struct GoodAddress {
  std::string name, text, host;
  int port;
  std::string again;
};

class ListenAddressAccepts : public ::testing::TestWithParam<GoodAddress> {};

TEST_P(ListenAddressAccepts, AndWritesTheSame) {
  const auto address = ListenAddress::parse(GetParam().text);
  ASSERT_TRUE(address.has_value()) << address.error().message;
  EXPECT_EQ(address->host, GetParam().host);
  EXPECT_EQ(address->port, GetParam().port);
  EXPECT_EQ(address->str(), GetParam().again);
}

INSTANTIATE_TEST_SUITE_P(Parse, ListenAddressAccepts,
                         ::testing::ValuesIn(std::vector<GoodAddress>{
                             {"AllAddresses", ":8080", "", 8080, ":8080"},
                             {"AnyPort", ":0", "", 0, ":0"},
                             {"Ipv4", "127.0.0.1:9440", "127.0.0.1", 9440, "127.0.0.1:9440"},
                             {"Ipv6", "[::1]:80", "::1", 80, "[::1]:80"},
                             {"AName", "localhost:65535", "localhost", 65535, "localhost:65535"},
                         }),
                         [](const auto& test) { return test.param.name; });

class ListenAddressRefuses : public ::testing::TestWithParam<std::string> {};

TEST_P(ListenAddressRefuses, SayingWhatToWrite) {
  EXPECT_THAT(ListenAddress::parse(GetParam()),
              FailsWith(Errc::kInvalid, "\"" + GetParam() +
                                            "\" is no address to listen on; write HOST:PORT, "
                                            "[IPV6]:PORT, or :PORT for all addresses"));
}

INSTANTIATE_TEST_SUITE_P(Parse, ListenAddressRefuses,
                         ::testing::Values("", "8080", "localhost", "localhost:", ":http", ":65536",
                                           ":-1", ":80 ", "::1:80", "[::1]", "[]:80", "http://h:80",
                                           "a b:80"));

TEST(ServerRequest, FindsParametersByTheirWholeName) {
  ServerRequest request;
  request.query = "verbose&exclude=a%20b";

  EXPECT_TRUE(request.has_parameter("verbose"));
  EXPECT_TRUE(request.has_parameter("exclude"));
  EXPECT_FALSE(request.has_parameter("verb"));
  EXPECT_FALSE(request.has_parameter("a%20b"));
  EXPECT_FALSE(ServerRequest().has_parameter("verbose"));
}

TEST(ServerResponse, IsPlainTextUnlessItSaysOtherwise) {
  EXPECT_EQ(ServerResponse(200, "ok").headers.get("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(ServerResponse(200, "{}", "application/json").headers.get("Content-Type"),
            "application/json");
  EXPECT_FALSE(ServerResponse(204).headers.has("Content-Type"));
}

}  // namespace
}  // namespace kiln::http
