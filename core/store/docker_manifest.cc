#include "core/store/docker_manifest.h"

#include <algorithm>
#include <utility>

#include "core/base/json.h"
#include "core/store/layout_choice.h"

namespace kiln::store {
namespace {

constexpr std::size_t kMaxEntries = 4096;

Error corrupt(std::string what) {
  return {Errc::kCorrupt, "manifest.json: " + std::move(what)};
}

/// A list of strings; null and absent are empty.
Result<std::vector<std::string>> strings_at(const Json& object, const char* key) {
  std::vector<std::string> strings;
  const auto& list = json_at(object, key);
  if (list.is_null()) return strings;
  if (!list.is_array() || list.size() > kMaxEntries)
    return corrupt(std::string("\"") + key + "\" is no list of at most 4096 names");
  for (const auto& one : list) {
    if (!one.is_string())
      return corrupt(std::string("\"") + key + "\" holds something else than names");
    strings.push_back(one.get<std::string>());
  }
  return strings;
}

Result<DockerImage> parse_entry(const Json& entry) {
  DockerImage image;
  if (!entry.is_object()) return corrupt("it holds something else than images");
  image.config = json_string(entry, "Config");
  if (image.config.empty()) return corrupt("an image without \"Config\"");
  auto layers = strings_at(entry, "Layers");
  if (!layers) return std::move(layers).error();
  image.layers = std::move(*layers);
  auto names = strings_at(entry, "RepoTags");
  if (!names) return std::move(names).error();
  image.names = std::move(*names);
  return image;
}

bool has_name(const DockerImage& image, const std::string& name) {
  return std::any_of(image.names.begin(), image.names.end(),
                     [&](const auto& one) { return one == name || is_same_name(one, name); });
}

std::string names_of(const std::vector<DockerImage>& images) {
  NameList names;
  for (const auto& image : images) {
    if (image.names.empty()) names.add("one without a name");
    for (const auto& name : image.names) names.add(name);
  }
  return names.str();
}

}  // namespace

Result<std::vector<DockerImage>> parse_docker_manifest(std::string_view json) {
  auto document = parse_json(json);
  if (!document) return corrupt(document.error().message);
  if (!document->is_array() || document->size() > kMaxEntries)
    return corrupt("it is no list of at most 4096 images");
  std::vector<DockerImage> images;
  for (const auto& entry : *document) {
    auto image = parse_entry(entry);
    if (!image) return std::move(image).error();
    images.push_back(std::move(*image));
  }
  return images;
}

Result<DockerImage> choose_docker_image(const std::vector<DockerImage>& images,
                                        const std::string& name) {
  if (images.empty()) return Error(Errc::kNotFound, "there is no image in it");
  if (name.empty()) {
    if (images.size() == 1) return images.front();
    return Error(Errc::kInvalid, "there are " + std::to_string(images.size()) +
                                     " images in it; choose one by its name: " + names_of(images));
  }
  std::vector<DockerImage> found;
  for (const auto& image : images)
    if (has_name(image, name)) found.push_back(image);
  if (found.size() == 1) return std::move(found.front());
  if (found.empty())
    return Error(Errc::kNotFound, "it has no image " + name + ", but " + names_of(images));
  return Error(Errc::kInvalid,
               std::to_string(found.size()) + " images in it have the name " + name);
}

}  // namespace kiln::store
