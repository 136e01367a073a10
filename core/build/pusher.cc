#include "core/build/pusher.h"

#include <map>

#include "core/base/file.h"
#include "core/base/gather.h"

namespace kiln::build {
namespace {

constexpr std::size_t kParallelBlobs = 4;

/// What all blob tasks of one push share; it lives as long as the last of them.
struct PushState {
  PushState(store::Destination& d, registry::Client& r, registry::Access a, PushListener l)
      : destination(d), registry(r), base_access(std::move(a)), listener(std::move(l)) {}

  void tell(PushEvent::Kind kind, std::string what, std::uint64_t bytes) {
    if (kind == PushEvent::Kind::kUploaded) report.uploaded_bytes += bytes;
    if (kind == PushEvent::Kind::kReused) report.reused_bytes += bytes;
    const PushEvent event{kind, std::move(what), bytes};
    if (listener) listener(event);
  }

  store::Destination& destination;
  registry::Client& registry;
  registry::Access base_access;
  PushListener listener;
  PushReport report;
};
using State = std::shared_ptr<PushState>;

Task<Result<int>> put_blob(State state, layer::Blob blob, std::string what) {
  const auto size = blob.descriptor().size_bytes;
  auto stored = co_await state->destination.put_blob(std::move(blob));
  if (!stored) co_return std::move(stored).error().while_doing("pushing " + what);
  const bool sent = *stored == store::StoreResult::kStored;
  state->tell(sent ? PushEvent::Kind::kUploaded : PushEvent::Kind::kReused, what, size);
  co_return 0;
}

Task<Result<int>> copy_base_layer(State state, image::LayerSource source, std::string what) {
  const auto size = source.descriptor.size_bytes;
  auto linked = co_await state->destination.link_blob(source.descriptor, source.repository);
  if (!linked) co_return std::move(linked).error().while_doing("pushing " + what);
  if (*linked) {
    state->tell(PushEvent::Kind::kReused, what, size);
    co_return 0;
  }
  auto file = nameless_file("");
  if (!file) co_return std::move(file).error();
  FdSink sink(file->get());
  auto fetched = co_await state->registry.fetch_blob_into(*source.repository, source.descriptor,
                                                          state->base_access, sink);
  if (!fetched)
    co_return std::move(fetched).error().while_doing("copying " + what + " from the base");
  const auto shared = std::make_shared<const UniqueFd>(std::move(*file));  // Every reader's.
  layer::Blob blob(source.descriptor, [shared]() -> Result<std::unique_ptr<ByteSource>> {
    return std::unique_ptr<ByteSource>(std::make_unique<SharedFileSource>(shared));
  });
  co_return co_await put_blob(state, std::move(blob), std::move(what));
}

Task<Result<int>> push_layer(State state, image::LayerSource source) {
  auto what = "layer " + source.descriptor.digest.short_hex();
  if (source.blob) return put_blob(std::move(state), *source.blob, std::move(what));
  return copy_base_layer(std::move(state), std::move(source), std::move(what));
}

/// Every blob of all images once: layers first, then configs.
std::vector<Task<Result<int>>> blob_tasks(const State& state, const image::ImageSet& images) {
  std::vector<Task<Result<int>>> tasks;
  std::map<oci::Digest, bool> seen;
  for (const auto& image : images.images)
    for (const auto& source : image.layers())
      if (!oci::media_type::is_nondistributable(source.descriptor.media_type) &&
          seen.emplace(source.descriptor.digest, true).second)
        tasks.push_back(push_layer(state, source));
  for (const auto& image : images.images) {
    auto config = image.config_blob();
    const auto digest = config.descriptor().digest;
    if (seen.emplace(digest, true).second)
      tasks.push_back(put_blob(state, std::move(config), "config " + digest.short_hex()));
  }
  return tasks;
}

Task<Result<int>> put_child(State state, oci::RawManifest manifest) {
  const auto what = "manifest " + manifest.digest.short_hex();
  auto stored = co_await state->destination.put_manifest(std::move(manifest), "");
  if (!stored) co_return std::move(stored).error().while_doing("pushing " + what);
  state->tell(PushEvent::Kind::kManifest, what, 0);
  co_return 0;
}

}  // namespace

Task<Result<PushReport>> push_content(std::shared_ptr<const image::ImageSet> images,
                                      store::Destination& destination, registry::Client& registry,
                                      registry::Access base_access, PushListener listener) {
  auto state = std::make_shared<PushState>(destination, registry, std::move(base_access),
                                           std::move(listener));
  auto blobs = blob_tasks(state, *images);
  auto pushed = co_await gather(std::move(blobs), kParallelBlobs);
  if (!pushed) co_return std::move(pushed).error();
  if (images->as_index) {
    std::vector<Task<Result<int>>> children;
    for (const auto& image : images->images) children.push_back(put_child(state, image.manifest()));
    auto stored = co_await gather(std::move(children), kParallelBlobs);
    if (!stored) co_return std::move(stored).error();
  }
  co_return state->report;
}

Task<Result<void>> publish(std::shared_ptr<const image::ImageSet> images,
                           store::Destination& destination, std::vector<std::string> tags) {
  const auto top = images->top();
  for (const auto& tag : tags) {
    auto stored = co_await destination.put_manifest(top, tag);
    if (!stored)
      co_return std::move(stored).error().while_doing(
          tag.empty() ? std::string("pushing the manifest") : "moving the tag " + tag);
  }
  co_return Result<void>();
}

}  // namespace kiln::build
