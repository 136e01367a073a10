#include "controller/kube/managed_fields.h"

namespace kiln::kube {
namespace {

constexpr std::string_view kMember = R"("managedFields":[)";

/// Where the list ends whose first character stands at `at`; npos when it does not.
std::size_t end_of_list(std::string_view json, std::size_t at) {
  std::size_t depth = 0;
  bool in_string = false;
  for (; at < json.size(); ++at) {
    const char c = json[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[') ++depth;
    if (c == ']' && --depth == 0) return at + 1;
  }
  return std::string_view::npos;
}

}  // namespace

std::string without_managed_fields(std::string_view json) {
  std::string rest;
  std::size_t from = 0;
  for (auto at = json.find(kMember); at != std::string_view::npos; at = json.find(kMember, at)) {
    // After one of these a quote begins a name: in a string it would be escaped, and at the end of
    // one no name can follow it.
    const char before = at > 0 ? json[at - 1] : '\0';
    const auto end = end_of_list(json, at + kMember.size() - 1);
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
