#include "core/store/docker_archive_reader.h"

#include <map>
#include <utility>
#include <vector>

#include "core/layer/layer_facts.h"
#include "core/oci/config.h"
#include "core/oci/verifying_source.h"
#include "core/store/docker_manifest.h"
#include "core/store/layout_reader.h"
#include "core/store/packing.h"

namespace kiln::store {
namespace {

using oci::media_type::LayerCompression;

constexpr std::uint64_t kMaxManifestBytes = 16 * 1024 * 1024;
constexpr std::uint64_t kMaxSmallBytes = 8 * 1024 * 1024;

/// An image as it was found: the manifest made for it, its config and layers.
struct FoundImage {
  oci::RawManifest manifest;
  std::map<oci::Digest, layer::Blob> blobs;
};

/// A file of the archive, opened where it is and checked while it is read.
layer::Blob blob_in(std::shared_ptr<const ArchiveIndex> archive, std::string path,
                    oci::Descriptor descriptor) {
  auto open = [archive = std::move(archive), path = std::move(path),
               descriptor]() -> Result<std::unique_ptr<ByteSource>> {
    auto file = archive->open(path);
    if (!file) return std::move(file).error();
    return std::unique_ptr<ByteSource>(
        std::make_unique<oci::VerifyingSource>(std::move(file->source), descriptor));
  };
  return {std::move(descriptor), std::move(open)};
}

class DockerImageReader final : public ImageReader {
 public:
  DockerImageReader(FoundImage image, std::string name, WorkPool& pool)
      : image_(std::move(image)), name_(std::move(name)), pool_(pool) {}

  std::string name() const override { return name_; }

  Task<Result<oci::RawManifest>> top() override { co_return image_.manifest; }

  Task<Result<oci::RawManifest>> manifest(oci::Descriptor descriptor) override {
    if (descriptor.digest != image_.manifest.digest) co_return missing(descriptor);
    co_return image_.manifest;
  }

  Task<Result<std::string>> small_blob(oci::Descriptor blob) override {
    auto found = co_await fetch(std::move(blob));
    if (!found) co_return std::move(found).error();
    auto work = [blob = *found]() -> Result<std::string> {
      auto bytes = blob.open();
      if (!bytes) return std::move(bytes).error();
      return read_all(**bytes, kMaxSmallBytes);
    };
    co_return co_await pool_.run(std::move(work));
  }

  Task<Result<image::LayerSource>> locate(oci::Descriptor blob) override {
    const auto found = image_.blobs.find(blob.digest);
    if (found == image_.blobs.end() || found->second.descriptor().size_bytes != blob.size_bytes)
      co_return missing(blob);
    image::LayerSource source(std::move(blob));
    source.blob = found->second;
    co_return source;
  }

  Task<Result<layer::Blob>> fetch(oci::Descriptor blob) override {
    auto source = co_await locate(std::move(blob));
    if (!source) co_return std::move(source).error();
    co_return std::move(*source->blob);
  }

 private:
  Error missing(const oci::Descriptor& blob) const {
    return {Errc::kNotFound, "there is no " + blob.digest.str() + " with " +
                                 std::to_string(blob.size_bytes) + " bytes in " + name_};
  }

