#pragma once
#include <algorithm>

#include "core/base/json.h"

namespace kiln::fakes {

/// Sets the fields of `from` in `into`, as server-side apply does: objects field by field, lists of
/// objects item by item by their names; an item that is not there is added.
inline void merge_by_name(Json& into, const Json& from) {
  if (from.is_object() && into.is_object()) {
    for (const auto& [field, value] : from.items()) merge_by_name(into[field], value);
    return;
  }
  if (!from.is_array() || !into.is_array()) {
    into = from;
    return;
  }
  for (const auto& item : from) {
    const auto has_its_name = [&](const Json& one) {
      return json_string(one, "name") == json_string(item, "name");
    };
    const auto found = std::find_if(into.begin(), into.end(), has_its_name);
    if (found == into.end())
      into.push_back(item);
    else
      merge_by_name(*found, item);
  }
}

}  // namespace kiln::fakes
