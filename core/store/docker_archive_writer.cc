#include "core/store/docker_archive_writer.h"

#include <memory>
#include <utility>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/layer/layer_facts.h"
#include "core/oci/config.h"
#include "core/store/packing.h"

namespace kiln::store {
namespace {

using oci::media_type::LayerCompression;

constexpr std::uint64_t kMaxConfigBytes = 8 * 1024 * 1024;

/// A layer as it goes into the archive.
struct Packed {
  std::string name;
  layer::Blob blob;
};

Result<layer::Blob> held(const HeldBlobs& blobs, const oci::Descriptor& wanted) {
  const auto* blob = blobs.find(wanted.digest);
  if (blob == nullptr)
    return Error(Errc::kInternal, "blob " + wanted.digest.str() + " was not stored before");
  return *blob;
}

Result<oci::Manifest> parse_image(const oci::RawManifest& raw) {
  if (oci::media_type::is_index(raw.media_type))
    return Error(Errc::kUnsupported,
                 "Docker's archives hold one platform of an image; choose it with --platform");
  auto manifest = oci::Manifest::parse(raw.bytes);
  if (!manifest) return manifest;
  const auto& type = manifest->config.media_type;
  if (type != oci::media_type::kOciConfig && type != oci::media_type::kDockerConfig)
    return Error(Errc::kUnsupported,
                 "Docker takes container images only; this one's config has the media type \"" +
                     type.substr(0, 128) + "\"");
  return manifest;
}

Result<std::vector<oci::Digest>> diff_ids_of(const layer::Blob& config, std::size_t layers) {
  auto source = config.open();
  if (!source) return std::move(source).error();
  auto bytes = read_all(**source, kMaxConfigBytes);
  if (!bytes) return std::move(bytes).error().while_doing("the config");
  auto parsed = oci::Config::parse(*bytes);
  if (!parsed) return std::move(parsed).error();
  auto diff_ids = parsed->diff_ids();
  if (diff_ids.size() != layers)
    return Error(Errc::kCorrupt, "the manifest has " + std::to_string(layers) +
                                     " layers, but the config " + std::to_string(diff_ids.size()) +
                                     " diff_ids");
  return diff_ids;
}

Result<Packed> unpacked(const layer::Blob& blob, const oci::Digest& diff_id,
                        const std::string& spool_dir) {
  auto source = blob.open();
  if (!source) return std::move(source).error();
  auto file = nameless_file(spool_dir);
  if (!file) return std::move(file).error();
  FdSink sink(file->get());
  auto facts = layer::unpack_layer(**source, &sink, layer::ReadLimits());
  if (!facts) return std::move(facts).error();
  if (facts->digest != blob.descriptor().digest || facts->diff_id != diff_id)
    return Error(Errc::kCorrupt, "its tar has the digest " + facts->diff_id.str() +
                                     ", the config says " + diff_id.str());
  const auto shared = std::make_shared<const UniqueFd>(std::move(*file));  // Every reader's.
  auto open = [shared]() -> Result<std::unique_ptr<ByteSource>> {
    return std::unique_ptr<ByteSource>(std::make_unique<SharedFileSource>(shared));
  };
  oci::Descriptor tar(std::string(oci::media_type::kOciLayer), diff_id, facts->uncompressed_bytes);
  return Packed{diff_id.hex() + ".tar", layer::Blob(std::move(tar), std::move(open))};
}

Result<Packed> pack(const layer::Blob& blob, const oci::Digest& diff_id,
                    const std::string& spool_dir) {
  auto source = blob.open();
  if (!source) return std::move(source).error();
  auto packing = packing_of(**source);
  if (!packing) return std::move(packing).error();
  const auto& digest = blob.descriptor().digest;
  switch (*packing) {
    case LayerCompression::kGzip:
      return Packed{digest.hex() + ".tar.gz", blob};
    case LayerCompression::kZstd:
      return unpacked(blob, diff_id, spool_dir);
    case LayerCompression::kNone:
      if (digest == diff_id) return Packed{digest.hex() + ".tar", blob};
      return Error(Errc::kCorrupt,
                   "it is a plain tar, but the config has another digest for it: " + diff_id.str());
    case LayerCompression::kUnknown:
      break;
  }
  return Error(Errc::kUnsupported, "it is packed with something else than gzip or zstd");
}

}  // namespace

Result<BlobArchive> docker_archive_of(const oci::RawManifest& raw, const HeldBlobs& blobs,
                                      const std::vector<std::string>& names,
                                      const std::string& spool_dir) {
  auto manifest = parse_image(raw);
  if (!manifest) return std::move(manifest).error();
  auto config = held(blobs, manifest->config);
  if (!config) return std::move(config).error();
  auto diff_ids = diff_ids_of(*config, manifest->layers.size());
  if (!diff_ids) return std::move(diff_ids).error();

  BlobArchive archive;
  const auto config_name = manifest->config.digest.hex() + ".json";
  archive.add(config_name, std::move(*config));
  auto layers = Json::array();
  for (std::size_t i = 0; i < manifest->layers.size(); ++i) {
    const auto& layer = manifest->layers[i];
    const auto what = "layer " + layer.digest.short_hex();
    if (oci::media_type::is_nondistributable(layer.media_type))
      return Error(Errc::kUnsupported,
                   what + " must not be distributed, and Docker takes images only as a whole");
    auto blob = held(blobs, layer);
    if (!blob) return std::move(blob).error();
    auto packed = pack(*blob, (*diff_ids)[i], spool_dir);
    if (!packed) return std::move(packed).error().while_doing(what);
    layers.push_back(packed->name);
    archive.add(packed->name, std::move(packed->blob));
  }
  Json image = {{"Config", config_name}, {"Layers", std::move(layers)}, {"RepoTags", nullptr}};
  if (!names.empty()) image["RepoTags"] = names;
  const auto list = Json::array({std::move(image)});
  archive.add("manifest.json", layer::Blob::of("application/json", dump_json(list)));
  return archive;
}

}  // namespace kiln::store
