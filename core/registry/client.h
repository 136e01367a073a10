#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/auth/credential.h"
#include "core/base/io.h"
#include "core/base/task.h"
#include "core/http/message.h"
#include "core/layer/layer.h"
#include "core/oci/manifest.h"
#include "core/oci/reference.h"
#include "core/registry/listener.h"

namespace kiln::registry {

/// How one registry is reached on behalf of one user: credentials, CA, plain http. Immutable,
/// shared.
struct Access {
  std::shared_ptr<const auth::Keychain> keychain;  ///< Null = anonymous.
  std::shared_ptr<const http::TlsOptions> tls;     ///< Null = system CAs.
  bool insecure = false;  ///< Plain http or unverified TLS allowed, for this registry only.
  /// Uploads go in chunks of this size; 0 = whole, and in chunks where that is refused.
  std::uint64_t chunk_bytes = 0;
  std::size_t parallel = 0;              ///< Blobs at a time to and from this registry; 0 = 4.
  bool one_try = false;                  ///< No retries: somebody else can be asked instead.
  std::shared_ptr<Listener> listener{};  ///< Null = nobody. Shared by all who work for one user.
};

enum class PushResult { kUploaded, kMounted, kAlreadyPresent };

/// What a registry can do for us. Every call is bounded by deadlines.
///
/// Errors of all calls:
///   kUnauthorized  credentials missing or refused (401, also after a fresh token).
///   kDenied        403, or the registry's code DENIED.
///   kNotFound      no such repository, manifest or blob (404).
///   kUnavailable   connection lost, 408 or 5xx, after the retries of core/http/retry.h.
///   kRateLimited   429; `retry_after` if the registry sent it. Long waits are the caller's.
///   kCorrupt       bytes do not hash to their digest, or a manifest is not one.
///   kNoSpace       the registry's disk is full.
///   kInvalid       any other 4xx: the request itself is wrong.
/// Messages name the registry and repository, and carry the registry's own words, sanitised.
///
/// Cancellation: safe at any point; leaves at most an unfinished upload, never a bad blob.
/// Threads: the I/O executor.
class Client {
 public:
  virtual ~Client() = default;

  /// What a tag or digest points at now: HEAD, and GET where the registry cannot say by HEAD (Q23).
  /// Source: distribution-spec v1.1, "Checking if content exists in the registry".
  [[nodiscard]] virtual Task<Result<oci::Descriptor>> resolve(oci::Reference reference,
                                                              Access access) = 0;

  /// A manifest or index as stored; its digest is computed, and compared where `reference` has one.
  [[nodiscard]] virtual Task<Result<oci::RawManifest>> fetch_manifest(oci::Reference reference,
                                                                      Access access) = 0;

  /// A small blob (config) in memory, verified by size and digest. At most 8 MiB.
  [[nodiscard]] virtual Task<Result<std::string>> fetch_blob(oci::Repository repository,
                                                             oci::Descriptor blob,
                                                             Access access) = 0;

  /// A blob of any size into `sink`, verified; on an error what the sink has is worthless.
  /// Lifetime: `sink` must outlive the task. It is written on the I/O thread.
  [[nodiscard]] virtual Task<Result<void>> fetch_blob_into(oci::Repository repository,
                                                           oci::Descriptor blob, Access access,
                                                           ByteSink& sink) = 0;

  /// Makes sure `repository` holds `blob`, sending the bytes only if the registry lacks them.
  /// `mount_from`: another repository of the same registry that may have it.
  /// Source: distribution-spec v1.1, "Pushing blobs": HEAD, POST (mount), then one PUT.
  [[nodiscard]] virtual Task<Result<PushResult>> ensure_blob(
      oci::Repository repository, layer::Blob blob, std::optional<oci::Repository> mount_from,
      Access access) = 0;

  /// The same for a blob that the registry can hardly have, such as one that was just made: it is
  /// not asked first. Nothing is sent where it is known here that the registry has it.
  /// Source: distribution-spec v1.1, "Pushing blobs": POST, then one PUT.
  [[nodiscard]] virtual Task<Result<PushResult>> send_blob(oci::Repository repository,
                                                           layer::Blob blob, Access access) {
    return ensure_blob(std::move(repository), std::move(blob), std::nullopt, std::move(access));
  }

  /// True if the repository holds the blob.
  [[nodiscard]] virtual Task<Result<bool>> has_blob(oci::Repository repository, oci::Digest digest,
                                                    Access access) = 0;

  /// Asks the registry to mount `blob` from another of its repositories; false = it would not.
  [[nodiscard]] virtual Task<Result<bool>> mount_blob(oci::Repository repository,
                                                      oci::Descriptor blob, oci::Repository from,
                                                      Access access) = 0;

  /// Stores a manifest under a tag or, with "" as tag, under its digest alone.
  /// At most 4 MiB. Errors: also kCorrupt when the registry answers with another digest; kConflict
  /// when it lacks something the manifest refers to, though it was there a moment ago: call
  /// ensure_blob() for all of its blobs again (those are then sent, whatever the registry claims)
  /// and repeat.
  [[nodiscard]] virtual Task<Result<void>> put_manifest(oci::Repository repository, std::string tag,
                                                        oci::RawManifest manifest,
                                                        Access access) = 0;

  /// Has the registry check the credentials that `access` gives for it as a whole: GET /v2/. False
  /// = it asked for none, so they were not looked at. Errors: kUnauthorized and kDenied where they
  /// are not accepted; kUnsupported for a server without this API. Source: distribution-spec v1.1,
  /// "Determining Support".
  [[nodiscard]] virtual Task<Result<bool>> check_login(std::string registry, Access access) = 0;

  /// The same under several tags, in no order: in one request where the registry can do that, else
  /// at the same time. After an error some may have been moved. Precondition: one or more, none "".
  /// Source: distribution-spec, "Pushing Manifests" (the tag parameter and OCI-Tag).
  [[nodiscard]] virtual Task<Result<void>> put_manifest_tags(oci::Repository repository,
                                                             std::vector<std::string> tags,
                                                             oci::RawManifest manifest,
                                                             Access access) = 0;

  /// What refers to a manifest: descriptors of signatures, SBOMs and the like, of one artifact type
  /// or, with "", of any. Empty when there is nothing. Where the registry has no referrers API,
  /// the index under the tag sha256-<hex> is read, which put_manifest() then keeps for manifests
  /// with a subject. Source: distribution-spec v1.1, "Listing Referrers", "Referrers Tag Schema".
  [[nodiscard]] virtual Task<Result<oci::Index>> referrers(oci::Repository repository,
                                                           oci::Digest subject,
                                                           std::string artifact_type,
                                                           Access access) = 0;

  /// Deletes a manifest by digest, or a tag. Absent is success.
  [[nodiscard]] virtual Task<Result<void>> remove(oci::Reference reference, Access access) = 0;
};

}  // namespace kiln::registry
