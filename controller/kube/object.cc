#include "controller/kube/object.h"

#include <algorithm>

#include "controller/kube/last_applied.h"
#include "controller/kube/managed_fields.h"
#include "controller/kube/object_reader.h"
#include "core/base/json.h"
#include "core/base/json_scan.h"

namespace kiln::kube {
namespace {

Error wrong(std::string_view part, std::string_view expected) {
  return Error(Errc::kInvalid,
               "metadata." + std::string(part) + " must be " + std::string(expected));
}

Result<void> read_text(const Json& metadata, std::string_view part, std::string& out) {
  const auto& value = json_at(metadata, part);
  if (value.is_null()) return {};
  if (!value.is_string()) return wrong(part, "a string");
  out = value.get<std::string>();
  return {};
}

Result<void> read_time(const Json& metadata, std::string_view part, std::optional<WallTime>& out) {
  std::string text;
  KILN_TRY(read_text(metadata, part, text));
  if (text.empty()) return {};
  const auto time = parse_rfc3339(text);
  if (!time) return wrong(part, "a time");
  out = *time;
  return {};
}

Result<void> read_map(const Json& metadata, std::string_view part,
                      std::map<std::string, std::string>& out) {
  const auto& value = json_at(metadata, part);
  if (value.is_null()) return {};
  if (!value.is_object()) return wrong(part, "an object");
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string()) return wrong(part, "an object of strings");
    out.emplace(name, text.get<std::string>());
  }
  return {};
}

Result<void> read_finalizers(const Json& metadata, std::vector<std::string>& out) {
  const auto& value = json_at(metadata, "finalizers");
  if (value.is_null()) return {};
  if (!value.is_array()) return wrong("finalizers", "a list of strings");
  for (const auto& finalizer : value) {
    if (!finalizer.is_string()) return wrong("finalizers", "a list of strings");
    out.push_back(finalizer.get<std::string>());
  }
  return {};
}

Result<ObjectMeta> read_meta(const Json& metadata) {
  ObjectMeta meta;
  KILN_TRY(read_text(metadata, "name", meta.name));
  if (meta.name.empty()) return wrong("name", "there");
  KILN_TRY(read_text(metadata, "namespace", meta.namespace_));
  KILN_TRY(read_text(metadata, "uid", meta.uid));
  KILN_TRY(read_text(metadata, "resourceVersion", meta.resource_version));
  const auto& generation = json_at(metadata, "generation");
  if (!generation.is_null() && !generation.is_number_integer())
    return wrong("generation", "a whole number");
  if (generation.is_number_integer()) meta.generation = generation.get<std::int64_t>();
  KILN_TRY(read_time(metadata, "creationTimestamp", meta.creation_timestamp));
  KILN_TRY(read_time(metadata, "deletionTimestamp", meta.deletion_timestamp));
  KILN_TRY(read_finalizers(metadata, meta.finalizers));
  KILN_TRY(read_map(metadata, "labels", meta.labels));
  KILN_TRY(read_map(metadata, "annotations", meta.annotations));
  return meta;
}

void reduce_managers(Json& metadata) {
  const auto managers = metadata.find("managedFields");
  if (managers == metadata.end()) return;
  Json kept = Json::array();
  if (managers->is_array())
    for (auto& one : *managers)
      if (json_string(one, "manager") == kFieldManager) kept.push_back(std::move(one));
  if (kept.empty())
    metadata.erase(managers);
  else
    *managers = std::move(kept);
}

void reduce(Json& metadata) {
  reduce_managers(metadata);
  const auto annotations = metadata.find("annotations");
  if (annotations == metadata.end() || !annotations->is_object()) return;
  annotations->erase(kLastApplied);
  if (annotations->empty()) metadata.erase("annotations");
}

bool is_kept(std::string_view annotation) {
  const auto domain = annotation.substr(0, annotation.find('/'));
  return domain == "kiln.build" || domain.ends_with(".kiln.build") ||
         domain == "reconcile.fluxcd.io";
}

bool is_for_keeping(const ObjectMeta& meta) {
  const auto kept = [](const auto& annotation) { return is_kept(annotation.first); };
  return meta.labels.empty() && std::all_of(meta.annotations.begin(), meta.annotations.end(), kept);
}

void reduce_for_keeping(Json& metadata) {
  metadata.erase("labels");
  metadata.erase("managedFields");
  const auto annotations = metadata.find("annotations");
  if (annotations == metadata.end() || !annotations->is_object()) return;
  for (auto one = annotations->begin(); one != annotations->end();)
    one = is_kept(one.key()) ? std::next(one) : annotations->erase(one);
  if (annotations->empty()) metadata.erase("annotations");
}

