#pragma once
#include <string>
#include <string_view>

namespace kiln::kube {

inline constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/// The JSON text of an object, a list or a watch's event without what `kubectl apply` keeps in
/// metadata.annotations, a copy of the object: nobody asks for it here, and it is often
/// half of what there is to parse. Annotations elsewhere stay, whatever their names. Text that is
/// no JSON, or not compact, comes back as it is.
std::string without_last_applied(std::string json);

}  // namespace kiln::kube
