#pragma once
#include <string>
#include <string_view>

namespace kiln::kube {

/// The JSON text without its members "managedFields", as the API server writes them: compact, and a
/// list. They are often half of an object, and an object is parsed in a third less time when they
/// are gone before. Text that is no JSON, or written otherwise, comes back as it
/// is or with less of it; whether it is right is for the parser to say.
std::string without_managed_fields(std::string_view json);

}  // namespace kiln::kube
