#include "controller/api/status.h"

#include <algorithm>
#include <span>

#include "controller/api/status_reader.h"

namespace kiln::api {
namespace {

// The limits of the schema, in characters there and in bytes here, which is never more.
constexpr std::size_t kMessage = 1024;
constexpr std::size_t kReasonText = 1024;
constexpr std::size_t kDigest = 135;
constexpr std::size_t kReference = 1024;
constexpr std::size_t kTag = 128;
constexpr std::size_t kLine = 4096;
constexpr std::size_t kConditions = 16;
constexpr std::size_t kTags = 32;
constexpr std::size_t kReasons = 128;
constexpr std::size_t kHistory = 101;

/// At most `limit` bytes, without a split character; an ellipsis tells that something is missing.
std::string cut(const std::string& text, std::size_t limit) {
  if (text.size() <= limit) return text;
  constexpr std::string_view kEllipsis = "…";
  auto end = limit > kEllipsis.size() ? limit - kEllipsis.size() : 0;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + std::string(kEllipsis);
}

void put(Json& object, const char* key, const std::string& text, std::size_t limit) {
  if (!text.empty()) object[key] = cut(text, limit);
}

template <class T, class Write>
void put_list(Json& object, const char* key, const std::vector<T>& list, std::size_t limit,
              Write write) {
  if (list.empty()) return;
  auto all = Json::array();
  for (const auto& item : std::span(list).first(std::min(list.size(), limit)))
    all.push_back(write(item));
  object[key] = std::move(all);
}

Json write_tag(const std::string& tag) {
  return cut(tag, kTag);
}

Json write_condition(const Condition& condition) {
  Json out = {{"type", condition.type},
              {"status", condition.status},
              {"lastTransitionTime", condition.last_transition_time},
              {"reason", condition.reason},
              {"message", cut(condition.message, kMessage)}};
  if (condition.observed_generation > 0) out["observedGeneration"] = condition.observed_generation;
  return out;
}

Json write_reason(const Reason& reason) {
  Json out = {{"type", reason.type}};
  put(out, "from", reason.from, kReasonText);
  put(out, "to", reason.to, kReasonText);
  return out;
}

Json write_pending(const Pending& pending) {
  Json out = Json::object();
  put(out, "inputKey", pending.input_key, kTag);
  put(out, "digest", pending.digest, kDigest);
  put_list(out, "tags", pending.tags, kTags, write_tag);
  return out;
}

Json write_platform(const BasePlatform& platform) {
  Json out = {{"platform", cut(platform.platform, 64)}};
  put(out, "digest", platform.digest, kDigest);
  return out;
}

Json write_base(const BaseStatus& base) {
  Json out = Json::object();
  put(out, "reference", base.reference, kReference);
  put(out, "digest", base.digest, kDigest);
  put_list(out, "platforms", base.platforms, 64, write_platform);
  return out;
}

Json write_content(const ContentStatus& content) {
  Json out = {{"files", content.files}, {"size", content.size}};
  put(out, "path", content.path, 1024);
  put(out, "source", content.source, 2048);
  put(out, "revision", content.revision, 512);
  put(out, "digest", content.digest, kDigest);
  return out;
}

Json write_layer(const LayerStatus& layer) {
  Json out = {{"size", layer.size}};
  put(out, "digest", layer.digest, kDigest);
  put(out, "diffID", layer.diff_id, kDigest);
  put(out, "mediaType", layer.media_type, 255);
  put(out, "createdBy", layer.created_by, kLine);
  return out;
}

Json write_stage(const Stage& stage) {
  Json out = Json::object();
  put(out, "name", stage.name, 64);
  put(out, "duration", stage.duration, 32);
  return out;
}

Json write_last_build(const LastBuild& build) {
  Json out = {{"uploadedBytes", build.uploaded_bytes}, {"reusedBytes", build.reused_bytes}};
  put_list(out, "reasons", build.reasons, kReasons, write_reason);
  put(out, "startedAt", build.started_at, 64);
  put(out, "completedAt", build.completed_at, 64);
  put(out, "duration", build.duration, 32);
  put_list(out, "stages", build.stages, 32, write_stage);
  return out;
}

Json write_history(const HistoryEntry& entry) {
  Json out = Json::object();
  put(out, "digest", entry.digest, kDigest);
  put(out, "inputKey", entry.input_key, kTag);
  put(out, "completedAt", entry.completed_at, 64);
  put_list(out, "reasons", entry.reasons, kReasons, write_reason);
  put_list(out, "tags", entry.tags, kTags, write_tag);
  return out;
}

Json to_json(const Status& status) {
  Json out = {{"observedGeneration", status.observed_generation}};
  put_list(out, "conditions", status.conditions, kConditions, write_condition);
  put(out, "digest", status.digest, kDigest);
  put(out, "image", status.image, kReference);
  put_list(out, "tags", status.tags, kTags, write_tag);
  put(out, "inputKey", status.input_key, kTag);
  if (status.pending) out["pending"] = write_pending(*status.pending);
  put(out, "encoder", status.encoder, 64);
  if (status.base) out["base"] = write_base(*status.base);
  put_list(out, "content", status.content, 64, write_content);
  put_list(out, "layers", status.layers, 128, write_layer);
  put(out, "layersKey", status.layers_key, kTag);
  if (status.last_build) out["lastBuild"] = write_last_build(*status.last_build);
  put_list(out, "history", status.history, kHistory, write_history);
  put(out, "lastHandledReconcileAt", status.last_handled_reconcile_at, 1024);
  put(out, "nextPollAt", status.next_poll_at, 64);
  return out;
}

constexpr std::int64_t kMost = INT64_MAX;

Condition read_condition(JsonReader reader) {
  Condition condition;
  condition.type = reader.text("type");
  condition.status = reader.text("status");
  condition.observed_generation = reader.integer("observedGeneration", 0, 0, kMost);
  condition.last_transition_time = reader.text("lastTransitionTime");
  condition.reason = reader.text("reason");
  condition.message = reader.text("message");
  return condition;
}

Reason read_reason(JsonReader reader) {
  Reason reason(reader.text("type"));
  reason.from = reader.text("from");
  reason.to = reader.text("to");
  return reason;
}

Pending read_pending(JsonReader reader) {
  Pending pending;
  pending.input_key = reader.text("inputKey");
  pending.digest = reader.text("digest");
  pending.tags = reader.texts("tags");
  return pending;
}

BaseStatus read_base(JsonReader reader) {
  BaseStatus base;
  base.reference = reader.text("reference");
  base.digest = reader.text("digest");
  base.platforms = reader.list("platforms", [](JsonReader inner) {
    BasePlatform platform;
    platform.platform = inner.text("platform");
    platform.digest = inner.text("digest");
    return platform;
  });
  return base;
}

ContentStatus read_content(JsonReader reader) {
  ContentStatus content;
  content.path = reader.text("path");
  content.source = reader.text("source");
  content.revision = reader.text("revision");
  content.digest = reader.text("digest");
  content.files = reader.integer("files", 0, 0, kMost);
  content.size = reader.integer("size", 0, 0, kMost);
  return content;
}

LayerStatus read_layer(JsonReader reader) {
  LayerStatus layer;
  layer.digest = reader.text("digest");
  layer.diff_id = reader.text("diffID");
  layer.size = reader.integer("size", 0, 0, kMost);
  layer.media_type = reader.text("mediaType");
  layer.created_by = reader.text("createdBy");
  return layer;
}

LastBuild read_last_build(JsonReader reader) {
  LastBuild build;
  build.reasons = reader.list("reasons", read_reason);
  build.started_at = reader.text("startedAt");
  build.completed_at = reader.text("completedAt");
  build.duration = reader.text("duration");
  build.stages = reader.list("stages", [](JsonReader inner) {
    Stage stage;
    stage.name = inner.text("name");
    stage.duration = inner.text("duration");
    return stage;
  });
  build.uploaded_bytes = reader.integer("uploadedBytes", 0, 0, kMost);
  build.reused_bytes = reader.integer("reusedBytes", 0, 0, kMost);
  return build;
}

HistoryEntry read_history(JsonReader reader) {
  HistoryEntry entry;
  entry.digest = reader.text("digest");
  entry.input_key = reader.text("inputKey");
  entry.completed_at = reader.text("completedAt");
  entry.reasons = reader.list("reasons", read_reason);
  entry.tags = reader.texts("tags");
  return entry;
}

}  // namespace

Status read_status(JsonReader reader) {
  Status status;
  status.observed_generation = reader.integer("observedGeneration", -1, -1, kMost);
  status.conditions = reader.list("conditions", read_condition);
  status.digest = reader.text("digest");
  status.image = reader.text("image");
  status.tags = reader.texts("tags");
  status.input_key = reader.text("inputKey");
  status.pending = reader.maybe("pending", read_pending);
  status.encoder = reader.text("encoder");
  status.base = reader.maybe("base", read_base);
  status.content = reader.list("content", read_content);
  status.layers = reader.list("layers", read_layer);
  status.layers_key = reader.text("layersKey");
  status.last_build = reader.maybe("lastBuild", read_last_build);
  status.history = reader.list("history", read_history);
  status.last_handled_reconcile_at = reader.text("lastHandledReconcileAt");
  status.next_poll_at = reader.text("nextPollAt");
  return status;
}

std::string status_json(const Status& status) {
  return dump_json(to_json(status));
}

}  // namespace kiln::api
