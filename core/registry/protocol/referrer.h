#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "core/oci/manifest.h"
#include "core/oci/reference.h"

namespace kiln::registry::protocol {

/// A manifest that refers to another one, as a list of referrers shows it.
struct Referrer {
  oci::Digest subject;
  oci::Descriptor entry;  ///< With artifact type (else the config's media type) and annotations.
};

/// Nullopt for what has no subject, which is almost everything.
std::optional<Referrer> referrer_of(const oci::RawManifest& manifest);

/// "sha256-<hex>": where clients keep the list for a registry without the API.
std::string referrers_tag(const oci::Digest& subject);

/// Path and query of the API; `artifact_type` "" = any.
std::string referrers_path(const oci::Repository& repository, const oci::Digest& subject,
                           std::string_view artifact_type);

/// The list with one more entry, all else as it was; nullopt when it holds that entry already. An
/// empty `index_json` is an empty list. Errors: kCorrupt for what is not an index.
/// Source: distribution-spec v1.1, "Pushing Manifests with Subject".
[[nodiscard]] Result<std::optional<oci::RawManifest>> with_entry(std::string_view index_json,
                                                                 const oci::Descriptor& entry);

}  // namespace kiln::registry::protocol
