#include "core/base/json.h"
#include "core/base/sha256.h"
#include "core/build/builder.h"
#include "core/build/layer_cut.h"

namespace kiln::build {
namespace {

constexpr int kKeyFormat = 1;  ///< Raised when the key's own make-up changes.

Json optional_number(const std::optional<std::uint32_t>& value) {
  return value ? Json(*value) : Json();
}

Json content_json(const BuildRequest& request, const std::vector<FetchedContent>& content) {
  auto list = Json::array();
  for (std::size_t i = 0; i < content.size() && i < request.content.size(); ++i) {
    const auto& wanted = request.content[i];
    list.push_back({{"path", wanted.path},
                    {"identity", content[i].content.identity},
                    {"uid", optional_number(wanted.ownership.uid)},
                    {"gid", optional_number(wanted.ownership.gid)},
                    {"fileMode", optional_number(wanted.ownership.file_mode)},
                    {"dirMode", optional_number(wanted.ownership.dir_mode)}});
  }
  return list;
}

Json base_json(const ResolvedImage& base) {
  auto list = Json::array();
  for (const auto& platform : base.platforms)
    list.push_back({{"platform", platform.platform.str()},
                    {"digest", base.digest ? platform.descriptor.digest.str() : "scratch"}});
  return list;
}

}  // namespace

std::string input_key(const BuildRequest& request, const ResolvedImage& base,
                      const std::vector<FetchedContent>& content) {
  const Json key = {
      {"format", kKeyFormat},
      {"encoder", layer::encoder_id(request.compression)},
      {"base", base_json(base)},
      {"remove", request.remove},
      {"content", content_json(request, content)},
      {"config", request.config.to_json()},
      {"layers", {static_cast<int>(request.layers), kCutVersion}},
      {"timestamps", {static_cast<int>(request.timestamps.kind), request.timestamps.fixed}},
      {"created", request.created},
      {"docker", request.docker_media_types},
      {"annotations", request.annotations},
  };
  return sha256_hex(dump_json(key));
}

std::string layers_key(const BuildRequest& request, const std::vector<FetchedContent>& content,
                       std::string_view facts, const std::vector<EarlierLayer>& layers) {
  auto made = Json::array();
  for (const auto& layer : layers)
    made.push_back({{"digest", layer.descriptor.digest.str()},
                    {"diffID", layer.diff_id.str()},
                    {"size", layer.descriptor.size_bytes},
                    {"mediaType", layer.descriptor.media_type},
                    {"createdBy", layer.line}});
  const Json key = {
      {"format", kKeyFormat},
      {"encoder", layer::encoder_id(request.compression)},
      {"facts", facts},
      {"remove", request.remove},
      {"content", content_json(request, content)},
      {"layers", {static_cast<int>(request.layers), kCutVersion}},
      {"timestamps", {static_cast<int>(request.timestamps.kind), request.timestamps.fixed}},
      {"docker", request.docker_media_types},
      {"made", made},
  };
  return sha256_hex(dump_json(key));
}

std::string history_tag(std::string_view input_key) {
  return "kiln-" + std::string(input_key.substr(0, 12));
}

}  // namespace kiln::build
