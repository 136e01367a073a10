#include "core/build/blob_pusher.h"

#include "core/build/registry_reader.h"

namespace kiln::build {

BlobPusher::BlobPusher(store::Destination& destination, registry::Client& registry,
                       AccessTo origins, PushListener listener)
    : destination_(destination),
      registry_(registry),
      origins_(std::move(origins)),
      listener_(std::move(listener)) {}

void BlobPusher::tell(PushEvent::Kind kind, std::string what, std::uint64_t bytes) {
  if (kind == PushEvent::Kind::kUploaded) report_.uploaded_bytes += bytes;
  if (kind == PushEvent::Kind::kReused) report_.reused_bytes += bytes;
  const PushEvent event{kind, std::move(what), bytes};
  if (listener_) listener_(event);
}

Task<Result<int>> BlobPusher::put(layer::Blob blob, std::string what) {
  const auto size = blob.descriptor().size_bytes;
  auto stored = co_await destination_.put_blob(std::move(blob));
  if (!stored) co_return std::move(stored).error().while_doing("pushing " + what);
  const bool sent = *stored == store::StoreResult::kStored;
  tell(sent ? PushEvent::Kind::kUploaded : PushEvent::Kind::kReused, std::move(what), size);
  co_return 0;
}

Task<Result<int>> BlobPusher::copy(image::LayerSource source, std::string what) {
  if (source.blob) co_return co_await put(*source.blob, std::move(what));
  auto linked = co_await destination_.link_blob(source.descriptor, source.repository);
  if (!linked) co_return std::move(linked).error().while_doing("pushing " + what);
  if (*linked) {
    tell(PushEvent::Kind::kReused, std::move(what), source.descriptor.size_bytes);
    co_return 0;
  }
  if (!source.repository)
    co_return Error(Errc::kNotFound, "pushing " + what + ": " + destination_.name() +
                                         " does not have it, and nothing tells where it is");
  auto access = origins_(*source.repository);
  auto blob =
      co_await fetch_blob(registry_, *source.repository, source.descriptor, std::move(access), "");
  if (!blob)
    co_return std::move(blob).error().while_doing("copying " + what + " from " +
                                                  source.repository->str());
  co_return co_await put(std::move(*blob), std::move(what));
}

Task<Result<int>> BlobPusher::put_manifest(oci::RawManifest manifest) {
  const auto what = "manifest " + manifest.digest.short_hex();
  auto stored = co_await destination_.put_manifest(std::move(manifest), "");
  if (!stored) co_return std::move(stored).error().while_doing("pushing " + what);
  tell(PushEvent::Kind::kManifest, what, 0);
  co_return 0;
}

}  // namespace kiln::build
