#include <gtest/gtest.h>

#include "controller/kube/config.h"
#include "core/base/encoding.h"
#include "core/base/file.h"
#include "tests/support/matchers.h"

namespace kiln::kube {
namespace {

using kiln::testing::FailsWith;
using kiln::testing::IsOk;

constexpr const char* kTwoContexts = R"(
apiVersion: v1
kind: Config
current-context: dev
contexts:
- {name: dev, context: {cluster: local, user: ann, namespace: web}}
- {name: prod, context: {cluster: far, user: bob}}
clusters:
- {name: local, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: Q0E=}}
- {name: far, cluster: {server: "https://far.example.com/k8s", insecure-skip-tls-verify: true, tls-server-name: inner}}
users:
- {name: ann, user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}}
- {name: bob, user: {token: secret-token}}
)";

TEST(Kubeconfig, TakesTheCurrentContext) {
  const auto config = parse_kubeconfig(kTwoContexts, "", "/");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->server.str(), "https://127.0.0.1:6443/");
  EXPECT_EQ(config->namespace_, "web");
  EXPECT_EQ(config->tls.ca_pem, "CA");
  EXPECT_TRUE(config->tls.only_ca_pem);
  EXPECT_EQ(config->tls.client_cert_pem, "CERT");
  EXPECT_EQ(config->tls.client_key_pem, "KEY");
  EXPECT_EQ(config->token, "");
}

TEST(Kubeconfig, TakesTheContextThatIsAskedFor) {
  const auto config = parse_kubeconfig(kTwoContexts, "prod", "/");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->server.host(), "far.example.com");
  EXPECT_EQ(config->server.path(), "/k8s");
  EXPECT_EQ(config->namespace_, "default");
  EXPECT_EQ(config->token, "secret-token");
  EXPECT_TRUE(config->tls.insecure_skip_verify);
  EXPECT_EQ(config->tls.server_name, "inner");
  EXPECT_FALSE(config->tls.only_ca_pem);
}

TEST(Kubeconfig, AProxyIsForThisServerWhereverItIs) {
  const auto config = parse_kubeconfig(
      R"({current-context: c, contexts: [{name: c, context: {cluster: k}}], clusters: [{name: k,
          cluster: {server: "https://127.0.0.1:6443", proxy-url: "http://me:pw@proxy.test:3128"}}]})",
      "", "/");
  ASSERT_THAT(config, IsOk());
  const auto* proxy = config->proxies.proxy_for(config->server);
  ASSERT_NE(proxy, nullptr);
  EXPECT_EQ(proxy->url.host_port(), "proxy.test:3128");
  EXPECT_EQ(proxy->authorization, "Basic " + base64_encode("me:pw"));
}

TEST(Kubeconfig, ReadsFilesRelativeToItself) {
  const auto folder = TempDir::create("kubeconfig");
  ASSERT_THAT(folder, IsOk());
  ASSERT_THAT(write_file_atomically(folder->path() / "ca.crt", "CA FILE"), IsOk());
  ASSERT_THAT(write_file_atomically(folder->path() / "config", R"(
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "https://k", certificate-authority: ca.crt}}]
users: [{name: u, user: {tokenFile: token}}]
)"),
              IsOk());
  const auto config = load_kubeconfig(folder->path() / "config", "");
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->tls.ca_pem, "CA FILE");
  EXPECT_EQ(config->ca_file, folder->path() / "ca.crt");
  EXPECT_EQ(config->token_file, folder->path() / "token");
}

/// A kubeconfig whose only cluster and user are these.
std::string with(const std::string& cluster, const std::string& user) {
  return "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
         "clusters: [{name: k, cluster: " +
         cluster + "}]\nusers: [{name: u, user: " + user + "}]\n";
}

struct BadConfig {
  std::string name, text;
  Errc code;
  std::string why;
};

class KubeconfigRejects : public ::testing::TestWithParam<BadConfig> {};

TEST_P(KubeconfigRejects, WithAReasonThatNamesTheBrokenPart) {
  const auto config = parse_kubeconfig(GetParam().text, "", "/nonexistent");
  EXPECT_THAT(config, FailsWith(GetParam().code, GetParam().why));
}

const std::string kServer = R"({server: "https://k"})";

INSTANTIATE_TEST_SUITE_P(
    Parse, KubeconfigRejects,
    ::testing::ValuesIn(std::vector<BadConfig>{
        {"NotYaml", "a: [", Errc::kInvalid, "not valid YAML (line"},
        {"Alias", "users: &x [*x]", Errc::kInvalid, "line 1: anchors and aliases"},
        {"ManyLevels", std::string(1000, '['), Errc::kInvalid,
         "line 1: nested deeper than 64 levels"},
        {"NotAMapping", "just words", Errc::kInvalid, "must be a mapping"},
        {"Empty", "", Errc::kInvalid, "must be a mapping"},
        {"NoContext", "kind: Config", Errc::kInvalid, "kubectl config use-context"},
        {"UnknownContext", "current-context: x", Errc::kInvalid, "there is no contexts[\"x\"]"},
        {"ContextsAreNoList", "current-context: x\ncontexts: 7", Errc::kInvalid,
         "contexts must be a list"},
        {"UnknownCluster", "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]",
         Errc::kInvalid, "there is no clusters[\"k\"]"},
        {"NoServer", with("{}", "{}"), Errc::kInvalid, "clusters[\"k\"].cluster has no server"},
        {"BadServer", with(R"({server: "ftp://k"})", "{}"), Errc::kInvalid,
         "clusters[\"k\"].cluster.server"},
        {"Proxy", with(R"({server: "https://k", proxy-url: "socks5://p"})", "{}"),
         Errc::kUnsupported, "proxy-url: only proxies that are spoken to in plain http"},
        {"BadBase64", with(R"({server: "https://k", certificate-authority-data: "%%"})", "{}"),
         Errc::kInvalid, "certificate-authority-data is not base64"},
        {"NoSuchFile", with(R"({server: "https://k", certificate-authority: ca})", "{}"),
         Errc::kNotFound, "certificate-authority"},
        {"Exec", with(kServer, "{exec: {command: aws}}"), Errc::kUnsupported,
         "users[\"u\"].user.exec is not supported; use a token"},
        {"AuthProvider", with(kServer, "{auth-provider: {name: gcp}}"), Errc::kUnsupported,
         "auth-provider is not supported"},
        {"Password", with(kServer, "{username: a, password: b}"), Errc::kUnsupported,
         "username is not supported"},
        {"Impersonation", with(kServer, "{as: root, token: t}"), Errc::kUnsupported,
         "as is not supported; log in as that user"},
        {"KeyWithoutCertificate", with(kServer, "{client-key-data: S0VZ}"), Errc::kInvalid,
         "needs both"},
        {"TokenOverHttp", with(R"({server: "http://k"})", "{token: t}"), Errc::kInvalid,
         "a token is sent over https only"},
        {"TooLarge", std::string(1024 * 1024 + 1, ' '), Errc::kInvalid, "larger than 1 MiB"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(Kubeconfig, NeverQuotesItsText) {
  const auto config = parse_kubeconfig("users: [{user: {token: hunter2\n}", "", "/");
  ASSERT_TRUE(config.has_error());
  EXPECT_EQ(config.error().message.find("hunter2"), std::string::npos);
}

TEST(Kubeconfig, AllowsATokenOverHttpToThisMachine) {
  EXPECT_THAT(parse_kubeconfig(with(R"({server: "http://127.0.0.1:8001"})", "{token: t}"), "", "/"),
              IsOk());
}

}  // namespace
}  // namespace kiln::kube
