#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace kiln::store {

/// One entry of the manifest.json of a `docker save` archive: names of files in it, config and
/// layers, lowest first. Source: moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem
/// Changeset Format".
struct DockerImage {
  std::string config{};
  std::vector<std::string> layers{};
  std::vector<std::string> names{};  ///< RepoTags, "NAME:TAG".
};

/// All images of manifest.json. Errors: kCorrupt, naming the wrong part.
[[nodiscard]] Result<std::vector<DockerImage>> parse_docker_manifest(std::string_view json);

/// The image named `name` ("nginx:1.27" is "docker.io/library/nginx:1.27" too); "" = the only one.
/// Errors: kNotFound, kInvalid, both listing the names there are.
[[nodiscard]] Result<DockerImage> choose_docker_image(const std::vector<DockerImage>& images,
                                                      const std::string& name);

}  // namespace kiln::store
