#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/oci/digest.h"
#include "core/oci/platform.h"

namespace kiln::oci {

/// Media types. Source: image-spec v1.1 media-types.md; Docker schema 2.
namespace media_type {
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr std::string_view kOciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr std::string_view kOciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr std::string_view kDockerManifest =
    "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerIndex =
    "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerLayer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr std::string_view kDockerLayerGzip =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";

bool is_manifest(std::string_view type);
bool is_index(std::string_view type);
bool is_docker(std::string_view type);
/// Layers that must not be pushed: image-spec "non-distributable", Docker "foreign".
bool is_nondistributable(std::string_view type);
enum class LayerCompression { kNone, kGzip, kZstd, kUnknown };
LayerCompression layer_compression(std::string_view type);
/// The same layer or config type in the other family (OCI ↔ Docker); unknown types stay as they
/// are.
std::string to_oci(std::string_view type);
std::string to_docker(std::string_view type);
}  // namespace media_type

using Annotations = std::map<std::string, std::string>;

/// Source: image-spec v1.1, descriptor.md. Foreign `urls` are kept and never fetched.
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size_bytes = 0;
  Annotations annotations{};
  std::vector<std::string> urls{};
  std::optional<Platform> platform{};
  std::string artifact_type{};

  Descriptor(std::string type, Digest d, std::uint64_t size)
      : media_type(std::move(type)), digest(std::move(d)), size_bytes(size) {}
  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

/// An image manifest (OCI or Docker schema 2). Values; to_json() is canonical (sorted keys,
/// compact).
struct Manifest {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers{};
  Annotations annotations{};
  std::optional<Descriptor> subject{};
  std::string artifact_type{};

  Manifest(std::string type, Descriptor c) : media_type(std::move(type)), config(std::move(c)) {}
  /// Errors: kCorrupt for what is not a manifest, kUnsupported for schema 1, naming the wrong part.
  [[nodiscard]] static Result<Manifest> parse(std::string_view json);
  std::string to_json() const;
};

/// An image index or Docker manifest list.
struct Index {
  std::string media_type;
  std::vector<Descriptor> manifests{};
  Annotations annotations{};

  explicit Index(std::string type) : media_type(std::move(type)) {}
  [[nodiscard]] static Result<Index> parse(std::string_view json);
  std::string to_json() const;
};

/// True for BuildKit's attestation entries (platform unknown/unknown): dropped, not copied stale.
bool is_attestation(const Descriptor& entry);

/// The media type of a manifest or index, from its own "mediaType" or, when that is missing, its
/// shape. Errors: kCorrupt, kUnsupported (schema 1).
[[nodiscard]] Result<std::string> detect_media_type(std::string_view json,
                                                    std::string_view content_type);

/// Bytes exactly as a registry stores them. The digest is always computed here, never believed.
struct RawManifest {
  std::string media_type;
  std::string bytes;
  Digest digest;

  RawManifest(std::string type, std::string b)
      : media_type(std::move(type)), bytes(std::move(b)), digest(Digest::of(bytes)) {}
  Descriptor descriptor() const { return {media_type, digest, bytes.size()}; }
};

}  // namespace kiln::oci
