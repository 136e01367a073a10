#include "controller/hooks/endpoint.h"

#include <utility>

namespace kiln::hooks {
namespace {

constexpr std::pair<std::string_view, Kind> kNames[] = {
    {"github", Kind::kGitHub},   {"gitlab", Kind::kGitLab},
    {"gitea", Kind::kGitea},     {"bitbucket", Kind::kBitbucket},
    {"generic", Kind::kGeneric}, {"distribution", Kind::kDistribution},
    {"harbor", Kind::kHarbor},   {"quay", Kind::kQuay},
    {"forgejo", Kind::kGitea},
};

}  // namespace

std::string_view name_of(Kind kind) {
  for (const auto& [name, known] : kNames)
    if (known == kind) return name;
  return "other";
}

std::optional<Endpoint> find_endpoint(std::string_view path) {
  constexpr std::string_view kPrefix = "/hooks/";
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  if (path.ends_with('/')) path.remove_suffix(1);
  const auto slash = path.find('/');
  const auto proof = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  for (const auto& [name, kind] : kNames)
    if (path.substr(0, slash) == name) return Endpoint{kind, std::string(proof)};
  return std::nullopt;
}

}  // namespace kiln::hooks
