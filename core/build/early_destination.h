#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/layer/layer.h"
#include "core/store/passing_destination.h"

namespace kiln::build {

/// A destination that takes layers before the image is known that they are for. Put into it again
/// with that image, they are answered for without asking the place once more, until the place says
/// that it lacks something (kConflict).
/// Threads: the I/O executor. Cancellation: as the inner destination.
class EarlyDestination final : public store::PassingDestination {
 public:
  using PassingDestination::PassingDestination;

  /// Errors: those of putting it, with its name.
  [[nodiscard]] Task<Result<void>> send(layer::Layer layer);

  Task<Result<store::StoreResult>> put_blob(layer::Blob blob) override;
  Task<Result<void>> put_manifest(oci::RawManifest manifest, std::string tag) override;
  Task<Result<void>> put_manifest_tags(oci::RawManifest manifest,
                                       std::vector<std::string> tags) override;

 private:
  Result<void> heard(Result<void> answer);

  std::map<oci::Digest, store::StoreResult> sent_;  ///< What became of those that came early.
};

}  // namespace kiln::build
