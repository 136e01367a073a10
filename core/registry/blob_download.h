#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/base/sha256.h"
#include "core/http/retry.h"
#include "core/registry/client.h"
#include "core/registry/transport.h"

namespace kiln::registry {

/// Fetches one blob, verified by size and digest. After a cut it goes on from where it was (Range),
/// and as long as it gets on it does not give up. For one use.
/// Errors: as Client::fetch_blob_into; whatever the sink answers ends it.
/// Lifetime: `transport` and `clock` must outlive it.
class BlobDownload {
 public:
  BlobDownload(Transport& transport, const Clock& clock, http::RetryPolicy policy,
               oci::Repository repository, oci::Descriptor blob, Access access);

  /// Lifetime: `sink` must outlive the task.
  [[nodiscard]] Task<Result<void>> into(ByteSink& sink);

 private:
  struct Part {
    std::unique_ptr<http::ResponseStream> stream;
    std::uint64_t known_bytes = 0;  ///< At its front: already in the sink.
    Part() = default;               // Not an aggregate: may travel through co_await.
  };
  Task<Result<Part>> open();
  Task<Result<void>> go_on(ByteSink& sink);
  Result<void> take(std::string_view bytes, ByteSink& sink);
  std::string subject() const;

  Transport& transport_;
  const Clock& clock_;
  http::RetryPolicy policy_;
  oci::Repository repository_;
  oci::Descriptor blob_;
  Access access_;
  Sha256 hash_;
  std::uint64_t got_bytes_ = 0;
  bool ranges_ = true;
  bool over_ = false;  // Nothing can be gained by another try.
};

}  // namespace kiln::registry
