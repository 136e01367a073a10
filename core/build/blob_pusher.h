#pragma once
#include <cstdint>
#include <string>

#include "core/base/task.h"
#include "core/build/pusher.h"

namespace kiln::build {

/// Takes blobs to one destination, tells a listener and counts. Threads: the I/O executor.
/// Lifetime: what it refers to outlives it, and it outlives its tasks.
class BlobPusher {
 public:
  /// `origins`: how to read blobs that only another registry has.
  BlobPusher(store::Destination& destination, registry::Client& registry, AccessTo origins,
             PushListener listener);

  /// A blob that is here. `what`: for messages, "layer 1234…". Answers 0.
  [[nodiscard]] Task<Result<int>> put(layer::Blob blob, std::string what);
  /// A blob that is here or in a registry: linked where the destination can, else downloaded and
  /// sent. Answers 0.
  [[nodiscard]] Task<Result<int>> copy(image::LayerSource source, std::string what);
  /// A manifest by its digest alone. Answers 0.
  [[nodiscard]] Task<Result<int>> put_manifest(oci::RawManifest manifest);

  const PushReport& report() const { return report_; }

 private:
  void tell(PushEvent::Kind kind, std::string what, std::uint64_t bytes);

  store::Destination& destination_;
  registry::Client& registry_;
  AccessTo origins_;
  PushListener listener_;
  PushReport report_;
};

}  // namespace kiln::build
