#pragma once
#include <string>
#include <string_view>

namespace kiln::kube {

/// A kind of object the API server has, e.g. `configmaps` of `v1`. Made from string literals only:
/// it keeps views. A small value.
struct ResourceType {
  std::string_view group;  ///< "" for the core group.
  std::string_view version;
  std::string_view plural;  ///< As in the URL: "configmaps".
  std::string_view kind;    ///< "ConfigMap".
  bool namespaced = true;

  constexpr ResourceType(std::string_view g, std::string_view v, std::string_view p,
                         std::string_view k, bool in_namespace)
      : group(g), version(v), plural(p), kind(k), namespaced(in_namespace) {}

  std::string api_version() const;  ///< "v1", "events.k8s.io/v1".
  std::string str() const;          ///< For logs: "configmaps", "leases.coordination.k8s.io".
  friend constexpr bool operator==(const ResourceType&, const ResourceType&) = default;
};

inline constexpr ResourceType kConfigMaps("", "v1", "configmaps", "ConfigMap", true);
inline constexpr ResourceType kSecrets("", "v1", "secrets", "Secret", true);
inline constexpr ResourceType kServiceAccounts("", "v1", "serviceaccounts", "ServiceAccount", true);
inline constexpr ResourceType kNamespaces("", "v1", "namespaces", "Namespace", false);
inline constexpr ResourceType kEvents("events.k8s.io", "v1", "events", "Event", true);
inline constexpr ResourceType kLeases("coordination.k8s.io", "v1", "leases", "Lease", true);

}  // namespace kiln::kube
