#include "controller/rollout/pod_images.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/base/json.h"

namespace kiln::rollout {
namespace {

constexpr std::size_t kMaxDepth = 256;
constexpr std::string_view kVolumes = "volumes";

std::vector<std::string> path_of(const kube::ResourceType& type) {
  if (type.kind == "CronJob") return {"spec", "jobTemplate", "spec", "template", "spec"};
  return {"spec", "template", "spec"};
}

const Json& follow(const Json& from, const std::vector<std::string>& path, std::string_view mark) {
  const auto* at = &from;
  for (const auto& part : path) at = &json_at(*at, std::string(mark) + part);
  return *at;
}

/// The names of the items of `list` that hold an image of ours.
/// Source: structured-merge-diff, fieldpath/serialize.go: fields are "f:NAME", items of a list that
/// is merged by its keys are "k:{"KEY":VALUE}".
void collect_ours(const Json& pod_fields, const std::string& list, std::set<std::string>& names) {
  const auto& items = json_at(pod_fields, "f:" + list);
  if (!items.is_object()) return;
  for (const auto& [text, fields] : items.items()) {
    if (!text.starts_with("k:")) continue;
    const auto key = parse_json(std::string_view(text).substr(2));
    const auto& image = json_at(fields, "f:image");
    const bool has =
        list == kVolumes ? json_at(image, "f:reference").is_object() : image.is_object();
    if (key && has) names.insert(json_string(*key, "name"));
  }
}

std::set<std::string> ours_in(const Json& object, const std::vector<std::string>& path,
                              const std::string& list) {
  std::set<std::string> names;
  const auto& managers = json_at(json_at(object, "metadata"), "managedFields");
  if (!managers.is_array()) return names;
  for (const auto& one : managers)
    if (json_string(one, "manager") == kube::kFieldManager &&
        json_string(one, "operation") == "Apply" && json_string(one, "subresource").empty())
      collect_ours(follow(json_at(one, "fieldsV1"), path, "f:"), list, names);
  return names;
}

}  // namespace

Result<PodImages> PodImages::read(const kube::Object& object, const kube::ResourceType& type) {
  const auto json = parse_json(object.json(), kMaxDepth);
  if (!json) return json.error();
  PodImages images;
  images.path_ = path_of(type);
  const auto& pod = follow(*json, images.path_, "");
  if (!pod.is_object())
    return Error(Errc::kInvalid, "the " + std::string(type.kind) + " has no pod template");
  for (const std::string list : {"containers", "initContainers", "volumes"}) {
    const auto& items = json_at(pod, list);
    if (!items.is_array()) continue;
    const bool volumes = list == kVolumes;
    const auto ours = ours_in(*json, images.path_, list);
    for (const auto& entry : items) {
      Item item;
      item.list = list;
      item.place = Place(volumes ? Place::Kind::kVolume : Place::Kind::kContainer,
                         json_string(entry, "name"));
      item.is_image = !volumes || json_at(entry, "image").is_object();
      item.image =
          volumes ? json_string(json_at(entry, "image"), "reference") : json_string(entry, "image");
      item.ours = ours.contains(item.place.name);
      images.items_.push_back(std::move(item));
    }
  }
  return images;
}

const PodImages::Item* PodImages::find(const Place& place) const {
  const auto is_it = [&](const Item& item) { return item.place == place; };
  const auto found = std::find_if(items_.begin(), items_.end(), is_it);
  return found == items_.end() ? nullptr : &*found;
}

Result<std::string> PodImages::at(const Place& place) const {
  const auto* item = find(place);
  if (item != nullptr && item->is_image) return item->image;
  if (item != nullptr)
    return Error(Errc::kInvalid, place.str() + " is no image volume: it has no field image");
  std::string others;
  for (const auto& other : items_)
    if (other.place.kind == place.kind && other.is_image)
      others += (others.empty() ? "" : ", ") + ("\"" + other.place.name + "\"");
  return Error(Errc::kNotFound, "the pod template has no " + place.str() + "; it has " +
                                    (others.empty() ? "none at all" : others));
}

std::string PodImages::to_apply(const Images& images) const {
  Json pod = Json::object();
  for (const auto& item : items_) {
    const auto wanted = images.find(item.place);
    if (wanted == images.end() && (!item.ours || item.image.empty())) continue;
    const auto& image = wanted == images.end() ? item.image : wanted->second;
    Json entry = {{"name", item.place.name}};
    if (item.list == kVolumes)
      entry["image"] = {{"reference", image}};
    else
      entry["image"] = image;
    pod[item.list].push_back(std::move(entry));
  }
  Json object = std::move(pod);
  for (auto part = path_.rbegin(); part != path_.rend(); ++part) {
    Json outer = Json::object();
    outer[*part] = std::move(object);
    object = std::move(outer);
  }
  return dump_json(object);
}

}  // namespace kiln::rollout
