#pragma once
#include <string>
#include <vector>

#include "core/base/error.h"

namespace kiln::kube {

/// The names of a list of namespaces, each once, in order; empty entries are dropped.
/// Source: RFC 1123 labels, as Kubernetes' object names "Namespace" has them.
/// Errors: kInvalid, quoting the name that is none.
[[nodiscard]] Result<std::vector<std::string>> check_namespaces(
    const std::vector<std::string>& names);

}  // namespace kiln::kube
