#include "core/registry/protocol/referrer.h"

#include "core/base/encoding.h"
#include "core/base/json.h"

namespace kiln::registry::protocol {
namespace {

Error not_an_index(std::string_view why) {
  return {Errc::kCorrupt, "the list of referrers " + std::string(why)};
}

}  // namespace

std::optional<Referrer> referrer_of(const oci::RawManifest& manifest) {
  if (manifest.bytes.find("\"subject\"") == std::string::npos) return std::nullopt;
  const auto json = parse_json(manifest.bytes);
  if (!json || !json->is_object()) return std::nullopt;
  const auto subject = oci::Digest::parse(json_string(json_at(*json, "subject"), "digest"));
  if (!subject) return std::nullopt;
  auto entry = manifest.descriptor();
  entry.artifact_type = json_string(*json, "artifactType");
  if (entry.artifact_type.empty())
    entry.artifact_type = json_string(json_at(*json, "config"), "mediaType");
  const auto& annotations = json_at(*json, "annotations");
  if (annotations.is_object())
    for (const auto& [key, value] : annotations.items())
      if (value.is_string()) entry.annotations.emplace(key, value.get<std::string>());
  return Referrer{*subject, std::move(entry)};
}

std::string referrers_tag(const oci::Digest& subject) {
  return "sha256-" + std::string(subject.hex());
}

std::string referrers_path(const oci::Repository& repository, const oci::Digest& subject,
                           std::string_view artifact_type) {
  auto path = "/v2/" + repository.path + "/referrers/" + subject.str();
  if (!artifact_type.empty()) path += "?artifactType=" + percent_encode(artifact_type);
  return path;
}

Result<std::optional<oci::RawManifest>> with_entry(std::string_view index_json,
                                                   const oci::Descriptor& entry) {
  Json index = {{"schemaVersion", 2},
                {"mediaType", oci::media_type::kOciIndex},
                {"manifests", Json::array()}};
  if (!index_json.empty()) {
    auto parsed = parse_json(index_json);
    if (!parsed || !parsed->is_object()) return not_an_index("is not a JSON object");
    if (!json_at(*parsed, "manifests").is_array()) return not_an_index("has no \"manifests\"");
    index = *std::move(parsed);
  }
  for (const auto& one : index["manifests"])
    if (json_string(one, "digest") == entry.digest.str()) return std::optional<oci::RawManifest>();
  oci::Index single{std::string(oci::media_type::kOciIndex)};
  single.manifests.push_back(entry);
  index["manifests"].push_back((*parse_json(single.to_json()))["manifests"][0]);
  return std::optional<oci::RawManifest>(
      oci::RawManifest(std::string(oci::media_type::kOciIndex), dump_json(index)));
}

}  // namespace kiln::registry::protocol
