#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/http/message.h"
#include "core/http/proxy.h"
#include "core/http/url.h"

namespace kiln::kube {

/// How to reach an API server and as whom. Never printed: it holds secrets.
struct Config {
  http::Url server;
  std::string namespace_ = "default";  ///< Where to look when nothing else says so.
  /// Each PEM whose file is named below is read anew from it every minute.
  http::TlsOptions tls{};
  std::filesystem::path ca_file{};
  std::filesystem::path client_cert_file{};
  std::filesystem::path client_key_file{};
  std::string token{};                 ///< "" and no `token_file`: no bearer token.
  std::filesystem::path token_file{};  ///< Goes before `token`; read anew every minute.
  http::ProxyRules proxies{};          ///< For the client that is made for this server.

  explicit Config(http::Url s) : server(std::move(s)) {}
};

/// Answers an environment variable, or nullopt when it is not set (or empty).
using Environment = std::function<std::optional<std::string>(const std::string&)>;
std::optional<std::string> process_environment(const std::string& name);

/// The service account of the pod we run in.
/// Source: KUBERNETES_SERVICE_HOST/PORT and /var/run/secrets/kubernetes.io/serviceaccount.
/// Errors: kNotFound ("not running in a cluster …"), kInvalid, what reading the files says.
[[nodiscard]] Result<Config> in_cluster_config(
    const Environment& environment,
    const std::filesystem::path& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

/// Reads a kubeconfig. `context` "" = its current-context. Relative paths in it are relative to
/// `folder`. Errors: kInvalid, naming the part that is wrong; kUnsupported for exec and
/// auth-provider users, with what to use instead; what reading the named files says.
[[nodiscard]] Result<Config> parse_kubeconfig(std::string_view yaml, std::string_view context,
                                              const std::filesystem::path& folder);
/// At most 1 MiB.
[[nodiscard]] Result<Config> load_kubeconfig(const std::filesystem::path& file,
                                             std::string_view context);

/// What a program does at its start: `kubeconfig` if given, else $KUBECONFIG (its first file), else
/// the cluster we run in, else ~/.kube/config.
[[nodiscard]] Result<Config> find_config(const Environment& environment,
                                         const std::filesystem::path& kubeconfig,
                                         std::string_view context);

/// The token, the CAs and the client certificate of a Config, kept fresh: service account tokens
/// live for an hour, and certificates get rotated. Threads: one.
class Credentials {
 public:
  /// Lifetime: `clock` outlives this.
  Credentials(Config config, const Clock& clock);

  /// For the next request; "" = none. The file is read at most once a minute; while it cannot be
  /// read, or is empty, the last good token stays.
  /// Errors: what reading the file says, only while there has never been a token.
  [[nodiscard]] Result<std::string> token();
  /// Shared with the connections made with it; a new pointer once one of the files has changed.
  /// While one of them cannot be read, or holds no PEM, all stay as they are.
  std::shared_ptr<const http::TlsOptions> tls();
  /// The server refused us (401): read the files again at the next call.
  void reset();
  /// There was no connection; perhaps the server has a new certificate: read its CAs again at the
  /// next call.
  void doubt_server() { tls_read_.reset(); }

  const http::Url& server() const { return config_.server; }

 private:
  void refresh_tls();

  Config config_;
  const Clock& clock_;
  std::string token_;
  std::optional<std::chrono::steady_clock::time_point> token_read_;
  std::optional<std::chrono::steady_clock::time_point> tls_read_;
  std::shared_ptr<const http::TlsOptions> tls_;
};

}  // namespace kiln::kube
