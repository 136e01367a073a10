#include "controller/kube/managed_fields.h"

#include "core/base/json_scan.h"

namespace kiln::kube {
namespace {

constexpr std::string_view kMember = R"("managedFields":[)";

}  // namespace

std::string without_managed_fields(std::string_view json) {
  std::string rest;
  std::size_t from = 0;
  for (auto at = json.find(kMember); at != std::string_view::npos; at = json.find(kMember, at)) {
    // After one of these a quote begins a name: in a string it would be escaped, and at the end of
    // one no name can follow it.
    const char before = at > 0 ? json[at - 1] : '\0';
    const auto end = end_of_json_value(json, at + kMember.size() - 1);
    if (end == std::string_view::npos) break;
    if (before != '{' && before != ',') {
      at += kMember.size();
      continue;
    }
    // The first of its object, or what was before it is gone together with the comma.
    const bool first = before == '{' || at == from;
    const bool comma_follows = end < json.size() && json[end] == ',';
    if (rest.empty()) rest.reserve(json.size());
    rest.append(json, from, at - from - (first ? 0 : 1));
    from = at = first && comma_follows ? end + 1 : end;
  }
  return rest.append(json, from);
}

}  // namespace kiln::kube
