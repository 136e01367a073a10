#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/layer/layer.h"
#include "core/oci/config.h"
#include "core/oci/manifest.h"
#include "core/oci/reference.h"

namespace kiln::image {

/// Where a layer's bytes can be had: made here, or still in the registry its base came from.
struct LayerSource {
  oci::Descriptor descriptor;
  std::optional<layer::Blob> blob{};  ///< Made here (or opened from a layout).
  std::optional<oci::Repository>
      repository{};  ///< Where the base has it: mounted or copied from there.

  explicit LayerSource(oci::Descriptor d) : descriptor(std::move(d)) {}
};

/// One image for one platform: an immutable value. Verbs (append, patch) make new ones.
class Image {
 public:
  /// An image of no layers. `created` is RFC 3339.
  static Image scratch(const oci::Platform& platform, std::string_view created,
                       bool docker_media_types);

  /// From a manifest and config as they were read. `layers` tell where the manifest's layers are,
  /// in its order.
  /// Errors: kCorrupt when they do not fit together (size and digest of the config, numbers of
  /// layers and diff_ids, more history lines of layers than layers); kUnsupported for what is no
  /// container image (an artifact: another config type).
  [[nodiscard]] static Result<Image> from_manifest(const oci::Manifest& manifest,
                                                   std::string_view config_json,
                                                   std::vector<LayerSource> layers);
  /// The same, with all layers in one repository.
  [[nodiscard]] static Result<Image> from_manifest(const oci::Manifest& manifest,
                                                   std::string_view config_json,
                                                   std::optional<oci::Repository> origin);

  const oci::Config& config() const { return config_; }
  const std::vector<LayerSource>& layers() const { return layers_; }
  const oci::Annotations& annotations() const { return annotations_; }
  bool docker_media_types() const { return docker_; }
  /// What an index says of the image: as with_platform() told, else what the config says.
  oci::Platform platform() const { return platform_.value_or(config_.platform()); }

  /// The layer's media type follows the image's family.
  [[nodiscard]] Image with_layer(const layer::Layer& layer, const oci::HistoryEntry& entry) const;
  /// The same image with `layer` in the place of all its layers.
  [[nodiscard]] Image with_only_layer(const layer::Layer& layer,
                                      const oci::HistoryEntry& entry) const;
  /// The same layers, told anew where they are.
  [[nodiscard]] Image with_layer_sources(std::vector<LayerSource> layers) const;
  [[nodiscard]] Image with_config(oci::Config config) const;
  [[nodiscard]] Image with_annotations(const oci::Annotations& more) const;
  /// These in the place of all there are.
  [[nodiscard]] Image with_only_annotations(oci::Annotations annotations) const;
  /// As the index that the image comes from has it, which may know more than the config: a variant,
  /// an os.version. For whoever loads an image through an index.
  [[nodiscard]] Image with_platform(oci::Platform platform) const;
  /// Config and known layer types in one family, never mixed. A zstd layer has no Docker type: it
  /// stays as it is, and validate() refuses the image.
  [[nodiscard]] Image with_media_types(bool docker) const;

  /// Serialised once: what is hashed here is what is sent.
  layer::Blob config_blob() const;
  /// Annotations are written only into OCI manifests: Docker's have none.
  oci::RawManifest manifest() const;

 private:
  explicit Image(oci::Config config) : config_(std::move(config)) {}
  void put_on_top(const layer::Layer& layer);
  oci::Config config_;
  std::vector<LayerSource> layers_;
  oci::Annotations annotations_;
  std::optional<oci::Platform> platform_;
  bool docker_ = false;
};

/// What is built and pushed: one image, or an index of images for several platforms.
struct ImageSet {
  std::vector<Image> images{};
  bool as_index = false;  ///< The base was an index, so the result is one, even of one platform.
  bool docker_media_types = false;
  oci::Annotations annotations{};  ///< Of the index.

  /// The index over `images`, each with its platform(). Only for as_index.
  oci::RawManifest index() const;
  /// What the tag points at: the index, or the one image's manifest. `images` must not be empty.
  oci::RawManifest top() const;
};

}  // namespace kiln::image
