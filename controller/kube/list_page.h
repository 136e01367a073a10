#pragma once
#include <string_view>

#include "controller/kube/client.h"
#include "controller/kube/resource_type.h"
#include "core/base/error.h"

namespace kiln::kube {

/// Reads the answer to a list: a page of objects of `type`. Items that cannot be read, or are of
/// another kind, are counted and left out.
/// Errors: kCorrupt (not a list at all).
[[nodiscard]] Result<ObjectList> parse_list(std::string_view body, const ResourceType& type);

}  // namespace kiln::kube
