#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/layer/compressor.h"
#include "core/layer/tar_writer.h"
#include "core/oci/config.h"
#include "core/oci/manifest.h"
#include "core/oci/platform.h"
#include "core/oci/reference.h"
#include "core/registry/client.h"
#include "core/source/source.h"
#include "core/store/image_reader.h"

namespace kiln::build {

/// Where the image starts from.
struct BaseRequest {
  std::optional<oci::Reference> reference{};  ///< In a registry; unset = scratch, or `reader`.
  /// A base that is elsewhere (a layout, an archive). Shared: the request is copied.
  std::shared_ptr<store::ImageReader> reader{};
  std::vector<oci::Platform>
      platforms{};  ///< Empty = every Linux platform of the base (scratch: linux/amd64).
  registry::Access access{};
  /// How old an answer may be that tells what the tag points at; 0 = the registry is asked now.
  std::chrono::milliseconds max_age{0};
};

/// Owner and modes for what one content entry brings; unset = the defaults (0:0, 0644 or as the
/// source says, 0755).
struct Ownership {
  std::optional<std::uint32_t> uid{};
  std::optional<std::uint32_t> gid{};
  std::optional<std::uint32_t> file_mode{};
  std::optional<std::uint32_t> dir_mode{};
};

struct ContentRequest {
  std::shared_ptr<source::Source>
      source;        ///< Shared with the caller, who may have fetched it already.
  std::string path;  ///< Absolute and clean: where the tree goes.
  Ownership ownership{};
  std::string name{};  ///< What messages call it: "--dir site:/srv"; "" = its place
                       ///< and its source.

  ContentRequest(std::shared_ptr<source::Source> s, std::string p)
      : source(std::move(s)), path(std::move(p)) {}
};

enum class LayerPolicy { kAuto, kSingle, kPerContent };

/// Errors: kInvalid, listing the names ("auto", "single", "per-content"; also as the API writes
/// them).
[[nodiscard]] Result<LayerPolicy> parse_layer_policy(std::string_view text);

/// All that decides what an image is. Not in it: where it goes, under which tags, with what
/// credentials; those are the destination's.
struct BuildRequest {
  BaseRequest base{};
  std::vector<std::string> remove{};  ///< Absolute clean paths; whiteouts, before any content.
  std::vector<ContentRequest> content{};
  oci::ConfigPatch config{};
  oci::Annotations annotations{};
  layer::Compression compression = layer::Compression::kGzip;
  LayerPolicy layers = LayerPolicy::kAuto;
  layer::TimestampPolicy timestamps{};
  std::string created = "2020-01-01T00:00:00Z";  ///< Of config and history.
  bool docker_media_types = false;
};

/// What messages call an entry of the content.
std::string name_of_content(const BuildRequest& request, std::size_t index);

}  // namespace kiln::build
