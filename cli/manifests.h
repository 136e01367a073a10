#pragma once
#include <map>
#include <string>
#include <vector>

#include "controller/api/image_build.h"
#include "controller/plan/named_data.h"
#include "core/base/error.h"

namespace kiln::cli {

/// What `-f` files hold: ImageBuilds and, by "namespace/name", the ConfigMaps and Secrets beside
/// them. An object without a namespace is in "default", as kubectl takes it.
struct Manifests {
  std::vector<api::ImageBuild> builds;
  std::map<std::string, plan::NamedData> config_maps;
  std::map<std::string, plan::NamedData> secrets;
};

/// Reads files ("-" = standard input; a folder = its .yaml, .yml and .json files, sorted), YAML or
/// JSON, several documents and Lists. Objects of other kinds are left alone, so that a file with a
/// Namespace or a Deployment in it works too.
/// Errors: kNotFound, kInvalid: naming file, line and field; an object that stands twice.
[[nodiscard]] Result<Manifests> load_manifests(const std::vector<std::string>& files);

}  // namespace kiln::cli
