#include "core/build/pusher.h"

#include <map>

#include "core/base/gather.h"
#include "core/build/blob_pusher.h"

namespace kiln::build {
namespace {

constexpr std::size_t kParallelBlobs = 4;

/// Every blob of all images once: layers first, then configs.
std::vector<Task<Result<int>>> blob_tasks(BlobPusher& pusher, const image::ImageSet& images) {
  std::vector<Task<Result<int>>> tasks;
  std::map<oci::Digest, bool> seen;
  for (const auto& image : images.images)
    for (const auto& source : image.layers())
      if (!oci::media_type::is_nondistributable(source.descriptor.media_type) &&
          seen.emplace(source.descriptor.digest, true).second)
        tasks.push_back(pusher.copy(source, "layer " + source.descriptor.digest.short_hex()));
  for (const auto& image : images.images) {
    auto config = image.config_blob();
    const auto digest = config.descriptor().digest;
    if (seen.emplace(digest, true).second)
      tasks.push_back(pusher.put(std::move(config), "config " + digest.short_hex()));
  }
  return tasks;
}

/// Lifetime: `pusher` outlives the task.
Task<Result<void>> push_blobs(std::shared_ptr<const image::ImageSet> images,
                              BlobPusher& pusher) {  // NOLINT: see Lifetime
  auto blobs = blob_tasks(pusher, *images);
  auto pushed = co_await gather(std::move(blobs), kParallelBlobs);
  if (!pushed) co_return std::move(pushed).error();
  co_return Result<void>();
}

/// Lifetime: `pusher` outlives the task.
Task<Result<void>> push_children(std::shared_ptr<const image::ImageSet> images,
                                 BlobPusher& pusher) {  // NOLINT: see Lifetime
  if (!images->as_index) co_return Result<void>();
  std::vector<Task<Result<int>>> children;
  for (const auto& image : images->images)
    children.push_back(pusher.put_manifest(image.manifest()));
  auto stored = co_await gather(std::move(children), kParallelBlobs);
  if (!stored) co_return std::move(stored).error();
  co_return Result<void>();
}

/// Lifetime: `destination` outlives the task.
Task<bool> holds_all(store::Destination& destination, oci::Digest manifest,  // NOLINT: see Lifetime
                     std::vector<std::string> tags) {
  for (const auto& tag : tags) {
    if (tag.empty()) co_return false;
    const bool held = co_await destination.holds(tag, manifest);
    if (!held) co_return false;
  }
  co_return !tags.empty();
}

/// Lifetime: as push_content().
Task<Result<PushReport>> push_once(std::shared_ptr<const image::ImageSet> images,
                                   store::Destination& destination,  // NOLINT: see Lifetime
                                   registry::Client& registry,       // NOLINT
                                   AccessTo origins, PushListener listener,
                                   std::vector<std::string> tags) {
  BlobPusher pusher(destination, registry, std::move(origins), std::move(listener));
  KILN_CO_TRY(co_await push_blobs(images, pusher));
  // Where every blob was there, so may be the manifests: whoever builds what has not changed writes
  // nothing.
  if (pusher.report().uploaded_bytes == 0) {
    const auto top = images->top().digest;
    if (co_await holds_all(destination, top, tags)) co_return pusher.report();
  }
  KILN_CO_TRY(co_await push_children(images, pusher));
  KILN_CO_TRY(co_await publish(std::move(images), destination, std::move(tags)));
  co_return pusher.report();
}

}  // namespace

AccessTo always(registry::Access access) {
  return [access = std::move(access)](const oci::Repository&) { return access; };
}

Task<Result<PushReport>> push_content(std::shared_ptr<const image::ImageSet> images,
                                      store::Destination& destination, registry::Client& registry,
                                      AccessTo origins, PushListener listener) {
  BlobPusher pusher(destination, registry, std::move(origins), std::move(listener));
  KILN_CO_TRY(co_await push_blobs(images, pusher));
  KILN_CO_TRY(co_await push_children(std::move(images), pusher));
  co_return pusher.report();
}

Task<Result<void>> publish(std::shared_ptr<const image::ImageSet> images,
                           store::Destination& destination, std::vector<std::string> tags) {
  const auto top = images->top();
  if (std::erase(tags, "") > 0) {
    auto stored = co_await destination.put_manifest(top, "");
    if (!stored) co_return std::move(stored).error().while_doing("pushing the manifest");
  }
  if (tags.empty()) co_return Result<void>();
  co_return co_await destination.put_manifest_tags(top, std::move(tags));
}

Task<Result<PushReport>> push_images(std::shared_ptr<const image::ImageSet> images,
                                     store::Destination& destination, registry::Client& registry,
                                     AccessTo origins, PushListener listener,
                                     std::vector<std::string> tags) {
  auto pushed = co_await push_once(images, destination, registry, origins, listener, tags);
  if (!pushed && pushed.error().code == Errc::kConflict)
    pushed = co_await push_once(images, destination, registry, origins, listener, tags);
  co_return pushed;
}

}  // namespace kiln::build
