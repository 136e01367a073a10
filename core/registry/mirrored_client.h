#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "core/base/clock.h"
#include "core/registry/client.h"
#include "core/registry/registries_config.h"

namespace kiln::registry {

/// Another client, with what the operator says about registries: settings for all calls, and
/// mirrors for pulls. A mirror is asked once; whatever comes of it but success leads to the next
/// one and at last to the registry itself, whose answer counts. One that could not be reached, or
/// gave wrong bytes, is left alone for some minutes. Digests are verified wherever bytes come from;
/// a mirror gets the credentials that the keychain has for the mirror, never the registry's.
///
/// Everything else is as `inner` promises; what an Access says goes before the operator's word.
/// Lifetime: `inner` and `clock` outlive it, and it outlives its tasks.
class MirroredClient final : public Client {
 public:
  MirroredClient(Client& inner, RegistriesConfig registries, const Clock& clock)
      : inner_(inner), registries_(std::move(registries)), clock_(clock) {}

  Task<Result<oci::Descriptor>> resolve(oci::Reference reference, Access access) override;
  Task<Result<oci::RawManifest>> fetch_manifest(oci::Reference reference, Access access) override;
  Task<Result<std::string>> fetch_blob(oci::Repository repository, oci::Descriptor blob,
                                       Access access) override;
  Task<Result<void>> fetch_blob_into(oci::Repository repository, oci::Descriptor blob,
                                     Access access, ByteSink& sink) override;
  Task<Result<PushResult>> ensure_blob(oci::Repository repository, layer::Blob blob,
                                       std::optional<oci::Repository> mount_from,
                                       Access access) override;
  Task<Result<PushResult>> send_blob(oci::Repository repository, layer::Blob blob,
                                     Access access) override;
  Task<Result<bool>> has_blob(oci::Repository repository, oci::Digest digest,
                              Access access) override;
  Task<Result<bool>> mount_blob(oci::Repository repository, oci::Descriptor blob,
                                oci::Repository from, Access access) override;
  Task<Result<void>> put_manifest(oci::Repository repository, std::string tag,
                                  oci::RawManifest manifest, Access access) override;
  Task<Result<void>> put_manifest_tags(oci::Repository repository, std::vector<std::string> tags,
                                       oci::RawManifest manifest, Access access) override;
  Task<Result<oci::Index>> referrers(oci::Repository repository, oci::Digest subject,
                                     std::string artifact_type, Access access) override;
  Task<Result<bool>> check_login(std::string registry, Access access) override;
  Task<Result<void>> remove(oci::Reference reference, Access access) override;

 private:
  /// One place to pull from.
  struct Source {
    oci::Repository repository;
    Access access;
    std::string mirror{};  ///< "" = the registry itself, which is the last one.

    Source(oci::Repository r, Access a) : repository(std::move(r)), access(std::move(a)) {}
  };
  template <class T>
  using Pull = std::function<Task<Result<T>>(const Source&)>;

  std::vector<Source> sources_of(const oci::Repository& repository, bool by_digest, Access access);
  Access settled(const oci::Repository& repository, Access access) const;
  void note_failure(const Source& source, const Error& error);
  template <class T>
  Task<Result<T>> pull(std::vector<Source> sources, Pull<T> from);

  Client& inner_;
  RegistriesConfig registries_;
  const Clock& clock_;
  std::map<std::string, std::chrono::steady_clock::time_point> left_alone_;  // Until when.
};

}  // namespace kiln::registry
