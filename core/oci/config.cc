#include "core/oci/config.h"

#include <algorithm>
#include <mutex>

#include "core/base/json.h"
#include "core/oci/manifest_json.h"

namespace kiln::oci {

struct Config::Document {
  explicit Document(Json j) : json(std::move(j)) {}

  const Json json;
  mutable std::once_flag written;
  mutable std::string text;  ///< `json`, once it was asked for: an image is asked several times.
};

namespace {

Error corrupt(std::string what) {
  return {Errc::kCorrupt, "config: " + std::move(what)};
}

std::vector<std::string> strings_at(const Json& object, std::string_view key) {
  std::vector<std::string> out;
  for (const auto& value : json_at(object, key))
    if (value.is_string()) out.push_back(value.get<std::string>());
  return out;
}

std::map<std::string, std::string> string_map_at(const Json& object, std::string_view key) {
  return annotations_from_json(json_at(object, key));
}

/// The runtime part, made when it is missing or null.
Json& runtime_of(Json& document) {
  auto& runtime = document["config"];
  if (!runtime.is_object()) runtime = Json::object();
  return runtime;
}

Json history_to_json(const HistoryEntry& entry) {
  Json json = {{"created", entry.created}, {"created_by", entry.created_by}};
  if (!entry.comment.empty()) json["comment"] = entry.comment;
  if (entry.empty_layer) json["empty_layer"] = true;
  return json;
}

/// Order is kept: a changed variable stays where the base has it, new ones follow in their order.
void patch_env(Json& runtime, const ConfigPatch& patch) {
  if (patch.env.empty() && patch.unset_env.empty()) return;
  auto env = strings_at(runtime, "Env");
  std::erase_if(env, [&](const std::string& assignment) {
    return std::find(patch.unset_env.begin(), patch.unset_env.end(), env_name(assignment)) !=
           patch.unset_env.end();
  });
  for (const auto& [name, value] : patch.env) {
    const auto assignment = name + "=" + value;
    const auto same = [&, wanted = std::string_view(name)](const std::string& a) {
      return env_name(a) == wanted;
    };
    const auto found = std::find_if(env.begin(), env.end(), same);
    if (found == env.end())
      env.push_back(assignment);
    else
      *found = assignment;
  }
  if (env.empty())
    runtime.erase("Env");
  else
    runtime["Env"] = env;
}

void set_or_erase(Json& runtime, const char* key, const std::vector<std::string>& words) {
  if (words.empty())
    runtime.erase(key);
  else
    runtime[key] = words;
}

void patch_command(Json& runtime, const ConfigPatch& patch) {
  if (patch.entrypoint) {
    set_or_erase(runtime, "Entrypoint", *patch.entrypoint);
    if (!patch.args) runtime.erase("Cmd");  // As Docker does.
  }
  if (patch.args) set_or_erase(runtime, "Cmd", *patch.args);
  // Docker's own marker that Cmd is a shell line; stale once the command changes.
  if (patch.entrypoint || patch.args) runtime.erase("ArgsEscaped");
}

std::string with_protocol(const std::string& port) {
  return port.find('/') == std::string::npos ? port + "/tcp" : port;
}

/// The set of names at `key`, made when it is missing or something else.
Json& set_of(Json& runtime, const char* key) {
  auto& set = runtime[key];
  if (!set.is_object()) set = Json::object();
  return set;
}

void patch_sets(Json& runtime, const ConfigPatch& patch) {
  for (const auto& port : patch.exposed_ports)
    set_of(runtime, "ExposedPorts")[with_protocol(port)] = Json::object();
  for (const auto& volume : patch.volumes) set_of(runtime, "Volumes")[volume] = Json::object();
}

}  // namespace

std::string_view env_name(std::string_view assignment) {
  return assignment.substr(0, assignment.find('='));
}

bool ConfigPatch::empty() const {
  return !entrypoint && !args && env.empty() && unset_env.empty() && labels.empty() && !user &&
         !working_dir && exposed_ports.empty() && volumes.empty() && !stop_signal;
}

std::string ConfigPatch::to_json() const {
  auto json = Json::object();
  if (entrypoint) json["entrypoint"] = *entrypoint;
  if (args) json["args"] = *args;
  if (!env.empty()) json["env"] = env;
  if (!unset_env.empty()) json["unsetEnv"] = unset_env;
  if (!labels.empty()) json["labels"] = labels;
  if (user) json["user"] = *user;
  if (working_dir) json["workingDir"] = *working_dir;
  if (!exposed_ports.empty()) json["exposedPorts"] = exposed_ports;
  if (!volumes.empty()) json["volumes"] = volumes;
  if (stop_signal) json["stopSignal"] = *stop_signal;
  return dump_json(json);
}

Config Config::scratch(const Platform& platform, std::string_view created) {
  Json json = platform_to_json(platform);
  json["created"] = std::string(created);
  json["config"] = Json::object();
  json["rootfs"] = {{"type", "layers"}, {"diff_ids", Json::array()}};
  json["history"] = Json::array();
  return Config(std::make_shared<const Document>(std::move(json)));
}

Result<Config> Config::parse(std::string_view text) {
  auto json = parse_json(text);
  if (!json) return corrupt(json.error().message);
  if (!json->is_object()) return corrupt("not a JSON object");
  const auto& rootfs = json_at(*json, "rootfs");
  if (json_string(rootfs, "type") != "layers") return corrupt("rootfs.type is not \"layers\"");
  const auto& diff_ids = json_at(rootfs, "diff_ids");
  if (!diff_ids.is_null() && !diff_ids.is_array()) return corrupt("rootfs.diff_ids is not a list");
  for (const auto& diff_id : diff_ids) {
    auto digest = Digest::parse(diff_id.is_string() ? diff_id.get<std::string>() : "");
    if (!digest) return corrupt("rootfs.diff_ids: " + digest.error().message);
  }
  const auto& history = json_at(*json, "history");
  if (!history.is_null() && !history.is_array()) return corrupt("history is not a list");
  const auto& runtime = json_at(*json, "config");
  if (!runtime.is_null() && !runtime.is_object()) return corrupt("\"config\" is not an object");
  return Config(std::make_shared<const Document>(std::move(*json)));
}

Platform Config::platform() const {
  return platform_from_json(document_->json);
}

std::vector<Digest> Config::diff_ids() const {
  std::vector<Digest> out;
  for (const auto& text : strings_at(json_at(document_->json, "rootfs"), "diff_ids"))
    out.push_back(*Digest::parse(text));  // Checked by parse() or made by with_layer().
  return out;
}

std::vector<HistoryEntry> Config::history() const {
  std::vector<HistoryEntry> out;
  for (const auto& line : json_at(document_->json, "history")) {
    HistoryEntry entry{json_string(line, "created"), json_string(line, "created_by")};
    entry.comment = json_string(line, "comment");
    entry.empty_layer = json_at(line, "empty_layer") == true;
    out.push_back(std::move(entry));
  }
  return out;
}

std::vector<std::string> Config::entrypoint() const {
  return strings_at(json_at(document_->json, "config"), "Entrypoint");
}
std::vector<std::string> Config::args() const {
  return strings_at(json_at(document_->json, "config"), "Cmd");
}
std::vector<std::string> Config::env() const {
  return strings_at(json_at(document_->json, "config"), "Env");
}
std::map<std::string, std::string> Config::labels() const {
  return string_map_at(json_at(document_->json, "config"), "Labels");
}
std::string Config::user() const {
  return json_string(json_at(document_->json, "config"), "User");
}
std::string Config::working_dir() const {
  return json_string(json_at(document_->json, "config"), "WorkingDir");
}

std::string Config::created() const {
  return json_string(document_->json, "created");
}

Config Config::with_patch(const ConfigPatch& patch) const {
  if (patch.empty()) return *this;
  auto json = document_->json;
  auto& runtime = runtime_of(json);
  patch_command(runtime, patch);
  patch_env(runtime, patch);
  patch_sets(runtime, patch);
  if (!patch.labels.empty()) {
    auto labels = string_map_at(runtime, "Labels");
    for (const auto& [key, value] : patch.labels) labels[key] = value;
    runtime["Labels"] = labels;
  }
  if (patch.user) runtime["User"] = *patch.user;
  if (patch.working_dir) runtime["WorkingDir"] = *patch.working_dir;
  if (patch.stop_signal) runtime["StopSignal"] = *patch.stop_signal;
  return Config(std::make_shared<const Document>(std::move(json)));
}

Config Config::with_layer(const Digest& diff_id, const HistoryEntry& entry) const {
  auto json = document_->json;
  auto& diff_ids = json["rootfs"]["diff_ids"];
  const bool had_layers = diff_ids.is_array() && !diff_ids.empty();
  if (!diff_ids.is_array()) diff_ids = Json::array();
  diff_ids.push_back(diff_id.str());
  const auto& history = json_at(json, "history");
  // History lines and layers must stay one to one; a base without lines has nothing to add to.
  if (!had_layers || (history.is_array() && !history.empty()))
    json["history"].push_back(history_to_json(entry));
  return Config(std::make_shared<const Document>(std::move(json)));
}

Config Config::with_only_layer(const Digest& diff_id, const HistoryEntry& entry) const {
  auto json = document_->json;
  json["rootfs"]["diff_ids"] = Json::array({diff_id.str()});
  json["history"] = Json::array({history_to_json(entry)});
  return Config(std::make_shared<const Document>(std::move(json)));
}

Config Config::with_empty_history(const HistoryEntry& entry) const {
  auto json = document_->json;
  const auto& history = json_at(json, "history");
  if (!history.is_array() || history.empty()) return *this;
  auto line = entry;
  line.empty_layer = true;
  json["history"].push_back(history_to_json(line));
  return Config(std::make_shared<const Document>(std::move(json)));
}

Config Config::with_created(std::string_view rfc3339) const {
  auto json = document_->json;
  json["created"] = std::string(rfc3339);
  return Config(std::make_shared<const Document>(std::move(json)));
}

std::string Config::to_json() const {
  const auto& document = *document_;
  std::call_once(document.written, [&document] { document.text = dump_json(document.json); });
  return document.text;
}

}  // namespace kiln::oci
