#pragma once
#include <string>
#include <string_view>

#include "controller/kube/client.h"
#include "core/base/error.h"
#include "core/http/message.h"
#include "core/http/url.h"

namespace kiln::kube {

/// Builds the requests of the Kubernetes API, without any I/O. Neither token nor TLS options are in
/// them; the client adds both.
///
/// Source: kubernetes.io/docs/reference/using-api/api-concepts.
/// Threads: immutable; any.
class RequestBuilder {
 public:
  /// `server` may have a path, e.g. that of a proxy in front of several clusters.
  explicit RequestBuilder(http::Url server) : server_(std::move(server)) {}

  http::Request get(const ResourceType& type, const ObjectKey& key, bool metadata_only) const;
  /// `resource_version`: what the server remembers will do, if it is not older; see Client.
  http::Request get_remembered(const ResourceType& type, const ObjectKey& key,
                               std::string_view resource_version) const;
  http::Request list(const ResourceType& type, const ListOptions& options) const;
  http::Request watch(const ResourceType& type, const WatchOptions& options) const;
  http::Request create(const ResourceType& type, std::string_view namespace_,
                       std::string json) const;
  /// `subresource`: "" or "status", of which only `metadata` is answered. Errors: kInvalid (`patch`
  /// is not a JSON object).
  [[nodiscard]] Result<http::Request> merge_patch(const ResourceType& type, const ObjectKey& key,
                                                  std::string_view patch,
                                                  const Precondition& precondition) const;
  /// `status`: JSON, which goes as it stands.
  [[nodiscard]] Result<http::Request> update_status(const ResourceType& type, const ObjectKey& key,
                                                    std::string_view status,
                                                    const Precondition& precondition) const;
  /// Errors: kInvalid (`json` is not a JSON object).
  [[nodiscard]] Result<http::Request> apply(const ResourceType& type, const ObjectKey& key,
                                            std::string_view json, std::string_view manager,
                                            const Precondition& precondition) const;
  http::Request update(const ResourceType& type, const ObjectKey& key, std::string json) const;
  http::Request remove(const ResourceType& type, const ObjectKey& key,
                       const Precondition& precondition) const;

 private:
  http::Url collection(const ResourceType& type, std::string_view namespace_) const;
  http::Url object(const ResourceType& type, const ObjectKey& key,
                   std::string_view subresource = "") const;
  http::Url server_;
};

}  // namespace kiln::kube
