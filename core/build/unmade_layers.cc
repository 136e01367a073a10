#include "core/build/unmade_layers.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/store/passing_destination.h"

namespace kiln::build {

/// Makes one layer for the first who wants it. Shared by the layer's copies, and by whoever waits.
class UnmadeLayers::Maker {
 public:
  Maker(LayerRecord record, std::shared_ptr<const LayerDraft> draft, layer::LayerOptions options,
        std::shared_ptr<LayerRecords> records)
      : record_(std::move(record)),
        draft_(std::move(draft)),
        options_(std::move(options)),
        records_(std::move(records)) {
    options_.progress = {};
  }

  bool makes(const LayerRecord& record) const { return record == record_; }

  /// Blocking.
  Result<layer::Blob> blob() {
    const std::scoped_lock lock(mutex_);
    if (!made_) made_.emplace(make());
    return *made_;
  }

 private:
  Result<layer::Blob> make() {
    const auto tree = draft_->tree();
    if (!tree) return tree.error();
    auto layer = layer::make_layer(**tree, options_);
    if (!layer) return std::move(layer).error();
    if (LayerRecord(*layer) == record_) return std::move(layer->blob);
    records_->forget_all();
    return Error(Errc::kInternal, "its digest is " + layer->blob.descriptor().digest.str() +
                                      " and not " + record_.descriptor.digest.str() +
                                      " as the cache said, which has forgotten all layers now; "
                                      "build again");
  }

  LayerRecord record_;
  std::shared_ptr<const LayerDraft> draft_;  // Shared with the build's plan.
  layer::LayerOptions options_;
  std::shared_ptr<LayerRecords> records_;
  std::mutex mutex_;
  std::optional<Result<layer::Blob>> made_;  ///< Guarded by mutex_.
};

class UnmadeLayers::Making final : public store::PassingDestination {
 public:
  Making(UnmadeLayers& layers, store::Destination& inner)
      : PassingDestination(inner), layers_(layers) {}

  Task<Result<store::StoreResult>> put_blob(layer::Blob blob) override {
    const auto maker = layers_.find(blob.descriptor().digest);
    if (!maker) co_return co_await inner().put_blob(std::move(blob));
    auto there = co_await inner().link_blob(blob.descriptor(), std::nullopt);
    if (!there) co_return std::move(there).error();
    if (*there) co_return store::StoreResult::kAlreadyPresent;
    auto work = [maker] { return maker->blob(); };
    auto made = co_await layers_.pool_.run(std::move(work));
    if (!made) co_return std::move(made).error();
    co_return co_await inner().put_blob(std::move(*made));
  }

 private:
  UnmadeLayers& layers_;
};

UnmadeLayers::UnmadeLayers(WorkPool& pool, std::shared_ptr<LayerRecords> records)
    : pool_(pool), records_(std::move(records)) {}

UnmadeLayers::~UnmadeLayers() = default;

layer::Layer UnmadeLayers::layer(LayerRecord record, std::shared_ptr<const LayerDraft> draft,
                                 layer::LayerOptions options) {
  std::shared_ptr<Maker> maker;
  {
    const std::scoped_lock lock(mutex_);
    std::erase_if(makers_, [](const auto& one) { return one.second.expired(); });
    // Another build's may be there, which needs it as long as this one does.
    auto& known = makers_[record.descriptor.digest];
    maker = known.lock();
    if (!maker || !maker->makes(record))
      maker = std::make_shared<Maker>(record, draft, std::move(options), records_);
    known = maker;
  }
  layer::Blob blob(record.descriptor, [maker]() -> Result<std::unique_ptr<ByteSource>> {
    auto made = maker->blob();
    if (!made) return std::move(made).error();
    return made->open();
  });
  layer::Layer layer(std::move(blob), record.diff_id);
  layer.uncompressed_bytes = record.uncompressed_bytes;
  layer.files = draft->facts->files;
  layer.content_bytes = draft->facts->content_bytes;
  return layer;
}

std::unique_ptr<store::Destination> UnmadeLayers::making(store::Destination& inner) {
  return std::make_unique<Making>(*this, inner);
}

std::shared_ptr<UnmadeLayers::Maker> UnmadeLayers::find(const oci::Digest& digest) {
  const std::scoped_lock lock(mutex_);
  const auto found = makers_.find(digest);
  return found == makers_.end() ? nullptr : found->second.lock();
}

}  // namespace kiln::build
