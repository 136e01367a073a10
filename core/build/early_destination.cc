#include "core/build/early_destination.h"

#include <utility>

namespace kiln::build {

Task<Result<void>> EarlyDestination::send(layer::Layer layer) {
  const auto digest = layer.blob.descriptor().digest;
  auto stored = co_await inner().put_blob(std::move(layer.blob));
  if (!stored)
    co_return std::move(stored).error().while_doing("pushing layer " + digest.short_hex());
  sent_.insert_or_assign(digest, *stored);
  co_return Result<void>();
}

Task<Result<store::StoreResult>> EarlyDestination::put_blob(layer::Blob blob) {
  const auto found = sent_.find(blob.descriptor().digest);
  if (found != sent_.end()) co_return found->second;
  co_return co_await inner().put_blob(std::move(blob));
}

Task<Result<void>> EarlyDestination::put_manifest(oci::RawManifest manifest, std::string tag) {
  auto stored = co_await inner().put_manifest(std::move(manifest), std::move(tag));
  co_return heard(std::move(stored));
}

Task<Result<void>> EarlyDestination::put_manifest_tags(oci::RawManifest manifest,
                                                       std::vector<std::string> tags) {
  auto stored = co_await inner().put_manifest_tags(std::move(manifest), std::move(tags));
  co_return heard(std::move(stored));
}

/// After a conflict the place is believed to have nothing.
Result<void> EarlyDestination::heard(Result<void> answer) {
  if (answer.has_error() && answer.error().code == Errc::kConflict) sent_.clear();
  return answer;
}

}  // namespace kiln::build
