#include "core/base/json.h"

namespace kiln {
namespace {

/// The deepest nesting of containers in `text`, counting outside of strings only.
std::size_t nesting_depth(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '{' || c == '[') deepest = std::max(deepest, ++depth);
    if ((c == '}' || c == ']') && depth > 0) --depth;
  }
  return deepest;
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::size_t max_depth) {
  if (nesting_depth(text) > max_depth)
    return Error(Errc::kInvalid,
                 "JSON is nested deeper than " + std::to_string(max_depth) + " levels");
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::parse_error& e) {
    return Error(Errc::kInvalid, "not valid JSON (at byte " + std::to_string(e.byte) + ")");
  } catch (const Json::exception&) {
    return Error(Errc::kInvalid, "not valid JSON (a number is out of range)");
  }
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string json_string(const Json& object, std::string_view key) {
  const auto& value = json_at(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

const Json& json_at(const Json& object, std::string_view key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

}  // namespace kiln
