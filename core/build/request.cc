#include "core/build/request.h"

namespace kiln::build {

Result<LayerPolicy> parse_layer_policy(std::string_view text) {
  if (text == "auto" || text == "Auto") return LayerPolicy::kAuto;
  if (text == "single" || text == "Single") return LayerPolicy::kSingle;
  if (text == "per-content" || text == "PerContent") return LayerPolicy::kPerContent;
  return Error(Errc::kInvalid, "layers is one of auto, single, per-content");
}

std::string name_of_content(const BuildRequest& request, std::size_t index) {
  const auto& content = request.content.at(index);
  const auto& name = content.name;
  return name.empty()
             ? "content[" + std::to_string(index) + "] (" + content.source->description() + ")"
             : name;
}

}  // namespace kiln::build
