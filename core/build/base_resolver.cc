#include "core/build/base_resolver.h"

#include <algorithm>

#include "core/base/gather.h"

namespace kiln::build {
namespace {

constexpr std::size_t kParallelManifests = 4;

ResolvedBase scratch_base(const BuildRequest& request) {
  ResolvedBase base;
  auto platforms = request.base.platforms;
  if (platforms.empty()) platforms.push_back(oci::Platform{"linux", "amd64"});
  for (const auto& platform : platforms) {
    auto image = image::Image::scratch(platform, request.created, request.docker_media_types);
    auto digest = image.manifest().digest;
    base.platforms.push_back(PlatformBase{platform, std::move(digest), std::move(image)});
  }
  return base;
}

Task<Result<PlatformBase>> read_platform(BaseCache& cache, oci::Reference reference,
                                         registry::Access access) {
  auto raw = co_await cache.manifest(reference, access);
  if (!raw) co_return std::move(raw).error();
  if (!oci::media_type::is_manifest(raw->media_type))
    co_return Error(Errc::kUnsupported,
                    reference.str() + " is " + raw->media_type +
                        ", not an image manifest; indexes within indexes are not supported");
  auto manifest = oci::Manifest::parse(raw->bytes);
  if (!manifest) co_return std::move(manifest).error().while_doing(reference.str());
  auto config = co_await cache.config(reference.repository(), manifest->config, access);
  if (!config) co_return std::move(config).error();
  auto image = image::Image::from_manifest(*manifest, *config, reference.repository());
  if (!image) co_return std::move(image).error().while_doing(reference.str());
  auto platform = image->config().platform();
  co_return PlatformBase{std::move(platform), raw->digest, std::move(*image)};
}

/// Of an index: the entries that are wanted, in the index's order; for each platform that was asked
/// for the first that matches (image-spec: "the first match").
struct Choice {
  std::vector<oci::Descriptor> entries{};
  std::vector<oci::Platform> missing{};
  std::vector<std::string> warnings{};
};

Choice choose_all_linux(const oci::Index& index) {
  Choice choice;
  for (const auto& entry : index.manifests) {
    if (oci::is_attestation(entry)) continue;
    const auto platform = entry.platform.value_or(oci::Platform{"linux", "amd64"});
    if (platform.os != "linux")
      choice.warnings.push_back("skipped " + platform.str() +
                                " of the base: only Linux images are built");
    else
      choice.entries.push_back(entry);
  }
  return choice;
}

Choice choose_asked(const oci::Index& index, const std::vector<oci::Platform>& asked) {
  Choice choice;
  for (const auto& platform : asked) {
    const auto fits = [&](const oci::Descriptor& entry) {
      return !oci::is_attestation(entry) && entry.platform && platform.matches(*entry.platform);
    };
    const auto found = std::find_if(index.manifests.begin(), index.manifests.end(), fits);
    if (found == index.manifests.end())
      choice.missing.push_back(platform);
    else if (std::find(choice.entries.begin(), choice.entries.end(), *found) ==
             choice.entries.end())
      choice.entries.push_back(*found);
  }
  return choice;
}

Task<Result<ResolvedBase>> read_index(BaseCache& cache, oci::RawManifest raw,
                                      std::shared_ptr<const BuildRequest> request) {
  auto index = oci::Index::parse(raw.bytes);
  if (!index) co_return std::move(index).error().while_doing(request->base.reference->str());
  auto choice = request->base.platforms.empty() ? choose_all_linux(*index)
                                                : choose_asked(*index, request->base.platforms);
  ResolvedBase base;
  base.digest = raw.digest;
  base.missing_platforms = std::move(choice.missing);
  base.warnings = std::move(choice.warnings);
  if (choice.entries.empty() && base.missing_platforms.empty())
    base.missing_platforms.push_back(oci::Platform{"linux", "amd64"});
  std::vector<Task<Result<PlatformBase>>> reads;
  for (const auto& entry : choice.entries)
    reads.push_back(read_platform(cache, request->base.reference->with_digest(entry.digest),
                                  request->base.access));
  auto platforms = co_await gather(std::move(reads), kParallelManifests);
  if (!platforms) co_return std::move(platforms).error();
  base.platforms = std::move(*platforms);
  co_return base;
}

Task<Result<ResolvedBase>> read_single(BaseCache& cache, oci::RawManifest raw,
                                       std::shared_ptr<const BuildRequest> request) {
  auto one = co_await read_platform(cache, request->base.reference->with_digest(raw.digest),
                                    request->base.access);
  if (!one) co_return std::move(one).error();
  ResolvedBase base;
  base.digest = raw.digest;
  for (const auto& platform : request->base.platforms)
    if (!platform.matches(one->platform)) base.missing_platforms.push_back(platform);
  base.platforms.push_back(std::move(*one));
  co_return base;
}

}  // namespace

Task<Result<ResolvedBase>> resolve_base(BaseCache& cache, registry::Client& registry,
                                        std::shared_ptr<const BuildRequest> request) {
  if (!request->base.reference) co_return scratch_base(*request);
  auto reference = *request->base.reference;
  if (!reference.digest()) {
    // HEAD first: it costs no pull on Docker Hub, and the rest is usually known by digest.
    auto now = co_await registry.resolve(reference, request->base.access);
    if (!now) co_return std::move(now).error();
    reference = reference.with_digest(now->digest);
  }
  auto raw = co_await cache.manifest(reference, request->base.access);
  if (!raw) co_return std::move(raw).error();
  if (oci::media_type::is_index(raw->media_type))
    co_return co_await read_index(cache, std::move(*raw), std::move(request));
  co_return co_await read_single(cache, std::move(*raw), std::move(request));
}

}  // namespace kiln::build
