#include "core/oci/manifest.h"

#include <array>

#include "core/oci/manifest_json.h"

namespace kiln::oci {
namespace media_type {
namespace {

struct Pair {
  std::string_view oci;
  std::string_view docker;
};

constexpr std::array<Pair, 5> kPairs = {{{kOciManifest, kDockerManifest},
                                         {kOciIndex, kDockerIndex},
                                         {kOciConfig, kDockerConfig},
                                         {kOciLayer, kDockerLayer},
                                         {kOciLayerGzip, kDockerLayerGzip}}};

}  // namespace

bool is_manifest(std::string_view type) {
  return type == kOciManifest || type == kDockerManifest;
}
bool is_index(std::string_view type) {
  return type == kOciIndex || type == kDockerIndex;
}
bool is_docker(std::string_view type) {
  return type.starts_with("application/vnd.docker.");
}

bool is_nondistributable(std::string_view type) {
  return type.find(".nondistributable.") != type.npos || type.find(".foreign.") != type.npos;
}

LayerCompression layer_compression(std::string_view type) {
  if (type.ends_with("+gzip") || type.ends_with(".tar.gzip")) return LayerCompression::kGzip;
  if (type.ends_with("+zstd") || type.ends_with(".tar.zstd")) return LayerCompression::kZstd;
  if (type.ends_with(".tar") || type.ends_with(".diff.tar")) return LayerCompression::kNone;
  return LayerCompression::kUnknown;
}

std::string to_oci(std::string_view type) {
  for (const auto& pair : kPairs)
    if (type == pair.docker) return std::string(pair.oci);
  return std::string(type);
}

std::string to_docker(std::string_view type) {
  for (const auto& pair : kPairs)
    if (type == pair.oci) return std::string(pair.docker);
  return std::string(type);
}

}  // namespace media_type

namespace {

constexpr std::size_t kMaxEntries = 4096;  // Layers of a manifest, manifests of an index.

Error corrupt(std::string what) {
  return {Errc::kCorrupt, std::move(what)};
}

Result<Json> parse_document(std::string_view json, const char* what) {
  auto document = parse_json(json);
  if (!document) return corrupt(std::string(what) + ": " + document.error().message);
  if (!document->is_object()) return corrupt(std::string(what) + ": not a JSON object");
  if (json_at(*document, "schemaVersion") == 1)
    return Error(Errc::kUnsupported,
                 std::string(what) +
                     ": this is a Docker schema 1 manifest, which no current tool "
                     "makes; push the image again with a current tool");
  return document;
}

Result<std::vector<Descriptor>> descriptors_from(const Json& list, const std::string& name) {
  std::vector<Descriptor> descriptors;
  if (list.is_null()) return descriptors;
  if (!list.is_array()) return corrupt("\"" + name + "\" is not a list");
  if (list.size() > kMaxEntries) return corrupt("\"" + name + "\" has more than 4096 entries");
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto one = descriptor_from_json(list[i], name + "[" + std::to_string(i) + "]");
    if (!one) return std::move(one).error();
    descriptors.push_back(std::move(*one));
  }
  return descriptors;
}

Json descriptors_to(const std::vector<Descriptor>& descriptors) {
  auto list = Json::array();
  for (const auto& one : descriptors) list.push_back(descriptor_to_json(one));
  return list;
}

}  // namespace

Platform platform_from_json(const Json& json) {
  Platform platform;
  platform.os = json_string(json, "os");
  platform.architecture = json_string(json, "architecture");
  platform.variant = json_string(json, "variant");
  platform.os_version = json_string(json, "os.version");
  for (const auto& feature : json_at(json, "os.features"))
    if (feature.is_string()) platform.os_features.push_back(feature.get<std::string>());
  return platform;
}

Json platform_to_json(const Platform& platform) {
  Json json = {{"os", platform.os}, {"architecture", platform.architecture}};
  if (!platform.variant.empty()) json["variant"] = platform.variant;
  if (!platform.os_version.empty()) json["os.version"] = platform.os_version;
  if (!platform.os_features.empty()) json["os.features"] = platform.os_features;
  return json;
}

Annotations annotations_from_json(const Json& json) {
  Annotations annotations;
  if (!json.is_object()) return annotations;
  for (const auto& [key, value] : json.items())
    if (value.is_string()) annotations.emplace(key, value.get<std::string>());
  return annotations;
}

