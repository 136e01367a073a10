#include "controller/kube/watch_line.h"

#include <utility>

#include "controller/kube/object_reader.h"
#include "controller/kube/status_error.h"
#include "core/base/json.h"
#include "core/base/json_scan.h"

namespace kiln::kube {
namespace {

constexpr std::string_view kInitialEventsEnd = "k8s.io/initial-events-end";

WatchEvent undecodable(std::string why, std::string resource_version = "") {
  WatchEvent event(WatchEventType::kUndecodable);
  event.error = Error(Errc::kCorrupt, std::move(why));
  event.resource_version = std::move(resource_version);
  return event;
}

std::optional<WatchEventType> type_of(std::string_view text) {
  if (text == "ADDED") return WatchEventType::kAdded;
  if (text == "MODIFIED") return WatchEventType::kModified;
  if (text == "DELETED") return WatchEventType::kDeleted;
  if (text == "BOOKMARK") return WatchEventType::kBookmark;
  if (text == "ERROR") return WatchEventType::kError;
  return std::nullopt;
}

/// Empty if `object` may be of `type`. Metadata-only objects say nothing of their kind.
std::string wrong_kind(const Object& object, const ResourceType& type) {
  const auto& kind = object.kind();
  if (kind.empty() || kind == "PartialObjectMetadata") return {};
  if (kind != type.kind) return "the object is no " + std::string(type.kind);
  const auto& version = object.api_version();
  if (!version.empty() && version != type.api_version())
    return "the object's apiVersion is not " + type.api_version();
  return {};
}

WatchEvent bookmark(const Json& metadata) {
  WatchEvent event(WatchEventType::kBookmark);
  event.resource_version = json_string(metadata, "resourceVersion");
  event.initial_events_end =
      json_string(json_at(metadata, "annotations"), kInitialEventsEnd) == "true";
  if (event.resource_version.empty()) return undecodable("a bookmark without resourceVersion");
  return event;
}

std::string_view member(const JsonMembers& members, std::string_view name) {
  const auto found = members.find(name);
  return found == members.end() ? std::string_view() : found->second;
}

/// What an event tells of an object that is there, without being read; nullopt where that is not
/// all there.
std::optional<ObjectState> state_in(const JsonMembers& event) {
  const auto type = member(event, "type");
  if (type != "\"ADDED\"" && type != "\"MODIFIED\"") return std::nullopt;
  ObjectState state({}, "", "");
  JsonScan metadata(json_member(member(event, "object"), "metadata"));
  while (const auto member = metadata.next()) {
    if (member->name == "name") state.key.name = plain_json_text(member->value);
    if (member->name == "namespace") state.key.namespace_ = plain_json_text(member->value);
    if (member->name == "uid") state.uid = plain_json_text(member->value);
    if (member->name == "resourceVersion") state.resource_version = plain_json_text(member->value);
  }
  if (state.key.name.empty() || state.uid.empty() || state.resource_version.empty())
    return std::nullopt;
  return state;
}

bool is_of_object(WatchEventType type) {
  return type == WatchEventType::kAdded || type == WatchEventType::kModified ||
         type == WatchEventType::kDeleted;
}

WatchEvent object_event(WatchEventType event_type, Object object, const ResourceType& type) {
  if (auto why = wrong_kind(object, type); !why.empty())
    return undecodable(std::move(why), object.meta().resource_version);
  WatchEvent event(event_type);
  event.resource_version = object.meta().resource_version;
  event.object.emplace(std::move(object));
  return event;
}

/// What is no event of an object, or has something that is wrong or not written as servers do.
WatchEvent parse_other_line(std::string_view line, const ResourceType& type) {
  auto json = parse_json_for_keeping(line);
  if (!json) return undecodable(json.error().message);
  const auto event_type = type_of(json_string(*json, "type"));
  if (!event_type) return undecodable("the type of the event is not known");
  const auto found = json->find("object");
  if (found == json->end() || !found->is_object()) return undecodable("the event has no object");
  if (*event_type == WatchEventType::kError) {
    WatchEvent event(WatchEventType::kError);
    event.error = status_error(500, dump_json(*found), std::nullopt);
    return event;
  }
  const auto& metadata = json_at(*found, "metadata");
  if (*event_type == WatchEventType::kBookmark) return bookmark(metadata);
  auto resource_version = json_string(metadata, "resourceVersion");
  auto object = ObjectReader::read(std::move(*found), Reduction::kForKeeping);
  if (!object) return undecodable(object.error().message, std::move(resource_version));
  return object_event(*event_type, std::move(*object), type);
}

}  // namespace

void LineSplitter::feed(std::string_view bytes) {
  if (start_ > 0) {  // Only ever moves the rest of one line.
    buffer_.erase(0, start_);
    searched_ -= start_;
    start_ = 0;
  }
  buffer_.append(bytes);
}

Result<std::optional<std::string>> LineSplitter::next() {
  for (;;) {
    const auto end = buffer_.find('\n', searched_);
    const auto length = (end == std::string::npos ? buffer_.size() : end) - start_;
    if (length > limit_)
      return Error(Errc::kCorrupt,
                   "a line of the watch is longer than " + std::to_string(limit_) + " bytes");
    if (end == std::string::npos) {
      searched_ = buffer_.size();
      return std::optional<std::string>();
    }
    std::string line = buffer_.substr(start_, length);
    start_ = searched_ = end + 1;
    if (start_ == buffer_.size()) {
      buffer_.clear();
      if (buffer_.capacity() > 256 * 1024) buffer_.shrink_to_fit();  // After a huge object.
      start_ = searched_ = 0;
    }
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) return std::optional<std::string>(std::move(line));
  }
}

WatchEvent parse_watch_line(std::string_view line, const ResourceType& type,
                            const std::function<bool(const ObjectState&)>& is_known) {
  const auto members = members_of(line);
  if (members && is_known)
    if (auto state = state_in(*members); state && is_known(*state)) {
      WatchEvent event(WatchEventType::kModified);
      event.known = std::move(state->key);
      event.resource_version = std::move(state->resource_version);
      return event;
    }
  const auto event_type =
      members ? type_of(plain_json_text(member(*members, "type"))) : std::nullopt;
  if (event_type && is_of_object(*event_type))
    if (auto object = ObjectReader::read(member(*members, "object"), Reduction::kForKeeping))
      return object_event(*event_type, std::move(*object), type);
  return parse_other_line(line, type);
}

}  // namespace kiln::kube
