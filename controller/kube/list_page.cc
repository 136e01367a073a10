#include "controller/kube/list_page.h"

#include <optional>
#include <string>
#include <utility>

#include "controller/kube/object_reader.h"
#include "core/base/json.h"
#include "core/base/json_scan.h"

namespace kiln::kube {
namespace {

/// What the server answers besides the objects.
Result<ObjectList> empty_list(const Json& list) {
  const auto& metadata = json_at(list, "metadata");
  const auto items = list.is_object() ? list.find("items") : list.end();
  const bool has_items = list.is_object() && items != list.end() && !items->is_null();
  if (!metadata.is_object() || (has_items && !items->is_array()))
    return Error(Errc::kCorrupt, "the answer is no list of objects");
  ObjectList begun;
  begun.resource_version = json_string(metadata, "resourceVersion");
  begun.continue_token = json_string(metadata, "continue");
  return begun;
}

void add(ObjectList& list, Result<Object> object, const ResourceType& type) {
  const auto is_other = [&type](const std::string& kind) {
    return !kind.empty() && kind != "PartialObjectMetadata" && kind != type.kind;
  };
  if (object && !is_other(object->kind()))
    list.items.push_back(std::move(*object));
  else
    ++list.undecodable;
}

/// The list without having been parsed but for its metadata; nullopt where JsonScan cannot tell all
/// of it.
std::optional<Result<ObjectList>> scan_list(std::string_view body, const ResourceType& type) {
  const auto members = members_of(body);
  if (!members || !members->contains("metadata") || !members->contains("items"))
    return std::nullopt;
  const auto metadata = "{\"metadata\":" + std::string(members->at("metadata")) + "}";
  const auto head = parse_json(metadata);
  const auto items = members->at("items");
  if (!head || items.front() != '[') return std::nullopt;
  auto list = empty_list(*head);
  if (!list) return list;
  JsonScan scan(items);
  while (const auto item = scan.next())
    add(*list, ObjectReader::read(item->value, Reduction::kForKeeping), type);
  if (!scan.is_complete()) return std::nullopt;
  return list;
}

}  // namespace

Result<ObjectList> parse_list(std::string_view body, const ResourceType& type) {
  if (auto scanned = scan_list(body, type)) return std::move(*scanned);
  auto json = parse_json_for_keeping(body);
  if (!json) return Error(Errc::kCorrupt, "the list is " + json.error().message);
  auto list = empty_list(*json);
  if (!list || !json->contains("items")) return list;
  for (auto& item : (*json)["items"])
    add(*list, ObjectReader::read(std::move(item), Reduction::kForKeeping), type);
  return list;
}

}  // namespace kiln::kube
