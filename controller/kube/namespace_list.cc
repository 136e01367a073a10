#include "controller/kube/namespace_list.h"

#include <algorithm>
#include <string_view>

namespace kiln::kube {
namespace {

bool is_label(std::string_view name) {
  constexpr std::size_t kLongest = 63;
  const auto in_the_middle = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return name.size() <= kLongest && name.front() != '-' && name.back() != '-' &&
         std::all_of(name.begin(), name.end(), in_the_middle);
}

}  // namespace

Result<std::vector<std::string>> check_namespaces(const std::vector<std::string>& names) {
  std::vector<std::string> checked;
  for (const auto& name : names) {
    if (name.empty() || std::find(checked.begin(), checked.end(), name) != checked.end()) continue;
    if (!is_label(name))
      return Error(Errc::kInvalid, "\"" + name +
                                       "\" is no namespace: write names of lower-case letters, "
                                       "digits and -, separated by commas");
    checked.push_back(name);
  }
  return checked;
}

}  // namespace kiln::kube
