#include "controller/api/json_reader.h"

#include <algorithm>

namespace kiln::api {
namespace {

/// "spec.content[3].path" → "spec.content[].path".
std::string without_indexes(std::string_view path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    if (c == ']') inside = false;
    if (!inside) out += c;
    if (c == '[') inside = true;
  }
  return out;
}

}  // namespace

JsonReader::JsonReader(const Json& object, std::string path, ReadContext& context)
    : object_(object), path_(std::move(path)), context_(context) {
  if (!object_.is_object() && !object_.is_null()) context_.fail(path_ + " must be an object");
}

std::string JsonReader::path_of(std::string_view key) const {
  if (!context_.with_paths) return {};
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

std::string JsonReader::item_path(std::string_view key, std::size_t index) const {
  if (!context_.with_paths) return {};
  return path_of(key) + "[" + std::to_string(index) + "]";
}

void JsonReader::wrong(std::string_view key, std::string_view what) {
  context_.fail(path_of(key) + " must be " + std::string(what));
}

bool JsonReader::has(std::string_view key) const {
  return !json_at(object_, key).is_null();
}

const Json& JsonReader::ask(std::string_view key, bool list) {
  skip(key);
  if (context_.asked) context_.asked->insert(without_indexes(path_of(key)));
  const auto& value = json_at(object_, key);
  if (list && !value.is_null() && !value.is_array()) wrong(key, "a list");
  return value;
}

std::optional<std::string> JsonReader::optional_text(std::string_view key) {
  const auto& value = ask(key);
  if (value.is_null()) return std::nullopt;
  if (!value.is_string()) {
    wrong(key, "a string: put it in quotes");
    return std::nullopt;
  }
  return value.get<std::string>();
}

std::string JsonReader::text(std::string_view key, std::string fallback) {
  return optional_text(key).value_or(std::move(fallback));
}

std::string JsonReader::required_text(std::string_view key) {
  auto value = optional_text(key);
  if (!value || value->empty()) context_.fail(path_of(key) + " is missing");
  return std::move(value).value_or("");
}

std::string JsonReader::choice(std::string_view key,
                               std::initializer_list<std::string_view> names) {
  auto value = text(key, std::string(*names.begin()));
  if (std::find(names.begin(), names.end(), value) != names.end()) return value;
  std::string listed;
  for (const auto name : names) listed += (listed.empty() ? "" : ", ") + std::string(name);
  wrong(key, "one of " + listed);
  return std::string(*names.begin());
}

bool JsonReader::boolean(std::string_view key, bool fallback) {
  const auto& value = ask(key);
  if (value.is_null()) return fallback;
  if (!value.is_boolean()) wrong(key, "true or false");
  return value.is_boolean() ? value.get<bool>() : fallback;
}

std::int64_t JsonReader::integer(std::string_view key, std::int64_t fallback, std::int64_t least,
                                 std::int64_t most) {
  const auto& value = ask(key);
  if (value.is_null()) return fallback;
  const bool fits = value.is_number_integer() &&
                    !(value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) &&
                    value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most;
  if (fits) return value.get<std::int64_t>();
  wrong(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return fallback;
}

std::optional<std::uint32_t> JsonReader::optional_number(std::string_view key, std::int64_t most) {
  const auto value = integer(key, -1, 0, most);
  if (!has(key) || value < 0) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

std::optional<std::vector<std::string>> JsonReader::optional_texts(std::string_view key) {
  const auto& value = ask(key, true);
  if (!value.is_array()) return std::nullopt;
  std::vector<std::string> all;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!value[i].is_string()) {
      context_.fail(item_path(key, i) + " must be a string: put it in quotes");
      continue;
    }
    all.push_back(value[i].get<std::string>());
  }
  return all;
}

std::vector<std::string> JsonReader::texts(std::string_view key) {
  return optional_texts(key).value_or(std::vector<std::string>());
}

std::map<std::string, std::string> JsonReader::text_map(std::string_view key) {
  const auto& value = ask(key);
  std::map<std::string, std::string> all;
  if (!value.is_null() && !value.is_object()) wrong(key, "an object of strings");
  if (!value.is_object()) return all;
  for (const auto& [name, text] : value.items()) {
    if (text.is_string())
      all.emplace(name, text.get<std::string>());
    else
      context_.fail(path_of(key) + "." + name + " must be a string: put it in quotes");
  }
  return all;
}

JsonReader JsonReader::object(std::string_view key) {
  return JsonReader(ask(key), path_of(key), context_);
}

void JsonReader::finish() {
  if (!context_.refuse_unknown || !object_.is_object()) return;
  for (const auto& [key, value] : object_.items()) {
    if (known_.contains(key)) continue;
    std::string listed;
    for (const auto& name : known_) listed += (listed.empty() ? "" : ", ") + name;
    context_.fail(path_of(key) + " is not a field of ImageBuild; known here: " + listed);
  }
}

}  // namespace kiln::api
