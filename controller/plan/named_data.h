#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/task.h"
#include "core/http/message.h"

namespace kiln::plan {

/// What a ConfigMap or Secret holds: bytes by key.
struct NamedData {
  std::map<std::string, std::string> files;  ///< data and binaryData, decoded.
  std::string resource_version;              ///< "" where there is no API server.
  std::string type;                          ///< Of a Secret: "kubernetes.io/tls", …

  NamedData() = default;  // Not an aggregate: may travel through co_await.
};

/// Reads the object as the API server or a manifest has it. Errors: kInvalid, naming the field or
/// key, never a value.
[[nodiscard]] Result<NamedData> parse_config_map(std::string_view json);
/// stringData (manifests only) goes before data, as in the API server.
[[nodiscard]] Result<NamedData> parse_secret(std::string_view json);

/// Where the ConfigMaps and Secrets of one namespace come from: the API server, or the manifests
/// beside an ImageBuild. Errors of both: kNotFound, those of the API server.
/// Threads: the I/O executor. Lifetime: outlives its tasks.
class ContentProvider {
 public:
  virtual ~ContentProvider() = default;
  [[nodiscard]] virtual Task<Result<NamedData>> config_map(std::string name) = 0;
  [[nodiscard]] virtual Task<Result<NamedData>> secret(std::string name) = 0;
};

/// The TLS options in a Secret of certSecretRef: ca.crt, and tls.crt with tls.key.
/// Errors: kInvalid, naming the key that is missing or no PEM.
[[nodiscard]] Result<std::shared_ptr<const http::TlsOptions>> tls_of(const NamedData& secret);

}  // namespace kiln::plan
