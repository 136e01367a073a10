#include "controller/kube/config.h"

#include <gtest/gtest.h>

#include <map>

#include "core/base/file.h"
#include "tests/support/manual_clock.h"
#include "tests/support/matchers.h"

namespace kiln::kube {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

constexpr const char* kPem = "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n";
constexpr const char* kNewPem = "-----BEGIN CERTIFICATE-----\nB\n-----END CERTIFICATE-----\n";

Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

/// The folder of a service account, as the kubelet makes it.
class ServiceAccount : public ::testing::Test {
 protected:
  ServiceAccount() {
    write("token", "first\n");
    write("ca.crt", kPem);
    write("namespace", "kiln-system");
  }
  void write(const std::string& name, const std::string& text) {
    ASSERT_THAT(write_file_atomically(folder_.path() / name, text), IsOk());
  }
  Config config(const std::string& host = "10.0.0.1") {
    auto found = in_cluster_config(
        environment({{"KUBERNETES_SERVICE_HOST", host}, {"KUBERNETES_SERVICE_PORT", "443"}}),
        folder_.path());
    EXPECT_THAT(found, IsOk());
    return std::move(found).value();
  }

  TempDir folder_ = TempDir::create("account").value();
  fakes::ManualClock clock_;
};

TEST_F(ServiceAccount, IsFoundInACluster) {
  const auto found = config();
  EXPECT_EQ(found.server.str(), "https://10.0.0.1/");
  EXPECT_EQ(found.namespace_, "kiln-system");
  EXPECT_EQ(found.tls.ca_pem, kPem);
  EXPECT_TRUE(found.tls.only_ca_pem);
}

TEST_F(ServiceAccount, PutsAnIpv6AddressInBrackets) {
  EXPECT_EQ(config("fd00::1").server.host_port(), "[fd00::1]");
}

TEST_F(ServiceAccount, SaysThatItIsNotInACluster) {
  EXPECT_THAT(in_cluster_config(environment({}), folder_.path()),
              FailsWith(Errc::kNotFound, "not running in a cluster"));
}

TEST_F(ServiceAccount, NeedsAToken) {
  write("token", "\n");
  EXPECT_THAT(in_cluster_config(
                  environment({{"KUBERNETES_SERVICE_HOST", "h"}, {"KUBERNETES_SERVICE_PORT", "1"}}),
                  folder_.path()),
              FailsWith(Errc::kUnauthorized, "is empty"));
}

TEST_F(ServiceAccount, ReadsTheTokenAgainEachMinute) {
  Credentials credentials(config(), clock_);
  EXPECT_EQ(*credentials.token(), "first");
  write("token", "second");
  clock_.advance(std::chrono::seconds(59));
  EXPECT_EQ(*credentials.token(), "first");
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(*credentials.token(), "second");
}

TEST_F(ServiceAccount, ReadsTheTokenAgainAfterARefusal) {
  Credentials credentials(config(), clock_);
  EXPECT_EQ(*credentials.token(), "first");
  write("token", "second");
  credentials.reset();
  EXPECT_EQ(*credentials.token(), "second");
}

TEST_F(ServiceAccount, KeepsTheLastGoodToken) {
  Credentials credentials(config(), clock_);
  EXPECT_EQ(*credentials.token(), "first");
  for (const auto* bad : {"", "  \n"}) {
    write("token", bad);
    clock_.advance(std::chrono::minutes(2));
    EXPECT_EQ(*credentials.token(), "first");
  }
  std::filesystem::remove(folder_.path() / "token");
  clock_.advance(std::chrono::minutes(2));
  EXPECT_EQ(*credentials.token(), "first");
}

TEST_F(ServiceAccount, SaysWhyThereIsNoToken) {
  Credentials credentials(config(), clock_);
  std::filesystem::remove(folder_.path() / "token");
  EXPECT_THAT(credentials.token(), FailsWith(Errc::kNotFound, "reading the API server's token"));
}

TEST_F(ServiceAccount, TakesNewCertificatesAndKeepsOldOnesRatherThanNone) {
  Credentials credentials(config(), clock_);
  const auto before = credentials.tls();
  write("ca.crt", "nonsense");
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(credentials.tls(), before);
  write("ca.crt", kNewPem);
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(credentials.tls()->ca_pem, kNewPem);
  EXPECT_EQ(before->ca_pem, kPem) << "shared with connections: never changed under them";
}

TEST_F(ServiceAccount, LooksForNewCertificatesAtOnceWhenThereIsNoConnection) {
  Credentials credentials(config(), clock_);
  write("ca.crt", kNewPem);
  EXPECT_EQ(credentials.tls()->ca_pem, kPem);

  credentials.doubt_server();

  EXPECT_EQ(credentials.tls()->ca_pem, kNewPem);
}

TEST_F(ServiceAccount, TakesANewClientCertificateTogetherWithItsKey) {
  write("client.crt", "-----BEGIN CERTIFICATE-----\nold\n-----END CERTIFICATE-----\n");
  write("client.key", "-----BEGIN PRIVATE KEY-----\nold\n-----END PRIVATE KEY-----\n");
  write("config", R"({current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}],
    clusters: [{name: k, cluster: {server: "https://k"}}],
    users: [{name: u, user: {client-certificate: client.crt, client-key: client.key}}]})");
  Credentials credentials(load_kubeconfig(folder_.path() / "config", "").value(), clock_);
  const auto before = credentials.tls();
  ASSERT_NE(before->client_key_pem.find("old"), std::string::npos);

  write("client.crt", "-----BEGIN CERTIFICATE-----\nnew\n-----END CERTIFICATE-----\n");
  write("client.key", "half writt");
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(credentials.tls(), before) << "not the one without the other";

  write("client.key", "-----BEGIN PRIVATE KEY-----\nnew\n-----END PRIVATE KEY-----\n");
  credentials.reset();  // As after a 401.
  EXPECT_NE(credentials.tls()->client_cert_pem.find("new"), std::string::npos);
  EXPECT_NE(credentials.tls()->client_key_pem.find("new"), std::string::npos);
}

TEST_F(ServiceAccount, SharesUnchangedCertificates) {
  Credentials credentials(config(), clock_);
  const auto before = credentials.tls();
  clock_.advance(std::chrono::minutes(10));
  EXPECT_EQ(credentials.tls(), before);
}

TEST(FindConfig, PrefersWhatIsGiven) {
  const auto folder = TempDir::create("find").value();
  const auto write = [&](const char* name, const char* server) {
    const auto text =
        std::string("current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n") +
        "clusters: [{name: k, cluster: {server: \"https://" + server + "\"}}]\n";
    ASSERT_THAT(write_file_atomically(folder.path() / name, text), IsOk());
  };
  std::filesystem::create_directory(folder.path() / ".kube");
  write("given", "given");
  write("named", "named");
  write(".kube/config", "home");
  const auto home = folder.path().string();
  const auto named = (folder.path() / "named").string() + ":/nonexistent";
  const auto all = environment({{"KUBECONFIG", named}, {"HOME", home}});
  EXPECT_EQ(find_config(all, folder.path() / "given", "")->server.host(), "given");
  EXPECT_EQ(find_config(all, "", "")->server.host(), "named");
  EXPECT_EQ(find_config(environment({{"HOME", home}}), "", "")->server.host(), "home");
  EXPECT_THAT(find_config(environment({}), "", ""),
              FailsWith(Errc::kNotFound, "not running in a cluster"));
}

}  // namespace
}  // namespace kiln::kube
