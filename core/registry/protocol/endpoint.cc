#include "core/registry/protocol/endpoint.h"

#include "core/oci/manifest.h"

namespace kiln::registry::protocol {

Result<std::vector<Endpoint>> endpoints_of(const std::string& registry,
                                           std::shared_ptr<const http::TlsOptions> tls,
                                           bool insecure) {
  const std::string host = registry == "index.docker.io" ? "registry-1.docker.io" : registry;
  const auto https = http::Url::parse("https://" + host + "/");
  const auto http = http::Url::parse("http://" + host + "/");
  if (!https || !http || https->path() != "/" || !https->query().empty())
    return Error(Errc::kInvalid, "\"" + registry + "\" is not a registry's host[:port]");

  std::vector<Endpoint> endpoints;
  if (insecure) {
    auto unverified = tls ? *tls : http::TlsOptions();
    unverified.insecure_skip_verify = true;
    endpoints.emplace_back(*https, std::make_shared<const http::TlsOptions>(unverified));
    endpoints.emplace_back(*http, nullptr);
  } else if (oci::is_loopback_registry(registry) && !tls) {
    endpoints.emplace_back(*http, nullptr);
  } else {
    endpoints.emplace_back(*https, std::move(tls));
  }
  return endpoints;
}

std::shared_ptr<const http::TlsOptions> tls_for_another_host(
    const std::shared_ptr<const http::TlsOptions>& tls) {
  if (!tls) return nullptr;
  http::TlsOptions other;
  other.ca_pem = tls->ca_pem;
  other.only_ca_pem = tls->only_ca_pem;
  return std::make_shared<const http::TlsOptions>(std::move(other));
}

std::string manifest_path(const oci::Repository& repository, std::string_view identifier) {
  return "/v2/" + repository.path + "/manifests/" + std::string(identifier);
}

std::string blob_path(const oci::Repository& repository, const oci::Digest& digest) {
  return "/v2/" + repository.path + "/blobs/" + digest.str();
}

std::string uploads_path(const oci::Repository& repository) {
  return "/v2/" + repository.path + "/blobs/uploads/";
}

std::string manifest_accept() {
  using namespace oci::media_type;
  std::string accept;
  for (const auto type : {kOciIndex, kOciManifest, kDockerIndex, kDockerManifest})
    accept += (accept.empty() ? "" : ", ") + std::string(type);
  return accept;
}

}  // namespace kiln::registry::protocol
