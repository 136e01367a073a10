#include "core/build/copy.h"

#include <algorithm>
#include <set>

#include "core/base/gather.h"
#include "core/build/blob_pusher.h"

namespace kiln::build {
namespace {

constexpr std::size_t kParallelBlobs = 4;
constexpr int kMaxIndexDepth = 3;

std::string platforms_of(const oci::Index& index) {
  std::string text;
  for (const auto& entry : index.manifests)
    if (entry.platform && !oci::is_attestation(entry))
      text += (text.empty() ? "" : ", ") + entry.platform->str();
  return text.empty() ? "none" : text;
}

Result<oci::Descriptor> choose(const oci::Index& index, const oci::Platform& wanted) {
  const auto found =
      std::find_if(index.manifests.begin(), index.manifests.end(), [&](const auto& entry) {
        return entry.platform && !oci::is_attestation(entry) && wanted.matches(*entry.platform);
      });
  if (found == index.manifests.end())
    return Error(Errc::kNotFound,
                 "it has no image for " + wanted.str() + "; there are " + platforms_of(index));
  return *found;
}

/// One copy under way.
class Copier {
 public:
  Copier(store::ImageReader& from, BlobPusher& pusher) : from_(from), pusher_(pusher) {}

  /// All that `manifest` refers to, but not itself.
  Task<Result<int>> copy_references(oci::RawManifest manifest, int depth) {
    if (oci::media_type::is_index(manifest.media_type))
      co_return co_await copy_children(std::move(manifest), depth);
    auto parsed = oci::Manifest::parse(manifest.bytes);
    if (!parsed) co_return std::move(parsed).error().while_doing(manifest.digest.str());
    std::vector<Task<Result<int>>> tasks;
    for (const auto& layer : parsed->layers)
      if (!oci::media_type::is_nondistributable(layer.media_type))
        tasks.push_back(copy_blob(layer, "layer " + layer.digest.short_hex()));
    const auto& config = parsed->config;
    tasks.push_back(copy_blob(config, "config " + config.digest.short_hex()));
    auto copied = co_await gather(std::move(tasks), kParallelBlobs);
    if (!copied) co_return std::move(copied).error();
    co_return 0;
  }

 private:
  Task<Result<int>> copy_children(oci::RawManifest raw, int depth) {
    if (depth >= kMaxIndexDepth)
      co_return Error(Errc::kCorrupt, "indexes within indexes, more than " +
                                          std::to_string(kMaxIndexDepth) + " deep");
    auto index = oci::Index::parse(raw.bytes);
    if (!index) co_return std::move(index).error().while_doing(raw.digest.str());
    for (const auto& entry : index->manifests) {
      if (!seen_.insert(entry.digest.hex()).second) continue;
      auto child = co_await from_.manifest(entry);
      if (!child) co_return std::move(child).error();
      KILN_CO_TRY(co_await copy_references(*child, depth + 1));
      KILN_CO_TRY(co_await pusher_.put_manifest(std::move(*child)));
    }
    co_return 0;
  }

  Task<Result<int>> copy_blob(oci::Descriptor blob, std::string what) {
    if (!seen_.insert(blob.digest.hex()).second) co_return 0;
    auto source = co_await from_.locate(std::move(blob));
    if (!source) co_return std::move(source).error().while_doing("reading " + what);
    co_return co_await pusher_.copy(std::move(*source), std::move(what));
  }

  store::ImageReader& from_;
  BlobPusher& pusher_;
  std::set<std::string> seen_;
};

/// Everything below `top`, then `top` under each tag. Lifetime: as copy_image().
Task<Result<void>> copy_once(store::ImageReader& from,
                             store::Destination& to,  // NOLINT: see Lifetime
                             BlobPusher& pusher,      // NOLINT
                             oci::RawManifest top, std::vector<std::string> tags) {
  Copier copier(from, pusher);
  KILN_CO_TRY(co_await copier.copy_references(top, 0));
  for (const auto& tag : tags) {
    auto stored = co_await to.put_manifest(top, tag);
    if (!stored)
      co_return std::move(stored).error().while_doing(
          tag.empty() ? std::string("pushing the manifest") : "moving the tag " + tag);
  }
  co_return Result<void>();
}

}  // namespace

Task<Result<CopyReport>> copy_image(store::ImageReader& from, store::Destination& to,
                                    registry::Client& registry, CopyRequest request) {
  auto top = co_await from.top();
  if (!top) co_return std::move(top).error();
  if (request.platform && oci::media_type::is_index(top->media_type)) {
    auto index = oci::Index::parse(top->bytes);
    if (!index) co_return std::move(index).error().while_doing(from.name());
    auto entry = choose(*index, *request.platform);
    if (!entry) co_return std::move(entry).error().while_doing(from.name());
    top = co_await from.manifest(std::move(*entry));
    if (!top) co_return std::move(top).error();
  }
  BlobPusher pusher(to, registry, std::move(request.origins), std::move(request.listener));
  auto copied = co_await copy_once(from, to, pusher, *top, request.tags);
  // The registry lost what it said it had (garbage collection): all of it again, once.
  if (!copied && copied.error().code == Errc::kConflict)
    copied = co_await copy_once(from, to, pusher, *top, request.tags);
  if (!copied) co_return std::move(copied).error();
  CopyReport report(std::move(*top));
  report.push = pusher.report();
  co_return report;
}

}  // namespace kiln::build