Result<Descriptor> descriptor_from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) return corrupt(where + " is not a descriptor");
  auto digest = Digest::parse(json_string(json, "digest"));
  if (!digest) return corrupt(where + ": " + digest.error().message);
  const auto& size = json_at(json, "size");
  if (!size.is_number_integer() || (size.is_number_integer() && size.get<std::int64_t>() < 0))
    return corrupt(where + ": size is missing or negative");
  Descriptor descriptor(json_string(json, "mediaType"), std::move(*digest),
                        size.get<std::uint64_t>());
  descriptor.annotations = annotations_from_json(json_at(json, "annotations"));
  for (const auto& url : json_at(json, "urls"))
    if (url.is_string()) descriptor.urls.push_back(url.get<std::string>());
  if (json_at(json, "platform").is_object())
    descriptor.platform = platform_from_json(json_at(json, "platform"));
  descriptor.artifact_type = json_string(json, "artifactType");
  return descriptor;
}

Json descriptor_to_json(const Descriptor& descriptor) {
  Json json = {{"mediaType", descriptor.media_type},
               {"digest", descriptor.digest.str()},
               {"size", descriptor.size_bytes}};
  if (!descriptor.annotations.empty()) json["annotations"] = descriptor.annotations;
  if (!descriptor.urls.empty()) json["urls"] = descriptor.urls;
  if (descriptor.platform) json["platform"] = platform_to_json(*descriptor.platform);
  if (!descriptor.artifact_type.empty()) json["artifactType"] = descriptor.artifact_type;
  return json;
}

Result<Manifest> Manifest::parse(std::string_view json) {
  auto document = parse_document(json, "manifest");
  if (!document) return std::move(document).error();
  auto config = descriptor_from_json(json_at(*document, "config"), "config");
  if (!config) return std::move(config).error();
  auto layers = descriptors_from(json_at(*document, "layers"), "layers");
  if (!layers) return std::move(layers).error();
  auto type = json_string(*document, "mediaType");
  if (type.empty()) type = media_type::kOciManifest;
  Manifest manifest(std::move(type), std::move(*config));
  manifest.layers = std::move(*layers);
  manifest.annotations = annotations_from_json(json_at(*document, "annotations"));
  manifest.artifact_type = json_string(*document, "artifactType");
  if (!json_at(*document, "subject").is_null()) {
    auto subject = descriptor_from_json(json_at(*document, "subject"), "subject");
    if (!subject) return std::move(subject).error();
    manifest.subject = std::move(*subject);
  }
  return manifest;
}

std::string Manifest::to_json() const {
  Json json = {{"schemaVersion", 2},
               {"mediaType", media_type},
               {"config", descriptor_to_json(config)},
               {"layers", descriptors_to(layers)}};
  if (!annotations.empty()) json["annotations"] = annotations;
  if (!artifact_type.empty()) json["artifactType"] = artifact_type;
  if (subject) json["subject"] = descriptor_to_json(*subject);
  return dump_json(json);
}

Result<Index> Index::parse(std::string_view json) {
  auto document = parse_document(json, "index");
  if (!document) return std::move(document).error();
  auto manifests = descriptors_from(json_at(*document, "manifests"), "manifests");
  if (!manifests) return std::move(manifests).error();
  auto type = json_string(*document, "mediaType");
  if (type.empty()) type = media_type::kOciIndex;
  Index index(std::move(type));
  index.manifests = std::move(*manifests);
  index.annotations = annotations_from_json(json_at(*document, "annotations"));
  return index;
}

std::string Index::to_json() const {
  Json json = {
      {"schemaVersion", 2}, {"mediaType", media_type}, {"manifests", descriptors_to(manifests)}};
  if (!annotations.empty()) json["annotations"] = annotations;
  return dump_json(json);
}

bool is_attestation(const Descriptor& entry) {
  if (entry.annotations.contains("vnd.docker.reference.type")) return true;
  return entry.platform && entry.platform->os == "unknown" &&
         entry.platform->architecture == "unknown";
}

Result<std::string> detect_media_type(std::string_view json, std::string_view content_type) {
  auto document = parse_document(json, "manifest");
  if (!document) return std::move(document).error();
  auto type = json_string(*document, "mediaType");
  if (type.empty()) type = std::string(content_type.substr(0, content_type.find(';')));
  if (media_type::is_manifest(type) || media_type::is_index(type)) return type;
  if (json_at(*document, "manifests").is_array()) return std::string(media_type::kOciIndex);
  if (json_at(*document, "config").is_object()) return std::string(media_type::kOciManifest);
  return corrupt("manifest: neither an image manifest nor an index");
}

}  // namespace kiln::oci
