#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/registry/client.h"
#include "core/registry/gate.h"
#include "core/registry/protocol/referrer.h"
#include "core/registry/transport.h"

namespace kiln::registry {

/// Lists of what refers to a manifest: by the registry's API, else by a tag that clients keep.
/// Lifetime: `transport` and `clock` must outlive it and its tasks.
class Referrers {
 public:
  Referrers(Transport& transport, const Clock& clock) : transport_(transport), clock_(clock) {}

  /// As Client::referrers.
  [[nodiscard]] Task<Result<oci::Index>> list(oci::Repository repository, oci::Digest subject,
                                              std::string artifact_type, Access access);
  /// Puts a manifest that was just stored into the list that a tag keeps. Two of this process do
  /// not write one list at a time; the specification leaves writers elsewhere to luck.
  /// Errors: as Transport; kCorrupt where the tag holds something else than a list.
  [[nodiscard]] Task<Result<void>> add(oci::Repository repository, protocol::Referrer referrer,
                                       Access access);

 private:
  Task<Result<std::optional<http::Response>>> tagged(oci::Repository repository,
                                                     oci::Digest subject, Access access,
                                                     protocol::Scopes scopes);
  Task<Result<oci::Index>> list_by_tag(oci::Repository repository, oci::Digest subject,
                                       Access access);

  Transport& transport_;
  const Clock& clock_;
  std::map<std::string, std::weak_ptr<Gate>> writers_;  // By repository and tag.
};

}  // namespace kiln::registry
