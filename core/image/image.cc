#include "core/image/image.h"

#include <algorithm>
#include <utility>

namespace kiln::image {
namespace {

namespace media_type = oci::media_type;

std::string in_family(std::string_view type, bool docker) {
  return docker ? media_type::to_docker(type) : media_type::to_oci(type);
}

std::string counted(std::size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

Result<void> check_config_bytes(const oci::Descriptor& expected, std::string_view bytes) {
  if (expected.media_type != media_type::kOciConfig &&
      expected.media_type != media_type::kDockerConfig)
    return Error(Errc::kUnsupported, "not a container image: its config has the media type \"" +
                                         expected.media_type.substr(0, 128) + "\"");
  if (bytes.size() != expected.size_bytes)
    return Error(Errc::kCorrupt, "the config has " + std::to_string(bytes.size()) +
                                     " bytes, the manifest says " +
                                     std::to_string(expected.size_bytes));
  if (oci::Digest::of(bytes) != expected.digest)
    return Error(Errc::kCorrupt, "the config does not match its digest " + expected.digest.str());
  return {};
}

Result<void> check_counts(const oci::Manifest& manifest, const oci::Config& config) {
  const auto layers = manifest.layers.size();
  const auto diff_ids = config.diff_ids().size();
  if (layers != diff_ids)
    return Error(Errc::kCorrupt, "the manifest has " + counted(layers, "layer") +
                                     " but the config " + counted(diff_ids, "diff_id"));
  const auto history = config.history();
  const auto lines = static_cast<std::size_t>(std::count_if(
      history.begin(), history.end(), [](const auto& line) { return !line.empty_layer; }));
  if (lines > layers)
    return Error(Errc::kCorrupt, "the config's history tells of " + counted(lines, "layer") +
                                     " but the manifest has " + std::to_string(layers));
  return {};
}

}  // namespace

Image Image::scratch(const oci::Platform& platform, std::string_view created,
                     bool docker_media_types) {
  Image image(oci::Config::scratch(platform, created));
  image.docker_ = docker_media_types;
  return image;
}

Result<Image> Image::from_manifest(const oci::Manifest& manifest, std::string_view config_json,
                                   std::vector<LayerSource> layers) {
  KILN_TRY(check_config_bytes(manifest.config, config_json));
  auto config = oci::Config::parse(config_json);
  if (config.has_error()) return std::move(config).error();
  KILN_TRY(check_counts(manifest, *config));

  Image image(std::move(*config));
  image.docker_ = media_type::is_docker(manifest.media_type);
  image.annotations_ = manifest.annotations;
  image.layers_ = std::move(layers);
  return image;
}

Result<Image> Image::from_manifest(const oci::Manifest& manifest, std::string_view config_json,
                                   std::optional<oci::Repository> origin) {
  std::vector<LayerSource> layers;
  for (const auto& descriptor : manifest.layers)
    layers.emplace_back(descriptor).repository = origin;
  return from_manifest(manifest, config_json, std::move(layers));
}

void Image::put_on_top(const layer::Layer& layer) {
  auto& added = layers_.emplace_back(layer.blob.descriptor());
  added.descriptor.media_type = in_family(added.descriptor.media_type, docker_);
  added.blob = layer.blob;
}

Image Image::with_layer(const layer::Layer& layer, const oci::HistoryEntry& entry) const {
  Image next = *this;
  next.config_ = config_.with_layer(layer.diff_id, entry);
  next.put_on_top(layer);
  return next;
}

Image Image::with_only_layer(const layer::Layer& layer, const oci::HistoryEntry& entry) const {
  Image next = *this;
  next.config_ = config_.with_only_layer(layer.diff_id, entry);
  next.layers_.clear();
  next.put_on_top(layer);
  return next;
}

Image Image::with_layer_sources(std::vector<LayerSource> layers) const {
  Image next = *this;
  next.layers_ = std::move(layers);
  return next;
}

Image Image::with_config(oci::Config config) const {
  Image next = *this;
  next.config_ = std::move(config);
  return next;
}

Image Image::with_annotations(const oci::Annotations& more) const {
  Image next = *this;
  for (const auto& [name, value] : more) next.annotations_.insert_or_assign(name, value);
  return next;
}

Image Image::with_only_annotations(oci::Annotations annotations) const {
  Image next = *this;
  next.annotations_ = std::move(annotations);
  return next;
}

Image Image::with_platform(oci::Platform platform) const {
  Image next = *this;
  next.platform_ = std::move(platform);
  return next;
}

Image Image::with_media_types(bool docker) const {
  Image next = *this;
  next.docker_ = docker;
  for (auto& source : next.layers_)
    source.descriptor.media_type = in_family(source.descriptor.media_type, docker);
  return next;
}

layer::Blob Image::config_blob() const {
  return layer::Blob::of(in_family(media_type::kOciConfig, docker_), config_.to_json());
}

oci::RawManifest Image::manifest() const {
  oci::Manifest manifest(in_family(media_type::kOciManifest, docker_), config_blob().descriptor());
  for (const auto& source : layers_) manifest.layers.push_back(source.descriptor);
  if (!docker_) manifest.annotations = annotations_;
  return {manifest.media_type, manifest.to_json()};
}

oci::RawManifest ImageSet::index() const {
  oci::Index index(in_family(media_type::kOciIndex, docker_media_types));
  for (const auto& image : images) {
    auto& entry = index.manifests.emplace_back(image.manifest().descriptor());
    entry.platform = image.platform();
  }
  if (!docker_media_types) index.annotations = annotations;
  return {index.media_type, index.to_json()};
}

oci::RawManifest ImageSet::top() const {
  return as_index || images.empty() ? index() : images.front().manifest();
}

}  // namespace kiln::image
