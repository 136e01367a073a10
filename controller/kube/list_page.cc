#include "controller/kube/list_page.h"

#include <utility>

#include "controller/kube/object_reader.h"
#include "core/base/json.h"

namespace kiln::kube {
namespace {

bool is_other_kind(const Json& item, const ResourceType& type) {
  const auto kind = json_string(item, "kind");
  return !kind.empty() && kind != "PartialObjectMetadata" && kind != type.kind;
}

}  // namespace

Result<ObjectList> parse_list(std::string_view body, const ResourceType& type) {
  auto json = parse_json_for_keeping(body);
  if (!json) return Error(Errc::kCorrupt, "the list is " + json.error().message);
  const auto items = json->is_object() ? json->find("items") : json->end();
  const bool has_items = json->is_object() && items != json->end();
  const auto& metadata = json_at(*json, "metadata");
  if (!metadata.is_object() || (has_items && !items->is_array() && !items->is_null()))
    return Error(Errc::kCorrupt, "the answer is no list of objects");

  ObjectList list;
  list.resource_version = json_string(metadata, "resourceVersion");
  list.continue_token = json_string(metadata, "continue");
  if (!has_items || items->is_null()) return list;
  list.items.reserve(items->size());
  for (auto& item : *items) {
    if (is_other_kind(item, type)) {
      ++list.undecodable;
      continue;
    }
    auto object = ObjectReader::read_for_keeping(std::move(item));
    if (object)
      list.items.push_back(std::move(*object));
    else
      ++list.undecodable;
  }
  return list;
}

}  // namespace kiln::kube
