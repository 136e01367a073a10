#include "core/build/image_loader.h"

#include <algorithm>

#include "core/base/gather.h"

namespace kiln::build {
namespace {

constexpr std::size_t kParallelManifests = 4;
// Each is a manifest and a config in memory, and its layers are read. No image has half as many.
constexpr std::size_t kMaxPlatforms = 64;

/// Lifetime: `reader` outlives the task, see load_image().
Task<Result<PlatformImage>> read_platform(store::ImageReader& reader,  // NOLINT: see Lifetime
                                          oci::RawManifest raw) {
  const auto name = reader.name() + " (" + raw.digest.str() + ")";
  if (!oci::media_type::is_manifest(raw.media_type))
    co_return Error(Errc::kUnsupported,
                    name + " is " + raw.media_type +
                        ", not an image manifest; indexes within indexes are not supported");
  auto manifest = oci::Manifest::parse(raw.bytes);
  if (!manifest) co_return std::move(manifest).error().while_doing(name);
  auto config = co_await reader.small_blob(manifest->config);
  if (!config) co_return std::move(config).error();
  std::vector<image::LayerSource> layers;
  for (const auto& descriptor : manifest->layers) {
    auto source = co_await reader.locate(descriptor);
    if (!source) co_return std::move(source).error();
    layers.push_back(std::move(*source));
  }
  auto image = image::Image::from_manifest(*manifest, *config, std::move(layers));
  if (!image) co_return std::move(image).error().while_doing(name);
  auto platform = image->config().platform();
  co_return PlatformImage{std::move(platform), raw.descriptor(), std::move(*image)};
}

Task<Result<PlatformImage>> read_child(store::ImageReader& reader,  // NOLINT: as read_platform()
                                       oci::Descriptor entry) {
  auto raw = co_await reader.manifest(entry);
  if (!raw) co_return std::move(raw).error();
  auto one = co_await read_platform(reader, std::move(*raw));
  if (!one || !entry.platform || entry.platform->architecture.empty()) co_return one;
  one->image = one->image.with_platform(*entry.platform);
  one->platform = *entry.platform;
  co_return one;
}

/// Of an index: the entries that are wanted, in the index's order; for each platform that was asked
/// for the first that matches (image-spec: "the first match").
struct Choice {
  std::vector<oci::Descriptor> entries{};
  std::vector<oci::Platform> missing{};
  std::vector<std::string> warnings{};
};

/// What an entry is for that does not say it.
const oci::Platform kUsual{"linux", "amd64"};

bool same_platform(const oci::Platform& a, const oci::Platform& b) {
  return a.matches(b) && b.matches(a) && a.os_version == b.os_version &&
         a.os_features == b.os_features;
}

Choice choose_all_linux(const oci::Index& index) {
  Choice choice;
  for (const auto& entry : index.manifests) {
    if (oci::is_attestation(entry)) continue;
    const auto platform = entry.platform.value_or(kUsual);
    const auto same = [&](const auto& chosen) {
      return same_platform(chosen.platform.value_or(kUsual), platform);
    };
    if (platform.os != "linux")
      choice.warnings.push_back("skipped " + platform.str() + ": only Linux images are worked on");
    else if (std::none_of(choice.entries.begin(), choice.entries.end(), same))
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

Task<Result<ResolvedImage>> read_index(store::ImageReader& reader,  // NOLINT: as read_platform()
                                       oci::RawManifest raw, std::vector<oci::Platform> wanted) {
  auto index = oci::Index::parse(raw.bytes);
  if (!index) co_return std::move(index).error().while_doing(reader.name());
  auto choice = wanted.empty() ? choose_all_linux(*index) : choose_asked(*index, wanted);
  if (choice.entries.size() > kMaxPlatforms)
    co_return Error(Errc::kInvalid, reader.name() + " has images for more than " +
                                        std::to_string(kMaxPlatforms) +
                                        " Linux platforms; name those that are wanted");
  ResolvedImage image;
  image.digest = raw.digest;
  image.is_index = true;
  image.annotations = index->annotations;
  image.docker_media_types = oci::media_type::is_docker(raw.media_type);
  image.missing_platforms = std::move(choice.missing);
  image.warnings = std::move(choice.warnings);
  if (choice.entries.empty() && image.missing_platforms.empty())
    image.missing_platforms.push_back(kUsual);
  std::vector<Task<Result<PlatformImage>>> reads;
  for (const auto& entry : choice.entries) reads.push_back(read_child(reader, entry));
  auto platforms = co_await gather(std::move(reads), kParallelManifests);
  if (!platforms) co_return std::move(platforms).error();
  image.platforms = std::move(*platforms);
  co_return image;
}

Task<Result<ResolvedImage>> read_single(store::ImageReader& reader,  // NOLINT: as read_platform()
                                        oci::RawManifest raw, std::vector<oci::Platform> wanted) {
  const auto docker = oci::media_type::is_docker(raw.media_type);
  auto one = co_await read_platform(reader, std::move(raw));
  if (!one) co_return std::move(one).error();
  ResolvedImage image;
  image.digest = one->descriptor.digest;
  image.docker_media_types = docker;
  for (const auto& platform : wanted)
    if (!platform.matches(one->platform)) image.missing_platforms.push_back(platform);
  image.platforms.push_back(std::move(*one));
  co_return image;
}

}  // namespace

Task<Result<ResolvedImage>> load_image(store::ImageReader& reader,
                                       std::vector<oci::Platform> wanted) {
  auto top = co_await reader.top();
  if (!top) co_return std::move(top).error();
  co_return co_await load_image(reader, std::move(*top), std::move(wanted));
}

Task<Result<ResolvedImage>> load_image(store::ImageReader& reader,  // NOLINT: as read_platform()
                                       oci::RawManifest top, std::vector<oci::Platform> wanted) {
  if (oci::media_type::is_index(top.media_type))
    co_return co_await read_index(reader, std::move(top), std::move(wanted));
  co_return co_await read_single(reader, std::move(top), std::move(wanted));
}

}  // namespace kiln::build
