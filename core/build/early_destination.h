#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/layer/layer.h"
#include "core/store/destination.h"

namespace kiln::build {

/// A destination that takes layers before the image is known that they are for. Put into it again
/// with that image, they are answered for without asking the place once more, until the place says
/// that it lacks something (kConflict).
/// Threads: the I/O executor. Cancellation: as the inner destination.
class EarlyDestination final : public store::Destination {
 public:
  /// Lifetime: `inner` outlives it.
  explicit EarlyDestination(store::Destination& inner) : inner_(inner) {}

  /// Errors: those of putting it, with its name.
  [[nodiscard]] Task<Result<void>> send(layer::Layer layer);

  std::string name() const override { return inner_.name(); }
  bool holds_indexes() const override { return inner_.holds_indexes(); }
  Task<bool> holds(std::string tag, oci::Digest manifest) override {
    return inner_.holds(std::move(tag), std::move(manifest));
  }
  Task<Result<bool>> link_blob(oci::Descriptor blob,
                               std::optional<oci::Repository> origin) override {
    return inner_.link_blob(std::move(blob), std::move(origin));
  }
  Task<Result<store::StoreResult>> put_blob(layer::Blob blob) override;
  Task<Result<void>> put_manifest(oci::RawManifest manifest, std::string tag) override;
  Task<Result<void>> put_manifest_tags(oci::RawManifest manifest,
                                       std::vector<std::string> tags) override;

 private:
  Result<void> heard(Result<void> answer);

  store::Destination& inner_;
  std::map<oci::Digest, store::StoreResult> sent_;  ///< What became of those that came early.
};

}  // namespace kiln::build
