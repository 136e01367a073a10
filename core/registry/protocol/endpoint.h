#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"
#include "core/oci/reference.h"

namespace kiln::registry::protocol {

/// One way to speak to a registry.
struct Endpoint {
  http::Url base;  ///< "https://registry-1.docker.io/"
  std::shared_ptr<const http::TlsOptions> tls{};

  Endpoint(http::Url b, std::shared_ptr<const http::TlsOptions> t)
      : base(std::move(b)), tls(std::move(t)) {}
};

/// How a registry may be reached, best first. Docker Hub's API has a host of its own. Plain http
/// for a loopback registry for which no TLS options are given; with `insecure`, https without
/// verification and then plain http. Errors: kInvalid for a name that is not host[:port].
[[nodiscard]] Result<std::vector<Endpoint>> endpoints_of(
    const std::string& registry, std::shared_ptr<const http::TlsOptions> tls, bool insecure);

/// What is right for another server that a registry names: the same authorities, but neither a
/// client certificate nor permission to skip verification.
std::shared_ptr<const http::TlsOptions> tls_for_another_host(
    const std::shared_ptr<const http::TlsOptions>& tls);

/// Paths of the API. Source: distribution-spec v1.1, "Endpoints".
std::string manifest_path(const oci::Repository& repository, std::string_view identifier);
std::string blob_path(const oci::Repository& repository, const oci::Digest& digest);
std::string uploads_path(const oci::Repository& repository);

/// All four types of manifests and indexes: without them some registries answer with schema 1.
std::string manifest_accept();

}  // namespace kiln::registry::protocol
