#pragma once
#include <map>
#include <memory>
#include <mutex>

#include "core/base/work_pool.h"
#include "core/build/layer_draft.h"
#include "core/build/layer_records.h"
#include "core/layer/layer.h"
#include "core/store/destination.h"

namespace kiln::build {

/// Layers that earlier builds have made, and this one has not: each is made when somebody wants its
/// bytes, once, and then compared with the record of it.
///
/// Errors of making one: those of make_layer(); kInternal when it is another layer, after which all
/// records are gone, so that a build that begins anew succeeds.
/// Threads: any. Lifetime: `pool` outlives this and its destinations.
class UnmadeLayers {
 public:
  UnmadeLayers(WorkPool& pool, std::shared_ptr<LayerRecords> records);
  ~UnmadeLayers();

  /// The layer of `draft` as `record` says that it was. Opening its blob makes it, and blocks as
  /// long as that takes. Precondition: the draft has its facts.
  layer::Layer layer(LayerRecord record, std::shared_ptr<const LayerDraft> draft,
                     layer::LayerOptions options);

  /// `inner`, where only those of these layers are made that it does not have, on the pool.
  /// Lifetime: this and `inner` outlive it.
  std::unique_ptr<store::Destination> making(store::Destination& inner);

 private:
  class Maker;
  class Making;
  std::shared_ptr<Maker> find(const oci::Digest& digest);

  WorkPool& pool_;
  std::shared_ptr<LayerRecords> records_;  // Layers may outlive this.
  std::mutex mutex_;
  std::map<oci::Digest, std::weak_ptr<Maker>> makers_;  ///< The layers' own. Guarded by mutex_.
};

}  // namespace kiln::build