std::string object_text(const JsonMembers& members) {
  std::size_t size = 2;
  for (const auto& [name, value] : members) size += name.size() + value.size() + 4;
  std::string text;
  text.reserve(size);
  for (const auto& [name, value] : members)
    text.append(text.empty() ? "{\"" : ",\"").append(name).append("\":").append(value);
  text.append("}");
  return text;
}

/// "" where it is not there; nullopt where a parser has to look at it.
std::optional<std::string> text_of(const JsonMembers& members, std::string_view name) {
  const auto found = members.find(name);
  if (found == members.end()) return std::string();
  const auto text = plain_json_text(found->second);
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

/// As it stands between its quotes.
std::string escaped(const std::string& name) {
  const auto quoted = dump_json(Json(name));
  return quoted.substr(1, quoted.size() - 2);
}

bool is_decimal(std::string_view text) {
  return !text.empty() && text.size() <= 20 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string ObjectKey::str() const {
  return namespace_.empty() ? name : namespace_ + "/" + name;
}

bool ObjectMeta::has_finalizer(std::string_view finalizer) const {
  return std::find(finalizers.begin(), finalizers.end(), finalizer) != finalizers.end();
}

std::string_view ObjectMeta::annotation(std::string_view name_) const {
  const auto found = annotations.find(std::string(name_));
  return found == annotations.end() ? std::string_view() : std::string_view(found->second);
}

Result<Object> Object::parse(std::string_view json) {
  return ObjectReader::read(json, Reduction::kUsual);
}

Result<Object> Object::parse_for_keeping(std::string_view json) {
  return ObjectReader::read(json, Reduction::kForKeeping);
}

Object Object::for_keeping() const {
  if (is_for_keeping(meta())) return *this;
  auto reduced = parse_for_keeping(data_->json);
  return reduced ? std::move(*reduced) : *this;
}

Result<Json> parse_json_for_keeping(std::string_view text) {
  return parse_json(without_last_applied(without_managed_fields(text)), kMaxDepth);
}

std::optional<JsonMembers> members_of(std::string_view text) {
  JsonMembers members;
  JsonScan scan(text);
  while (const auto part = scan.next()) {
    if (part->name.find('\\') != std::string_view::npos) return std::nullopt;
    members.insert_or_assign(part->name, part->value);
  }
  if (!scan.is_complete() || text.front() != '{') return std::nullopt;
  return members;
}

Result<Object> ObjectReader::read(std::string_view text, Reduction reduction) {
  auto parse = [reduction](std::string_view json) {
    return reduction == Reduction::kForKeeping
               ? parse_json_for_keeping(json)
               : parse_json(without_last_applied(std::string(json)), kMaxDepth);
  };
  auto members = members_of(text);
  const auto kind = members ? text_of(*members, "kind") : std::nullopt;
  const auto version = members ? text_of(*members, "apiVersion") : std::nullopt;
  if (!kind || !version || !members->contains("metadata")) {
    auto json = parse(text);
    if (!json) return std::move(json).error();
    return read(std::move(*json), reduction);
  }
  // Cut and parsed as of an object that has nothing else.
  auto alone = parse(R"({"metadata":)" + std::string(members->at("metadata")) + "}");
  if (!alone) return std::move(alone).error();
  return read_members(std::move(*members), std::move((*alone)["metadata"]), *kind, *version,
                      reduction);
}

Result<Object> ObjectReader::read(Json json, Reduction reduction) {
  if (!json.is_object()) return Error(Errc::kInvalid, "an object of the API must be a JSON object");
  std::map<std::string, std::string> texts;
  for (const auto& [name, value] : json.items())
    if (name != "metadata") texts.emplace(escaped(name), dump_json(value));
  auto metadata = json.find("metadata");
  return read_members(JsonMembers(texts.begin(), texts.end()),
                      metadata == json.end() ? Json() : std::move(*metadata),
                      json_string(json, "kind"), json_string(json, "apiVersion"), reduction);
}

Result<Object> ObjectReader::read_members(JsonMembers members, Json metadata, std::string kind,
                                          std::string api_version, Reduction reduction) {
  if (!metadata.is_object()) return Error(Errc::kInvalid, "the object has no metadata");
  if (reduction == Reduction::kForKeeping) reduce_for_keeping(metadata);
  reduce(metadata);
  auto meta = read_meta(metadata);
  if (!meta) return std::move(meta).error();

  const auto written = dump_json(metadata);
  members.insert_or_assign("metadata", written);
  auto data = std::make_shared<Object::Data>();
  data->meta = std::move(*meta);
  data->kind = std::move(kind);
  data->api_version = std::move(api_version);
  data->json = object_text(members);
  return Object(std::shared_ptr<const Object::Data>(std::move(data)));
}

std::optional<bool> is_newer_version(std::string_view a, std::string_view b) {
  if (!is_decimal(a) || !is_decimal(b)) return std::nullopt;
  if (a.size() != b.size()) return a.size() > b.size();
  return a > b;
}

}  // namespace kiln::kube
