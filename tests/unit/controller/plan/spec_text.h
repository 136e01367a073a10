#pragma once
#include <memory>
#include <stdexcept>

#include "controller/api/image_build.h"
#include "core/base/json.h"

namespace kiln::plan {

/// The ImageBuild web/site with `change` merged into a small valid spec.
inline std::shared_ptr<api::ImageBuild> build_with(const Json& change = Json::object()) {
  Json spec = {{"base", {{"image", "nginx:1.27"}}},
               {"content", {{{"path", "/srv"}, {"inline", {{"files", {{"a.txt", "a"}}}}}}}},
               {"output", {{"image", "r.test/team/site:latest"}}}};
  spec.merge_patch(change);
  const Json object = {{"metadata", {{"name", "site"}, {"namespace", "web"}, {"uid", "uid-1"}}},
                       {"spec", spec}};
  auto build = api::parse_image_build(dump_json(object), api::UnknownFields::kRefuse);
  if (!build) throw std::logic_error(build.error().message);
  return std::make_shared<api::ImageBuild>(std::move(*build));
}

}  // namespace kiln::plan
