#include "controller/rollout/annotation.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "core/base/json.h"

namespace kiln::rollout {
namespace {

constexpr std::size_t kMostEntries = 64;
constexpr std::size_t kLongestName = 253;
constexpr std::size_t kMaxDepth = 4;
constexpr const char* kForm = R"([{"imageBuild":"site","container":"web"}])";

Error wrong(const std::string& what) {
  return Error(Errc::kInvalid, std::string(kImageFrom) + what);
}

/// As names of Kubernetes are: what else is in it never meets an object, and may be a mistake of
/// another kind ("other-namespace/site").
bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  return !text.empty() && text.size() <= kLongestName &&
         std::all_of(text.begin(), text.end(), fits);
}

Result<std::string> read_name(const Json& entry, std::string_view field, const std::string& where) {
  const auto& value = json_at(entry, field);
  if (!value.is_string() || !is_name(value.get_ref<const std::string&>()))
    return wrong(where + "." + std::string(field) +
                 " must be a name of lower case letters, digits, \"-\" and \".\"" +
                 (field == "imageBuild" ? ", of an ImageBuild in the same namespace" : ""));
  return value.get<std::string>();
}

Result<ImageFrom> read_entry(const Json& entry, const std::string& where) {
  if (!entry.is_object()) return wrong(where + " must be an object, as in " + kForm);
  for (const auto& [field, value] : entry.items())
    if (field != "imageBuild" && field != "container" && field != "volume")
      return wrong(where +
                   " has an unknown field; there are imageBuild and either container or volume");
  const bool volume = entry.contains("volume");
  if (!entry.contains("imageBuild")) return wrong(where + ".imageBuild is missing");
  if (volume == entry.contains("container"))
    return wrong(where + " must have either container or volume");
  auto build = read_name(entry, "imageBuild", where);
  if (!build) return std::move(build).error();
  auto name = read_name(entry, volume ? "volume" : "container", where);
  if (!name) return std::move(name).error();
  ImageFrom from;
  from.image_build = std::move(*build);
  from.place = Place(volume ? Place::Kind::kVolume : Place::Kind::kContainer, std::move(*name));
  return from;
}

}  // namespace

std::string Place::str() const {
  return std::string(kind == Kind::kVolume ? "volume" : "container") + " \"" + name + "\"";
}

Result<std::vector<ImageFrom>> parse_image_from(std::string_view text) {
  const auto json = parse_json(text, kMaxDepth);
  if (!json) return wrong(" is " + json.error().message + "; it must be as in " + kForm);
  if (!json->is_array() || json->empty())
    return wrong(std::string(" must be a list with at least one entry, as in ") + kForm);
  if (json->size() > kMostEntries)
    return wrong(" has more than " + std::to_string(kMostEntries) + " entries");
  std::vector<ImageFrom> entries;
  std::set<Place> places;
  for (const auto& item : *json) {
    const auto where = "[" + std::to_string(entries.size()) + "]";
    auto entry = read_entry(item, where);
    if (!entry) return std::move(entry).error();
    if (!places.insert(entry->place).second)
      return wrong(where + " names " + entry->place.str() + " once more");
    entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace kiln::rollout
