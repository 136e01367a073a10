#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/http/retry.h"
#include "core/registry/client.h"
#include "core/registry/protocol/upload_plan.h"
#include "core/registry/protocol/upload_session.h"
#include "core/registry/transport.h"

namespace kiln::registry {

/// Sends one blob: POST, then one PUT, or chunks and a PUT, as the plan says; after a cut it asks
/// what has arrived and sends the rest, or starts anew. As long as it gets on, it goes on. Drives
/// protocol::UploadSession over a Transport. For one use.
///
/// Errors: as Client::ensure_blob; after an error the session is given back (DELETE, best effort).
/// Lifetime: `transport` and `clock` must outlive it.
class BlobUpload {
 public:
  /// `plan` is shared by the uploads to one registry: what one learns serves all.
  BlobUpload(Transport& transport, const Clock& clock, http::RetryPolicy policy,
             std::shared_ptr<protocol::UploadPlan> plan, oci::Repository repository,
             layer::Blob blob, Access access);

  /// `mount_from` is tried once; whatever comes of it but a mount leads to an upload.
  [[nodiscard]] Task<Result<PushResult>> run(std::optional<oci::Repository> mount_from);

  /// POST with mount: true if the registry now has the blob; an upload it began instead is kept for
  /// run() or give_up(). Errors: as Transport.
  [[nodiscard]] Task<Result<bool>> mount(oci::Repository from);
  /// Gives an open session back. Never fails: registries clean up by themselves, later.
  [[nodiscard]] Task<void> give_up();

 private:
  /// What a failed step means for the next one.
  enum class Turn { kRetry, kOtherWay };
  Task<Result<void>> begin();
  Task<Result<void>> send();
  Task<Result<void>> patch(std::uint64_t size_bytes);
  Task<Result<void>> put();
  Error refused(const http::Response& answer, std::uint64_t body_bytes, bool whole);
  Task<void> find_out_where_it_stands();
  Task<bool> has_arrived();
  Result<void> check_digest(const Answer& answer) const;
  Call call(http::Request prepared) const;
  http::Body part(std::uint64_t size_bytes) const;
  std::string subject() const;

  Transport& transport_;
  const Clock& clock_;
  http::RetryPolicy policy_;
  std::shared_ptr<protocol::UploadPlan> plan_;
  oci::Repository repository_;
  layer::Blob blob_;
  Access access_;
  std::optional<protocol::UploadSession> session_{};
  std::uint64_t held_bytes_ = 0;  // Of the blob, by the registry, in session_.
  Turn turn_ = Turn::kRetry;
  std::uint64_t misplaced_bytes_ = 0;  // Of a chunk that was answered with 416; 0 = none.
};

}  // namespace kiln::registry
