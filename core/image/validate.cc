#include "core/image/validate.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/io.h"
#include "core/layer/layer_check.h"

namespace kiln::image {
namespace {

Error wrong(std::string what) {
  return {Errc::kCorrupt, std::move(what)};
}

Result<void> check_blob(const oci::Descriptor& expected, const layer::Blob& blob,
                        const oci::Digest& diff_id) {
  auto source = blob.open();
  if (source.has_error()) return std::move(source).error();
  auto facts = layer::check_layer(**source);
  if (facts.has_error()) return std::move(facts).error();
  if (facts->size_bytes != expected.size_bytes)
    return wrong("it has " + std::to_string(facts->size_bytes) + " bytes, the manifest says " +
                 std::to_string(expected.size_bytes));
  if (facts->digest != expected.digest)
    return wrong("its bytes have the digest " + facts->digest.str() + ", the manifest says " +
                 expected.digest.str());
  if (facts->diff_id != diff_id)
    return wrong("its tar has the digest " + facts->diff_id.str() + ", the config says " +
                 diff_id.str());
  return {};
}

/// One family of media types, and only layers that runtimes know how to unpack.
Result<void> check_types(const oci::Manifest& manifest) {
  using namespace oci::media_type;
  const bool docker = is_docker(manifest.media_type);
  if (is_docker(manifest.config.media_type) != docker)
    return wrong("manifest and config are of different families of media types");
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    const auto& type = manifest.layers[i].media_type;
    if (is_nondistributable(type) || layer_compression(type) == LayerCompression::kUnknown)
      continue;
    if (is_docker(type) != docker)
      return wrong("layer " + std::to_string(i + 1) + " has the media type \"" + type + "\" in " +
                   (docker ? "a Docker" : "an OCI") + " manifest");
  }
  return {};
}

Result<void> check_counts(const Image& image, const oci::Manifest& manifest) {
  const auto layers = image.layers().size();
  if (manifest.layers.size() != layers || image.config().diff_ids().size() != layers)
    return wrong(std::to_string(layers) + " layers, " + std::to_string(manifest.layers.size()) +
                 " in the manifest, " + std::to_string(image.config().diff_ids().size()) +
                 " diff_ids in the config: these must be equal");
  const auto history = image.config().history();
  const auto lines = std::count_if(history.begin(), history.end(),
                                   [](const auto& line) { return !line.empty_layer; });
  if (static_cast<std::size_t>(lines) > layers)
    return wrong("the history tells of " + std::to_string(lines) + " layers, but there are " +
                 std::to_string(layers));
  return {};
}

bool same_platform(const oci::Platform& a, const oci::Platform& b) {
  return a.matches(b) && b.matches(a) && a.os_version == b.os_version &&
         a.os_features == b.os_features;
}

std::string shown(const oci::Platform& platform) {
  return platform.str() + (platform.os_version.empty() ? "" : " (" + platform.os_version + ")");
}

/// Where an index and a config both say something, they must say the same.
Result<void> check_platform(const oci::Platform& entry, const oci::Platform& config) {
  const bool same = (entry.matches(config) || config.matches(entry)) &&
                    (entry.os_version.empty() || config.os_version.empty() ||
                     entry.os_version == config.os_version);
  if (same) return {};
  return wrong("the index says " + shown(entry) + ", the config " + shown(config));
}

Result<void> check_entry(const oci::Descriptor& entry, const Image& image, bool docker) {
  const auto manifest = image.manifest();
  if (image.docker_media_types() != docker)
    return wrong("the image and its index are of different families of media types");
  if (entry.digest != manifest.digest || entry.size_bytes != manifest.bytes.size() ||
      entry.media_type != manifest.media_type)
    return wrong("the index does not name the image's manifest " + manifest.digest.str());
  if (!entry.platform) return wrong("the index does not say what platform it is for");
  return check_platform(*entry.platform, image.config().platform());
}

Result<void> check_index(const ImageSet& set) {
  const auto raw = set.index();
  auto index = oci::Index::parse(raw.bytes);
  if (index.has_error()) return std::move(index).error();
  if (oci::media_type::is_docker(index->media_type) != set.docker_media_types)
    return wrong("the index has the media type \"" + index->media_type + "\"");
  if (index->annotations != (set.docker_media_types ? oci::Annotations() : set.annotations))
    return wrong("the index has other annotations");
  if (index->manifests.size() != set.images.size())
    return wrong("the index has " + std::to_string(index->manifests.size()) + " entries for " +
                 std::to_string(set.images.size()) + " images");
  for (std::size_t i = 0; i < set.images.size(); ++i) {
    const auto platform = set.images[i].platform();
    auto checked = check_entry(index->manifests[i], set.images[i], set.docker_media_types);
    if (checked.has_error()) return std::move(checked).error().while_doing(platform.str());
    for (std::size_t j = 0; j < i; ++j)
      if (same_platform(platform, set.images[j].platform()))
        return wrong("the index has two images for " + platform.str());
  }
  return {};
}

}  // namespace

Result<void> validate(const Image& image) {
  const auto raw = image.manifest();
  auto manifest = oci::Manifest::parse(raw.bytes);
  if (manifest.has_error()) return std::move(manifest).error();
  const auto config = image.config_blob().descriptor();
  if (manifest->config.digest != config.digest || manifest->config.size_bytes != config.size_bytes)
    return wrong("the manifest does not name the config");
  KILN_TRY(check_types(*manifest));
  KILN_TRY(check_counts(image, *manifest));

  const auto diff_ids = image.config().diff_ids();
  for (std::size_t i = 0; i < image.layers().size(); ++i) {
    const auto& source = image.layers()[i];
    if (!(source.descriptor == manifest->layers[i]))
      return wrong("layer " + std::to_string(i + 1) + " is another in the manifest");
    if (!source.blob) continue;
    auto checked = check_blob(source.descriptor, *source.blob, diff_ids[i]);
    if (checked.has_error())
      return std::move(checked).error().while_doing("layer " + std::to_string(i + 1));
  }
  return {};
}

Result<void> validate(const ImageSet& set) {
  if (set.images.empty()) return wrong("there is no image");
  if (!set.as_index && set.images.size() > 1)
    return wrong(std::to_string(set.images.size()) + " images need an index");
  if (set.as_index) KILN_TRY(check_index(set));
  for (const auto& image : set.images) {
    auto checked = validate(image);
    if (checked.has_error()) return std::move(checked).error().while_doing(image.platform().str());
  }
  return {};
}

}  // namespace kiln::image
