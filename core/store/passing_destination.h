#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/store/destination.h"

namespace kiln::store {

/// Passes all calls on: the base of those that do something else with one or two of them.
/// Threads, cancellation, errors: as the inner destination.
class PassingDestination : public Destination {
 public:
  /// Lifetime: `inner` outlives it.
  explicit PassingDestination(Destination& inner) : inner_(inner) {}

  std::string name() const override { return inner_.name(); }
  bool holds_indexes() const override { return inner_.holds_indexes(); }
  Task<bool> holds(std::string tag, oci::Digest manifest) override {
    return inner_.holds(std::move(tag), std::move(manifest));
  }
  Task<Result<bool>> link_blob(oci::Descriptor blob,
                               std::optional<oci::Repository> origin) override {
    return inner_.link_blob(std::move(blob), std::move(origin));
  }
  Task<Result<StoreResult>> put_blob(layer::Blob blob) override {
    return inner_.put_blob(std::move(blob));
  }
  Task<Result<void>> put_manifest(oci::RawManifest manifest, std::string tag) override {
    return inner_.put_manifest(std::move(manifest), std::move(tag));
  }
  Task<Result<void>> put_manifest_tags(oci::RawManifest manifest,
                                       std::vector<std::string> tags) override {
    return inner_.put_manifest_tags(std::move(manifest), std::move(tags));
  }

 protected:
  Destination& inner() { return inner_; }

 private:
  Destination& inner_;
};

}  // namespace kiln::store
