#include "core/registry/protocol/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln::registry::protocol {
namespace {

struct Case {
  std::string name, registry;
  bool with_tls, insecure;
  std::vector<std::string> expected;  ///< Bases; "!" at the end = unverified.
};

class Endpoints : public testing::TestWithParam<Case> {};

TEST_P(Endpoints, BestFirst) {
  const auto& param = GetParam();
  const auto tls = param.with_tls ? std::make_shared<const http::TlsOptions>() : nullptr;
  const auto endpoints = endpoints_of(param.registry, tls, param.insecure);

  ASSERT_TRUE(endpoints) << endpoints.error().message;
  std::vector<std::string> got;
  for (const auto& endpoint : *endpoints)
    got.push_back(endpoint.base.str() +
                  (endpoint.tls && endpoint.tls->insecure_skip_verify ? "!" : ""));
  EXPECT_EQ(got, param.expected);
}

INSTANTIATE_TEST_SUITE_P(
    Of, Endpoints,
    testing::ValuesIn(std::vector<Case>{
        {"Usual", "ghcr.io", false, false, {"https://ghcr.io/"}},
        {"WithPort", "r.test:5000", false, false, {"https://r.test:5000/"}},
        {"DockerHub", "index.docker.io", false, false, {"https://registry-1.docker.io/"}},
        {"Loopback", "localhost:5000", false, false, {"http://localhost:5000/"}},
        {"LoopbackAddress", "127.0.0.1:5000", false, false, {"http://127.0.0.1:5000/"}},
        {"LoopbackWithCa", "localhost:5000", true, false, {"https://localhost:5000/"}},
        {"NotLoopback",
         "localhost.evil.test:5000",
         false,
         false,
         {"https://localhost.evil.test:5000/"}},
        {"Insecure", "r.test:5000", false, true, {"https://r.test:5000/!", "http://r.test:5000/"}},
        {"InsecureLoopback",
         "localhost:5000",
         false,
         true,
         {"https://localhost:5000/!", "http://localhost:5000/"}},
    }),
    [](const auto& test) { return test.param.name; });

TEST(Endpoints, RefuseWhatIsNotAHost) {
  for (const auto name : {"", "r.test/path", "user@r.test", "r.test:port", "r test", "r.test?x"}) {
    const auto endpoints = endpoints_of(name, nullptr, false);
    ASSERT_TRUE(endpoints.has_error()) << name;
    EXPECT_EQ(endpoints.error().code, Errc::kInvalid);
  }
}

TEST(TlsForAnotherHost, KeepsAuthoritiesOnly) {
  http::TlsOptions tls;
  tls.ca_pem = "CA";
  tls.only_ca_pem = true;
  tls.client_cert_pem = "CERT";
  tls.client_key_pem = "KEY";
  tls.insecure_skip_verify = true;
  tls.server_name = "r.test";
  const auto other = tls_for_another_host(std::make_shared<const http::TlsOptions>(tls));
  ASSERT_TRUE(other);
  EXPECT_EQ(other->ca_pem, "CA");
  EXPECT_TRUE(other->only_ca_pem);
  EXPECT_EQ(other->client_cert_pem + other->client_key_pem + other->server_name, "");
  EXPECT_FALSE(other->insecure_skip_verify);
  EXPECT_EQ(tls_for_another_host(nullptr), nullptr);
}

TEST(ManifestAccept, ListsAllFourTypes) {
  EXPECT_EQ(manifest_accept(),
            "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
            "application/vnd.docker.distribution.manifest.list.v2+json, "
            "application/vnd.docker.distribution.manifest.v2+json");
}

}  // namespace
}  // namespace kiln::registry::protocol
