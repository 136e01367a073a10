#include "controller/kube/resource_type.h"

namespace kiln::kube {

std::string ResourceType::api_version() const {
  if (group.empty()) return std::string(version);
  return std::string(group) + "/" + std::string(version);
}

std::string ResourceType::str() const {
  if (group.empty()) return std::string(plural);
  return std::string(plural) + "." + std::string(group);
}

}  // namespace kiln::kube
