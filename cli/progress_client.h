#pragma once
#include "core/registry/client.h"

namespace kiln::cli {

/// A registry client that shows what it sends and fetches as bars, and what registries say besides.
/// Passes everything else on.
/// Lifetime: `next` outlives it.
class ProgressClient final : public registry::Client {
 public:
  explicit ProgressClient(registry::Client& next);

  Task<Result<void>> fetch_blob_into(oci::Repository repository, oci::Descriptor blob,
                                     registry::Access access, ByteSink& sink) override;
  Task<Result<registry::PushResult>> ensure_blob(oci::Repository repository, layer::Blob blob,
                                                 std::optional<oci::Repository> mount_from,
                                                 registry::Access access) override;

  Task<Result<oci::Descriptor>> resolve(oci::Reference reference,
                                        registry::Access access) override {
    return next_.resolve(std::move(reference), heard(std::move(access)));
  }
  Task<Result<oci::RawManifest>> fetch_manifest(oci::Reference reference,
                                                registry::Access access) override {
    return next_.fetch_manifest(std::move(reference), heard(std::move(access)));
  }
  Task<Result<std::string>> fetch_blob(oci::Repository repository, oci::Descriptor blob,
                                       registry::Access access) override {
    return next_.fetch_blob(std::move(repository), std::move(blob), heard(std::move(access)));
  }
  Task<Result<bool>> has_blob(oci::Repository repository, oci::Digest digest,
                              registry::Access access) override {
    return next_.has_blob(std::move(repository), std::move(digest), heard(std::move(access)));
  }
  Task<Result<bool>> mount_blob(oci::Repository repository, oci::Descriptor blob,
                                oci::Repository from, registry::Access access) override {
    return next_.mount_blob(std::move(repository), std::move(blob), std::move(from),
                            heard(std::move(access)));
  }
  Task<Result<void>> put_manifest(oci::Repository repository, std::string tag,
                                  oci::RawManifest manifest, registry::Access access) override {
    return next_.put_manifest(std::move(repository), std::move(tag), std::move(manifest),
                              heard(std::move(access)));
  }
  Task<Result<bool>> check_login(std::string registry, registry::Access access) override {
    return next_.check_login(std::move(registry), std::move(access));
  }
  Task<Result<void>> put_manifest_tags(oci::Repository repository, std::vector<std::string> tags,
                                       oci::RawManifest manifest,
                                       registry::Access access) override {
    return next_.put_manifest_tags(std::move(repository), std::move(tags), std::move(manifest),
                                   heard(std::move(access)));
  }
  Task<Result<oci::Index>> referrers(oci::Repository repository, oci::Digest subject,
                                     std::string artifact_type, registry::Access access) override {
    return next_.referrers(std::move(repository), std::move(subject), std::move(artifact_type),
                           heard(std::move(access)));
  }
  Task<Result<void>> remove(oci::Reference reference, registry::Access access) override {
    return next_.remove(std::move(reference), heard(std::move(access)));
  }

 private:
  registry::Access heard(registry::Access access) const;

  registry::Client& next_;
  std::shared_ptr<registry::Listener> listener_;  // Shared with the accesses.
};

}  // namespace kiln::cli
