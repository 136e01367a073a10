#pragma once
#include <map>
#include <utility>

#include "core/layer/layer.h"
#include "core/oci/digest.h"
#include "core/store/destination.h"

namespace kiln::store {

/// Blobs on their way into an archive. An archive is written at once, with its manifest; until then
/// no blob is read or copied, as a layer::Blob can be opened when its time has come. A value.
class HeldBlobs {
 public:
  StoreResult put(layer::Blob blob) {
    const auto digest = blob.descriptor().digest;
    const bool added = blobs_.emplace(digest, std::move(blob)).second;
    return added ? StoreResult::kStored : StoreResult::kAlreadyPresent;
  }
  bool has(const oci::Digest& digest) const { return blobs_.contains(digest); }
  /// Null where there is none.
  const layer::Blob* find(const oci::Digest& digest) const {
    const auto found = blobs_.find(digest);
    return found == blobs_.end() ? nullptr : &found->second;
  }
  const std::map<oci::Digest, layer::Blob>& all() const { return blobs_; }

 private:
  std::map<oci::Digest, layer::Blob> blobs_;
};

}  // namespace kiln::store
