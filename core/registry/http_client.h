#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/http/client.h"
#include "core/http/retry.h"
#include "core/registry/blob_memory.h"
#include "core/registry/client.h"
#include "core/registry/gate.h"
#include "core/registry/protocol/upload_plan.h"
#include "core/registry/referrers.h"
#include "core/registry/transport.h"

namespace kiln::registry {

/// The real registries, over HTTP. Source: distribution-spec v1.1.
///
/// Keeps, for its life: tokens, what each registry asks for, which blobs were seen where (minutes).
/// A blob that several builds want in one repository at once is sent once. At most 4 blobs at a
/// time go to or come from one registry, or as many as the Access says that comes first.
///
/// Threads: the I/O executor, single-threaded or a strand. Lifetime: `http` and `clock` must
/// outlive it, and it must outlive its tasks.
class HttpRegistryClient final : public Client {
 public:
  HttpRegistryClient(http::Client& http, const Clock& clock, http::RetryPolicy policy = {});
  ~HttpRegistryClient() override;

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
  Task<Result<bool>> check_login(std::string registry, Access access) override;
  Task<Result<void>> put_manifest_tags(oci::Repository repository, std::vector<std::string> tags,
                                       oci::RawManifest manifest, Access access) override;
  Task<Result<oci::Index>> referrers(oci::Repository repository, oci::Digest subject,
                                     std::string artifact_type, Access access) override;
  Task<Result<void>> remove(oci::Reference reference, Access access) override;

 private:
  struct Flight;
  struct Landing;
  enum class AskFirst { kYes, kNo };
  Task<Result<PushResult>> push_blob(oci::Repository repository, layer::Blob blob,
                                     std::optional<oci::Repository> mount_from, Access access,
                                     AskFirst ask_first);
  Task<Result<PushResult>> push_blob_alone(oci::Repository repository, layer::Blob blob,
                                           std::optional<oci::Repository> mount_from, Access access,
                                           AskFirst ask_first);
  Task<Result<bool>> look_for_blob(oci::Repository repository, oci::Digest digest, Access access,
                                   protocol::Scopes scopes);
  Task<Result<oci::RawManifest>> get_manifest(oci::Reference reference, Access access);
  Task<Result<http::Headers>> store_manifest(oci::Repository repository, std::string identifier,
                                             oci::RawManifest manifest, Access access);
  Task<Result<void>> put_each_tag(oci::Repository repository, std::vector<std::string> tags,
                                  oci::RawManifest manifest, Access access);
  Error refused_manifest(const http::Response& answer, const oci::Repository& repository,
                         const oci::RawManifest& manifest, const Access& access);
  std::shared_ptr<Gate> gate_of(const std::string& registry, const Access& access);
  std::shared_ptr<protocol::UploadPlan> plan_of(const std::string& registry, const Access& access);

  const Clock& clock_;
  http::RetryPolicy policy_;
  Transport transport_;
  Referrers referrers_;
  BlobMemory memory_;
  std::map<std::string, std::shared_ptr<Flight>> flights_;  // Uploads under way.
  // By registry; shared with their users.
  std::map<std::string, std::shared_ptr<Gate>> gates_;
  std::map<std::string, std::shared_ptr<protocol::UploadPlan>> plans_;
  std::set<std::string> one_tag_at_a_time_;  // Registries that do not know OCI-Tag.
};

}  // namespace kiln::registry
