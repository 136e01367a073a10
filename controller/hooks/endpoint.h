#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace kiln::hooks {

/// Who sends a webhook, and so how it is signed and what its body looks like.
enum class Kind {
  kGitHub,  ///< Also the package events of ghcr.io.
  kGitLab,
  kGitea,         ///< And Forgejo, which has names of its own for the same fields.
  kBitbucket,     ///< Cloud and Data Center.
  kGeneric,       ///< Scripts and everybody else; see docs/webhooks.md.
  kDistribution,  ///< The notifications of Docker's registry.
  kHarbor,
  kQuay,
};

/// "github"; the value of the metric's label and the last part of the path.
std::string_view name_of(Kind kind);

/// What a path stands for.
struct Endpoint {
  Kind kind;
  std::string proof;  ///< For senders that can be told nothing but a URL; "" = none in the path.
};

/// Reads "/hooks/KIND" and "/hooks/KIND/PROOF"; "forgejo" is "gitea". nullopt: it is neither.
std::optional<Endpoint> find_endpoint(std::string_view path);

}  // namespace kiln::hooks