  FoundImage image_;
  std::string name_;
  WorkPool& pool_;
};

/// A file named by its digest ("blobs/sha256/…", "….json") must be what its name says.
Result<void> check_name(const std::string& path, const oci::Digest& digest) {
  auto stem = path.substr(path.rfind('/') + 1);
  if (stem.ends_with(".json")) stem.resize(stem.size() - 5);
  const auto named = oci::Digest::parse("sha256:" + stem);
  if (named && *named != digest)
    return Error(Errc::kCorrupt, "it has other bytes: their digest is " + digest.str());
  return {};
}

std::string_view media_type_of(LayerCompression packing) {
  if (packing == LayerCompression::kGzip) return oci::media_type::kOciLayerGzip;
  if (packing == LayerCompression::kZstd) return oci::media_type::kOciLayerZstd;
  return oci::media_type::kOciLayer;
}

Result<oci::Descriptor> describe_layer(const ArchiveIndex& archive, const std::string& path,
                                       const oci::Digest& diff_id) {
  auto file = archive.open(path);
  if (!file) return std::move(file).error();
  const auto size = file->size_bytes;
  auto packing = packing_of(*file->source);
  if (!packing) return std::move(packing).error().while_doing(archive.shown(path));
  if (*packing == LayerCompression::kUnknown)
    return Error(Errc::kUnsupported,
                 archive.shown(path) + " is packed with something else than gzip or zstd");
  const std::string type(media_type_of(*packing));
  if (*packing == LayerCompression::kNone) return oci::Descriptor(type, diff_id, size);

  file = archive.open(path);  // From its beginning.
  if (!file) return std::move(file).error();
  auto facts = layer::unpack_layer(*file->source, nullptr, layer::ReadLimits());
  if (!facts) return std::move(facts).error().while_doing(archive.shown(path));
  if (facts->diff_id != diff_id)
    return Error(Errc::kCorrupt, archive.shown(path) + " unpacks to a tar with the digest " +
                                     facts->diff_id.str() + ", the config says " + diff_id.str());
  return oci::Descriptor(type, facts->digest, facts->size_bytes);
}

/// The config with its diff_ids, one for each layer.
struct FoundConfig {
  layer::Blob blob;
  std::vector<oci::Digest> diff_ids;
};

Result<FoundConfig> read_config(const ArchiveIndex& archive, const DockerImage& image) {
  auto bytes = read_small_file(archive, image.config, kMaxSmallBytes);
  if (!bytes) return std::move(bytes).error();
  const auto where = archive.shown(image.config);
  auto named = check_name(image.config, oci::Digest::of(*bytes));
  if (!named) return std::move(named).error().while_doing(where);
  auto parsed = oci::Config::parse(*bytes);
  if (!parsed) return std::move(parsed).error().while_doing(where);
  auto diff_ids = parsed->diff_ids();
  if (diff_ids.size() != image.layers.size())
    return Error(Errc::kCorrupt, "manifest.json names " + std::to_string(image.layers.size()) +
                                     " layers, but " + where + " has " +
                                     std::to_string(diff_ids.size()) + " diff_ids");
  auto blob = layer::Blob::of(std::string(oci::media_type::kOciConfig), std::move(*bytes));
  return FoundConfig{std::move(blob), std::move(diff_ids)};
}

Result<FoundImage> find_image(std::shared_ptr<const ArchiveIndex> archive,
                              const DockerImage& image) {
  auto config = read_config(*archive, image);
  if (!config) return std::move(config).error();
  oci::Manifest manifest(std::string(oci::media_type::kOciManifest), config->blob.descriptor());
  std::map<oci::Digest, layer::Blob> blobs;
  std::map<std::pair<std::string, oci::Digest>, oci::Descriptor> known;  // Read once, named often.
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const auto& path = image.layers[i];
    const std::pair key(path, config->diff_ids[i]);
    auto found = known.find(key);
    if (found == known.end()) {
      auto layer = describe_layer(*archive, path, config->diff_ids[i]);
      if (!layer) return std::move(layer).error();
      found = known.emplace(key, std::move(*layer)).first;
    }
    blobs.emplace(found->second.digest, blob_in(archive, path, found->second));
    manifest.layers.push_back(found->second);
  }
  blobs.emplace(manifest.config.digest, std::move(config->blob));
  return FoundImage{oci::RawManifest(manifest.media_type, manifest.to_json()), std::move(blobs)};
}

Error no_manifest(const ArchiveIndex& archive) {
  if (archive.has("repositories"))
    return {Errc::kUnsupported,
            "it has no manifest.json: this is an archive of Docker before 1.10; load it into a "
            "current Docker and save it again"};
  return {Errc::kInvalid,
          "this is no archive of `docker save`: there is no " + archive.shown("manifest.json")};
}

}  // namespace

Result<std::unique_ptr<ImageReader>> open_docker_image(std::shared_ptr<const ArchiveIndex> archive,
                                                       const std::string& image, std::string name,
                                                       WorkPool& pool) {
  if (!archive->has("manifest.json")) {
    if (archive->has("oci-layout"))
      return open_layout_image(std::move(archive), LayoutChoice(image), std::move(name), pool);
    return no_manifest(*archive);
  }
  auto bytes = read_small_file(*archive, "manifest.json", kMaxManifestBytes);
  if (!bytes) return std::move(bytes).error();
  auto images = parse_docker_manifest(*bytes);
  if (!images) return std::move(images).error();
  auto chosen = choose_docker_image(*images, image);
  if (!chosen) return std::move(chosen).error();
  auto found = find_image(std::move(archive), *chosen);
  if (!found) return std::move(found).error();
  return std::unique_ptr<ImageReader>(
      std::make_unique<DockerImageReader>(std::move(*found), std::move(name), pool));
}

}  // namespace kiln::store
