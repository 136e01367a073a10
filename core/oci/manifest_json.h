#pragma once
// JSON of descriptors and small shared pieces. Heavy (nlohmann): for .cc files of this folder only.
#include <string_view>

#include "core/base/json.h"
#include "core/oci/manifest.h"

namespace kiln::oci {

/// `where` goes into the error: "layers[3]".
[[nodiscard]] Result<Descriptor> descriptor_from_json(const Json& json, const std::string& where);
Json descriptor_to_json(const Descriptor& descriptor);
Platform platform_from_json(const Json& json);
Json platform_to_json(const Platform& platform);
Annotations annotations_from_json(const Json& json);

}  // namespace kiln::oci
