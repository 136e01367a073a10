#include "core/http/egress_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::http {
namespace {

using testing::HasSubstr;

boost::asio::ip::address address(const std::string& text) {
  return boost::asio::ip::make_address(text);
}

EgressPolicy::Rules rules(std::vector<std::string> allow, std::vector<std::string> deny) {
  EgressPolicy::Rules made;
  made.allow = *parse_cidrs(allow);
  made.deny = *parse_cidrs(deny);
  return made;
}

struct KindCase {
  std::string address;
  AddressKind kind;
};

class AddressKindOf : public testing::TestWithParam<KindCase> {};

TEST_P(AddressKindOf, SeesThroughEmbeddedForms) {
  EXPECT_EQ(kind_of(address(GetParam().address)), GetParam().kind) << GetParam().address;
}

constexpr auto kPublic = AddressKind::kPublic;
constexpr auto kPrivate = AddressKind::kPrivate;
constexpr auto kLoopback = AddressKind::kLoopback;

INSTANTIATE_TEST_SUITE_P(Table, AddressKindOf,
                         testing::ValuesIn(std::vector<KindCase>{
                             {"8.8.8.8", kPublic},
                             {"10.1.2.3", kPrivate},
                             {"172.15.255.255", kPublic},
                             {"172.16.0.1", kPrivate},
                             {"172.32.0.0", kPublic},
                             {"192.168.1.1", kPrivate},
                             {"100.64.0.1", kPrivate},
                             {"100.128.0.1", kPublic},
                             {"198.18.0.1", kPrivate},
                             {"127.0.0.1", kLoopback},
                             {"127.255.0.9", kLoopback},
                             {"169.254.1.1", kPrivate},
                             {"::1", kLoopback},
                             {"2606:4700::1", kPublic},
                             {"fd12::1", kPrivate},
                             {"fe80::1", kPrivate},
                             {"fec0::1", kPrivate},
                             {"::ffff:127.0.0.1", kLoopback},
                             {"::ffff:10.0.0.1", kPrivate},
                             {"::ffff:8.8.8.8", kPublic},
                             {"::127.0.0.1", kLoopback},
                             {"64:ff9b::a00:1", kPrivate},
                             {"64:ff9b::808:808", kPublic},
                             {"64:ff9b:1::7f00:1", kLoopback},
                             {"2002:7f00:1::1", kLoopback},
                             {"2002:a00:1::", kPrivate},
                             {"2002:808:808::", kPublic},
                             {"2001:0:1::80ff:fffe", kLoopback},  // Teredo: inverted 127.0.0.1
                         }));

struct DeniedCase {
  std::string address, why;
};

class EgressDefaults : public testing::TestWithParam<DeniedCase> {};

TEST_P(EgressDefaults, Deny) {
  const auto kind = EgressPolicy().check(address(GetParam().address), 443, std::nullopt);
  ASSERT_FALSE(kind) << GetParam().address;
  EXPECT_EQ(kind.error().code, Errc::kEgressDenied);
  EXPECT_THAT(kind.error().message, HasSubstr("the egress policy forbids"));
  EXPECT_THAT(kind.error().message, HasSubstr(": it is " + GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(Table, EgressDefaults,
                         testing::ValuesIn(std::vector<DeniedCase>{
                             {"169.254.169.254", "link-local"},
                             {"169.254.170.2", "link-local"},
                             {"fe80::1", "link-local"},
                             {"::ffff:169.254.169.254", "link-local"},
                             {"64:ff9b::a9fe:a9fe", "link-local"},
                             {"2002:a9fe:a9fe::", "link-local"},
                             {"2001:0:1::5601:5601", "link-local"},  // Teredo: inverted
                             {"fd00:ec2::254", "a cloud's metadata service"},
                             {"fd20:ce::254", "a cloud's metadata service"},
                             {"100.100.100.200", "a cloud's metadata service"},
                             {"168.63.129.16", "a cloud's metadata service"},
                             {"192.0.0.192", "a cloud's metadata service"},
                             {"0.0.0.0", "unspecified"},
                             {"0.1.2.3", "unspecified"},
                             {"::", "unspecified"},
                             {"::ffff:0.0.0.0", "unspecified"},
                             {"224.0.0.1", "multicast"},
                             {"ff02::1", "multicast"},
                             {"255.255.255.255", "reserved"},
                         }));

TEST(EgressPolicy, AllowsTheRestByDefault) {
  const EgressPolicy policy;
  EXPECT_EQ(*policy.check(address("8.8.8.8"), 443, std::nullopt), kPublic);
  EXPECT_EQ(*policy.check(address("10.0.0.1"), 443, std::nullopt), kPrivate);
  EXPECT_EQ(*policy.check(address("127.0.0.1"), 443, std::nullopt), kLoopback);
  EXPECT_EQ(*policy.check(address("fd00::1"), 443, std::nullopt), kPrivate);
}

TEST(EgressPolicy, DeniesLoopbackOnWish) {
  EgressPolicy::Rules made;
  made.deny_loopback = true;
  const EgressPolicy policy(made);
  for (const auto* text : {"127.0.0.1", "::1", "::ffff:127.0.0.1", "2002:7f00:1::"})
    EXPECT_FALSE(policy.check(address(text), 443, std::nullopt)) << text;
  EXPECT_TRUE(policy.check(address("10.0.0.1"), 443, std::nullopt));
}

TEST(EgressPolicy, GoesByTheMostSpecificRange) {
  const EgressPolicy only(rules({"10.1.0.0/16"}, {"0.0.0.0/0", "::/0"}));
  EXPECT_TRUE(only.check(address("10.1.2.3"), 443, std::nullopt));
  EXPECT_FALSE(only.check(address("10.2.0.1"), 443, std::nullopt));
  EXPECT_FALSE(only.check(address("8.8.8.8"), 443, std::nullopt));
  EXPECT_FALSE(only.check(address("2606:4700::1"), 443, std::nullopt));

  const EgressPolicy hole(rules({"10.0.0.0/8"}, {"10.0.0.1"}));
  EXPECT_TRUE(hole.check(address("10.0.0.2"), 443, std::nullopt));
  EXPECT_FALSE(hole.check(address("10.0.0.1"), 443, std::nullopt));

  const EgressPolicy equal(rules({"10.0.0.0/8"}, {"10.0.0.0/8"}));
  const auto denied = equal.check(address("10.0.0.2"), 443, std::nullopt);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().message,
            "the egress policy forbids 10.0.0.2: it is in a range of --egress-deny");
}

TEST(EgressPolicy, OpensADefaultDenialOnlyByNamingIt) {
  EXPECT_FALSE(EgressPolicy(rules({"0.0.0.0/0"}, {})).check(address("169.254.0.1"), 80, {}));
  EXPECT_TRUE(EgressPolicy(rules({"169.254.0.0/16"}, {})).check(address("169.254.0.1"), 80, {}));
  EXPECT_FALSE(EgressPolicy(rules({"0.0.0.0/32"}, {})).check(address("0.0.0.0"), 80, {}));
  EXPECT_FALSE(EgressPolicy(rules({"224.0.0.0/4"}, {})).check(address("224.0.0.1"), 80, {}));
}

TEST(EgressPolicy, DeniesAnEndpointByAddressAndPortWhateverIsAllowed) {
  auto made = rules({"10.96.0.1/32"}, {});
  made.deny_endpoints.push_back({address("10.96.0.1"), 443});
  const EgressPolicy policy(made);
  EXPECT_TRUE(policy.check(address("10.96.0.1"), 5000, std::nullopt));
  for (const auto* text : {"10.96.0.1", "::ffff:10.96.0.1", "64:ff9b::a60:1"}) {
    const auto denied = policy.check(address(text), 443, std::nullopt);
    ASSERT_FALSE(denied) << text;
    EXPECT_THAT(denied.error().message, HasSubstr("port 443 there is the cluster's own"));
  }
}

TEST(EgressPolicy, LetsAServerNameOnlyWhatItCouldReachItself) {
  const EgressPolicy policy(rules({"169.254.7.0/24"}, {}));
  const auto may = [&](const char* target, AddressKind by) {
    return !policy.check(address(target), 443, by).has_error();
  };
  EXPECT_TRUE(may("8.8.8.8", kPublic));
  EXPECT_TRUE(may("8.8.8.8", kLoopback));
  EXPECT_FALSE(may("10.0.0.1", kPublic));
  EXPECT_TRUE(may("10.0.0.1", kPrivate));
  EXPECT_TRUE(may("10.0.0.1", kLoopback));
  EXPECT_FALSE(may("127.0.0.1", kPublic));
  EXPECT_FALSE(may("127.0.0.1", kPrivate));
  EXPECT_TRUE(may("127.0.0.1", kLoopback));
  EXPECT_FALSE(may("::ffff:127.0.0.1", kPrivate));
  for (const auto by : {kPublic, kPrivate, kLoopback}) EXPECT_FALSE(may("169.254.7.1", by));

  const auto denied = policy.check(address("10.0.0.1"), 443, kPublic);
  EXPECT_EQ(denied.error().message,
            "the egress policy forbids 10.0.0.1: it is private, and the server that named it is "
            "public");
}

TEST(EgressPolicy, JudgesByTheNameWhereAProxyLooksItUp) {
  auto made = rules({}, {});
  made.deny_loopback = true;
  const EgressPolicy policy(made);
  const auto by = [&](const char* host, std::optional<AddressKind> named_by) {
    return policy.check_name(host, 443, named_by);
  };
  EXPECT_EQ(by("r.test", {}).value(), kPublic);
  EXPECT_EQ(by("r.test", kPublic).value(), kPublic);
  for (const auto* host : {"vault", "db.default.svc", "x.svc.cluster.local", "nas.home.arpa"}) {
    EXPECT_EQ(by(host, {}).value(), kPrivate) << host;
    EXPECT_TRUE(by(host, kPublic).has_error()) << host;
    EXPECT_TRUE(by(host, kPrivate)) << host;
  }
  EXPECT_TRUE(by("notlocal.test", kPublic));
  for (const auto* host : {"localhost", "a.localhost", "localhost.", "metadata.google.internal",
                           "169.254.169.254", "127.0.0.1", "::ffff:169.254.169.254"})
    EXPECT_EQ(by(host, {}).error().code, Errc::kEgressDenied) << host;
  EXPECT_EQ(by("vault", kPublic).error().message,
            "the egress policy forbids vault: it is the name of a private host, and the server "
            "that named it is public");
}

TEST(Cidr, IsReadFromText) {
  for (const auto& [text, str] :
       {std::pair("10.0.0.0/8", "10.0.0.0/8"), std::pair("1.2.3.4", "1.2.3.4/32"),
        std::pair("0.0.0.0/0", "0.0.0.0/0"), std::pair("fd00::/8", "fd00::/8"),
        std::pair("::1", "::1/128")}) {
    const auto cidr = Cidr::parse(text);
    ASSERT_TRUE(cidr) << text;
    EXPECT_EQ(cidr->str(), str);
  }
}

TEST(Cidr, RejectsWithAReason) {
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"", "\"\" is not an address range; write for example 10.0.0.0/8 or fd00::/8"},
           {"example.com",
            "\"example.com\" is not an address range; write for example 10.0.0.0/8 or fd00::/8"},
           {"10.0.0.0/33", "\"10.0.0.0/33\": the number after \"/\" must be from 0 to 32"},
           {"fd00::/129", "\"fd00::/129\": the number after \"/\" must be from 0 to 128"},
           {"10.0.0.0/", "\"10.0.0.0/\": the number after \"/\" must be from 0 to 32"},
           {"10.0.0.0/-1", "\"10.0.0.0/-1\": the number after \"/\" must be from 0 to 32"},
           {"10.0.0.0/8x", "\"10.0.0.0/8x\": the number after \"/\" must be from 0 to 32"},
           {"10.0.0.1/8", "\"10.0.0.1/8\" has address bits set beyond its prefix length"},
       }) {
    const auto cidr = Cidr::parse(text);
    ASSERT_FALSE(cidr) << text;
    EXPECT_EQ(cidr.error().message, why);
  }
}

TEST(Cidr, ComesInCommaSeparatedLists) {
  const auto ranges = parse_cidrs({"10.0.0.0/8,fd00::/8", "1.2.3.4"});
  ASSERT_TRUE(ranges);
  EXPECT_EQ(ranges->size(), 3u);
  EXPECT_FALSE(parse_cidrs({"10.0.0.0/8,"}));
}

}  // namespace
}  // namespace kiln::http
