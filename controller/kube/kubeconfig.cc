#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <utility>

#include "controller/kube/config.h"
#include "core/base/encoding.h"
#include "core/base/file.h"
#include "core/base/yaml_check.h"

namespace kiln::kube {
namespace {

constexpr std::uint64_t kFileLimitBytes = 1024 * 1024;

Error invalid(std::string message) {
  return Error(Errc::kInvalid, std::move(message));
}

/// A mapping of the kubeconfig, with its place for messages: `users["admin"].user`.
struct Part {
  YAML::Node node;
  std::string where;

  std::string text(const char* key) const {
    const auto value = node[key];
    return value && value.IsScalar() ? value.Scalar() : std::string();
  }
  bool has(const char* key) const { return node[key] && !node[key].IsNull(); }
  bool is_true(const char* key) const { return text(key) == "true"; }
};

/// The entry called `name` of a list like `clusters: [{name, cluster: {…}}]`.
Result<Part> find_named(const YAML::Node& root, const char* list, const char* inner,
                        const std::string& name) {
  const auto where = std::string(list) + "[\"" + name + "\"]";
  const auto entries = root[list];
  if (entries && !entries.IsSequence()) return invalid(std::string(list) + " must be a list");
  for (const auto& entry : entries ? entries : YAML::Node(YAML::NodeType::Sequence)) {
    if (!entry.IsMap() || !entry["name"] || !entry["name"].IsScalar()) continue;
    if (entry["name"].Scalar() != name) continue;
    const YAML::Node body = entry[inner];
    if (!body || !body.IsMap()) return invalid(where + " has no " + inner);
    return Part{body, where + "." + inner};
  }
  return invalid("there is no " + where);
}

/// Bytes given in the file itself ("KEY-data", base64) or by the name of another ("KEY").
/// `file`, if asked for, gets the path of the other.
Result<std::string> read_material(const Part& part, const std::string& key,
                                  const std::filesystem::path& folder,
                                  std::filesystem::path* file = nullptr) {
  auto data = part.text((key + "-data").c_str());
  if (!data.empty()) {
    std::erase_if(data, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
    auto bytes = base64_decode(data);
    if (!bytes) return invalid(part.where + "." + key + "-data is not base64");
    return bytes;
  }
  const auto name = part.text(key.c_str());
  if (name.empty()) return std::string();
  const auto path = folder / name;  // An absolute name stays as it is.
  auto bytes = read_file(path, kFileLimitBytes);
  if (!bytes) return std::move(bytes).error().while_doing(part.where + "." + key);
  if (file != nullptr) *file = path;
  return bytes;
}

Result<Config> read_cluster(const Part& cluster, const std::filesystem::path& folder) {
  const auto server = cluster.text("server");
  if (server.empty()) return invalid(cluster.where + " has no server");
  const auto url = http::Url::parse(server);
  if (!url) return url.error().while_doing(cluster.where + ".server");
  Config config(*url);
  if (const auto proxy = cluster.text("proxy-url"); !proxy.empty()) {
    auto proxies = http::ProxyRules::always(proxy);
    if (!proxies) return std::move(proxies).error().while_doing(cluster.where + ".proxy-url");
    config.proxies = std::move(*proxies);
  }
  auto ca = read_material(cluster, "certificate-authority", folder, &config.ca_file);
  if (!ca) return std::move(ca).error();
  config.tls.ca_pem = std::move(*ca);
  config.tls.only_ca_pem = !config.tls.ca_pem.empty();
  config.tls.server_name = cluster.text("tls-server-name");
  config.tls.insecure_skip_verify = cluster.is_true("insecure-skip-tls-verify");
  return config;
}

/// Ways to log in that would mean to run programs, or that API servers no longer know.
Result<void> refuse_unsupported(const Part& user) {
  const auto refuse = [&user](const char* key, const char* instead) {
    return Error(Errc::kUnsupported, user.where + "." + key + " is not supported; " + instead);
  };
  constexpr const char* kInstead = "use a token (kubectl create token …) or a client certificate";
  for (const auto* key : {"exec", "auth-provider", "username", "password"})
    if (user.has(key)) return refuse(key, kInstead);
  for (const auto* key : {"as", "as-uid", "as-groups", "as-user-extra"})
    if (user.has(key)) return refuse(key, "log in as that user");
  return {};
}

Result<void> read_user(const Part& user, const std::filesystem::path& folder, Config& config) {
  KILN_TRY(refuse_unsupported(user));
  auto certificate = read_material(user, "client-certificate", folder, &config.client_cert_file);
  if (!certificate) return std::move(certificate).error();
  auto key = read_material(user, "client-key", folder, &config.client_key_file);
  if (!key) return std::move(key).error();
  if (certificate->empty() != key->empty())
    return invalid(user.where + " needs both a client-certificate and a client-key, or neither");
  config.tls.client_cert_pem = std::move(*certificate);
  config.tls.client_key_pem = std::move(*key);
  config.token = user.text("token");
  if (const auto file = user.text("tokenFile"); !file.empty()) config.token_file = folder / file;
  return {};
}

/// A token on an open wire is as good as published.
Result<void> check_transport(const Config& config) {
  const bool has_token = !config.token.empty() || !config.token_file.empty();
  const auto& host = config.server.host();
  const bool is_local = host == "localhost" || host == "127.0.0.1" || host == "::1";
  if (has_token && !config.server.is_https() && !is_local)
    return invalid("a token is sent over https only, but the server's URL is " +
                   config.server.redacted());
  return {};
}

Result<Config> read_kubeconfig(const YAML::Node& root, std::string context,
                               const std::filesystem::path& folder) {
  if (!root.IsMap()) return invalid("a kubeconfig must be a mapping");
  const Part top{root, "the kubeconfig"};
  if (context.empty()) context = top.text("current-context");
  if (context.empty())
    return invalid(
        "there is no current-context; name a context, or set one "
        "(kubectl config use-context NAME)");
  const auto chosen = find_named(root, "contexts", "context", context);
  if (!chosen) return chosen.error();
  const auto cluster = find_named(root, "clusters", "cluster", chosen->text("cluster"));
  if (!cluster) return cluster.error().while_doing(chosen->where);
  auto config = read_cluster(*cluster, folder);
  if (!config) return config;
  if (const auto user_name = chosen->text("user"); !user_name.empty()) {
    const auto user = find_named(root, "users", "user", user_name);
    if (!user) return user.error().while_doing(chosen->where);
    KILN_TRY(read_user(*user, folder, *config));
  }
  if (auto name = chosen->text("namespace"); !name.empty()) config->namespace_ = std::move(name);
  KILN_TRY(check_transport(*config));
  return config;
}

}  // namespace

Result<Config> parse_kubeconfig(std::string_view yaml, std::string_view context,
                                const std::filesystem::path& folder) {
  if (yaml.size() > kFileLimitBytes) return invalid("the kubeconfig is larger than 1 MiB");
  KILN_TRY(check_yaml(yaml));
  try {
    return read_kubeconfig(YAML::Load(std::string(yaml)), std::string(context), folder);
  } catch (const YAML::ParserException& e) {
    // Only the place: what() may quote the text, and the text holds secrets.
    return invalid("not valid YAML (line " + std::to_string(e.mark.line + 1) + ")");
  } catch (const YAML::Exception&) {
    return invalid("the kubeconfig has not the form kubectl writes");
  }
}

}  // namespace kiln::kube
