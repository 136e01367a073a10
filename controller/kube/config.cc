#include "controller/kube/config.h"

#include <cstdlib>
#include <utility>

#include "core/base/file.h"
#include "core/base/log.h"

namespace kiln::kube {
namespace {

constexpr std::uint64_t kFileLimitBytes = 1024 * 1024;
constexpr std::chrono::seconds kFresh{60};

std::string trimmed(std::string text) {
  constexpr const char* kBlanks = " \t\r\n";
  const auto last = text.find_last_not_of(kBlanks);
  if (last == std::string::npos) return {};
  text.erase(last + 1);
  return text.erase(0, text.find_first_not_of(kBlanks));
}

bool looks_like_pem(const std::string& text) {
  return text.find("-----BEGIN ") != std::string::npos &&
         text.find("-----END ") != std::string::npos;
}

/// The file's text; an Error where the file is empty.
Result<std::string> read_token(const std::filesystem::path& file) {
  auto text = read_file(file, kFileLimitBytes);
  if (!text) return std::move(text).error().while_doing("reading the API server's token");
  auto token = trimmed(std::move(*text));
  if (token.empty())
    return Error(Errc::kUnauthorized, "the token file " + file.string() + " is empty");
  return token;
}

}  // namespace

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

Result<Config> in_cluster_config(const Environment& environment,
                                 const std::filesystem::path& folder) {
  const auto host = environment("KUBERNETES_SERVICE_HOST");
  const auto port = environment("KUBERNETES_SERVICE_PORT");
  if (!host || !port)
    return Error(Errc::kNotFound,
                 "not running in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
                 "are not set; give a kubeconfig");
  const bool is_ipv6 = host->find(':') != std::string::npos && !host->starts_with('[');
  const auto url =
      http::Url::parse("https://" + (is_ipv6 ? "[" + *host + "]" : *host) + ":" + *port);
  if (!url) return url.error().while_doing("reading KUBERNETES_SERVICE_HOST and _PORT");

  Config config(*url);
  config.token_file = folder / "token";
  config.ca_file = folder / "ca.crt";
  KILN_TRY(read_token(config.token_file));
  auto ca = read_file(config.ca_file, kFileLimitBytes);
  if (!ca) return std::move(ca).error().while_doing("reading the API server's CA certificates");
  config.tls.ca_pem = std::move(*ca);
  config.tls.only_ca_pem = true;
  if (auto name = read_file(folder / "namespace", kFileLimitBytes)) {
    *name = trimmed(std::move(*name));
    if (!name->empty()) config.namespace_ = std::move(*name);
  }
  return config;
}

Result<Config> load_kubeconfig(const std::filesystem::path& file, std::string_view context) {
  const auto doing = "reading the kubeconfig " + file.string();
  const auto text = read_file(file, kFileLimitBytes);
  if (!text) return text.error().while_doing(doing);
  auto config = parse_kubeconfig(*text, context, file.parent_path());
  if (!config) return std::move(config).error().while_doing(doing);
  return config;
}

Result<Config> find_config(const Environment& environment, const std::filesystem::path& kubeconfig,
                           std::string_view context) {
  if (!kubeconfig.empty()) return load_kubeconfig(kubeconfig, context);
  if (const auto files = environment("KUBECONFIG"))
    return load_kubeconfig(files->substr(0, files->find(':')), context);
  auto in_cluster = in_cluster_config(environment);
  const bool outside = in_cluster.has_error() && in_cluster.error().code == Errc::kNotFound;
  if (!outside && context.empty()) return in_cluster;
  const auto home = environment("HOME");
  if (!home) return in_cluster;
  const auto file = std::filesystem::path(*home) / ".kube" / "config";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return in_cluster;
  return load_kubeconfig(file, context);
}

Credentials::Credentials(Config config, const Clock& clock)
    : config_(std::move(config)),
      clock_(clock),
      tls_read_(clock.steady_now()),  // The Config came with what the files held.
      tls_(std::make_shared<const http::TlsOptions>(config_.tls)) {}

Result<std::string> Credentials::token() {
  if (config_.token_file.empty()) return config_.token;
  const auto now = clock_.steady_now();
  if (token_read_ && now - *token_read_ < kFresh) return token_;
  auto fresh = read_token(config_.token_file);
  if (fresh) {
    token_ = std::move(*fresh);
    token_read_ = now;
    return token_;
  }
  if (token_.empty()) return std::move(fresh).error();
  // The kubelet swaps the file by a symlink; a bad moment passes. The last good one stays.
  log::warning("token cannot be read again; the last good one is used",
               {{"error", fresh.error().message}});
  token_read_ = now;
  return token_;
}

std::shared_ptr<const http::TlsOptions> Credentials::tls() {
  const bool fresh = tls_read_ && clock_.steady_now() - *tls_read_ < kFresh;
  if (!fresh) refresh_tls();
  return tls_;
}

void Credentials::refresh_tls() {
  tls_read_ = clock_.steady_now();
  auto changed = std::make_shared<http::TlsOptions>(*tls_);
  const std::pair<const std::filesystem::path*, std::string*> files[] = {
      {&config_.ca_file, &changed->ca_pem},
      {&config_.client_cert_file, &changed->client_cert_pem},
      {&config_.client_key_file, &changed->client_key_pem}};
  bool any = false;
  for (const auto& [file, pem] : files) {
    if (file->empty()) continue;
    auto text = read_file(*file, kFileLimitBytes);
    if (!text || !looks_like_pem(*text)) {
      log::warning("certificates cannot be read again; the last good ones are used",
                   {{"file", file->string()}});
      return;
    }
    any = any || *text != *pem;
    *pem = std::move(*text);
  }
  if (!any) return;
  tls_ = std::move(changed);
  log::info("certificates for the API server have changed",
            {{"server", config_.server.host_port()}});
}

void Credentials::reset() {
  token_read_.reset();
  tls_read_.reset();
}

}  // namespace kiln::kube
