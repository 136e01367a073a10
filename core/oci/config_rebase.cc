#include "core/oci/config_rebase.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "core/base/json.h"

namespace kiln::oci {
namespace {

using Names = std::set<std::string_view>;

bool says_nothing(const Json& value) {
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.empty() || value == false;
}

bool same(const Json& a, const Json& b) {
  return a == b || (says_nothing(a) && says_nothing(b));
}

bool same_entry(const Json& a, const Json& b, const std::string& key) {
  const bool here = a.is_object() && a.contains(key);
  const bool there = b.is_object() && b.contains(key);
  return here == there && json_at(a, key) == json_at(b, key);
}

std::set<std::string> keys_of(const Json& a, const Json& b) {
  std::set<std::string> keys;
  for (const auto* object : {&a, &b})
    if (object->is_object())
      for (const auto& [key, value] : object->items()) keys.insert(key);
  return keys;
}

/// Makes `key` of `out` what it is in `from`.
void take(Json& out, const Json& from, const std::string& key) {
  if (from.is_object() && from.contains(key))
    out[key] = from.at(key);
  else
    out.erase(key);
}

/// The fields that `image` changed, into `out`, which is the new base's object.
void take_changed_fields(Json& out, const Json& image, const Json& old_base, const Names& apart) {
  for (const auto& key : keys_of(image, old_base))
    if (!apart.contains(key) && !same(json_at(image, key), json_at(old_base, key)))
      take(out, image, key);
}

/// The same for a field that is itself a set of keys, where {"80/tcp": {}} says something.
void take_changed_keys(Json& runtime, const std::string& field, const Json& image,
                       const Json& old_base) {
  const auto& ours = json_at(image, field);
  const auto& theirs = json_at(old_base, field);
  auto merged = json_at(runtime, field);
  if (!merged.is_object()) merged = Json::object();
  bool changed = false;
  for (const auto& key : keys_of(ours, theirs)) {
    if (same_entry(ours, theirs, key)) continue;
    take(merged, ours, key);
    changed = true;
  }
  if (!changed) return;
  if (merged.empty())
    runtime.erase(field);
  else
    runtime[field] = std::move(merged);
}

/// The variables of an image by name, the last one of a name, as a process sees them.
std::map<std::string_view, std::string_view> by_name(const std::vector<std::string>& env) {
  std::map<std::string_view, std::string_view> variables;
  for (const auto& assignment : env) variables[env_name(assignment)] = assignment;
  return variables;
}

using Variables = std::map<std::string_view, std::string_view>;

std::string_view value_in(const Variables& variables, std::string_view name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string_view() : found->second;
}

class EnvironmentMerge {
 public:
  EnvironmentMerge(const Config& image, const Config& old_base, const Config& new_base)
      : image_list_(image.env()), old_list_(old_base.env()), new_list_(new_base.env()) {}

  std::vector<std::string> run(std::vector<std::string>& warnings) {
    std::vector<std::string> merged;
    std::set<std::string_view> taken;
    for (const auto& assignment : new_list_) {
      const auto name = env_name(assignment);
      if (left_alone(name)) {
        merged.push_back(assignment);
      } else if (taken.insert(name).second && !value_in(image_, name).empty()) {
        merged.emplace_back(value_in(image_, name));
      }
    }
    for (const auto& assignment : image_list_) {
      const auto name = env_name(assignment);
      if (!new_.contains(name) && !left_alone(name) && taken.insert(name).second)
        merged.emplace_back(value_in(image_, name));
    }
    for (const auto& [name, assignment] : old_) warn_of(name, warnings);
    for (const auto& [name, assignment] : image_)
      if (!old_.contains(name)) warn_of(name, warnings);
    return merged;
  }

  bool changes_anything() const {
    const auto changed = [&](const auto& variable) { return !left_alone(variable.first); };
    return std::any_of(image_.begin(), image_.end(), changed) ||
           std::any_of(old_.begin(), old_.end(), changed);
  }

 private:
  bool left_alone(std::string_view name) const {
    return value_in(image_, name) == value_in(old_, name);
  }

  void warn_of(std::string_view name, std::vector<std::string>& warnings) const {
    if (left_alone(name)) return;
    const bool unset = !image_.contains(name);
    const std::string variable = "environment variable " + std::string(name);
    if (old_.contains(name) && !new_.contains(name))
      warnings.push_back("the new base has no " + variable + ", which the image " +
                         (unset ? "unset" : "changed"));
    else if (!unset && value_in(new_, name) != value_in(old_, name) &&
             value_in(new_, name) != value_in(image_, name))
      warnings.push_back("the new base sets the " + variable +
                         " to another value than the old one; the image's own stays");
  }

  std::vector<std::string> image_list_, old_list_, new_list_;
  Variables image_ = by_name(image_list_);
  Variables old_ = by_name(old_list_);
  Variables new_ = by_name(new_list_);
};

bool is_layer_line(const Json& line) {
  return json_at(line, "empty_layer") != true;
}

std::size_t layer_lines(const Json& lines) {
  return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), is_layer_line));
}

Json history_of(const Json& document) {
  const auto& history = json_at(document, "history");
  return history.is_array() ? history : Json::array();
}

/// The two sides of an image that is put onto another base: one object for one merge.
class ConfigMerge {
 public:
  ConfigMerge(const Config& image, const Config& old_base, const Config& new_base)
      : image_(parse_json(image.to_json()).value()),
        old_(parse_json(old_base.to_json()).value()),
        new_(parse_json(new_base.to_json()).value()),
        diff_ids_(image.diff_ids()),
        old_layers_(old_base.diff_ids().size()),
        new_layers_(new_base.diff_ids().size()),
        environment_(image, old_base, new_base) {}

  RebasedConfig run() {
    auto merged = new_;
    take_changed_fields(merged, image_, old_,
                        {"config", "rootfs", "history", "created", "os", "architecture", "variant",
                         "os.version", "os.features"});
    take(merged, image_, "created");
    // What says nothing stays as the new base says it: an image without changes becomes the base.
    if (auto runtime = merge_runtime(); !same(runtime, json_at(new_, "config")))
      merged["config"] = std::move(runtime);
    if (auto history = merge_history(); !same(history, json_at(new_, "history")))
      merged["history"] = std::move(history);
    auto& diff_ids = merged["rootfs"]["diff_ids"];
    if (!diff_ids.is_array()) diff_ids = Json::array();
    for (std::size_t i = old_layers_; i < diff_ids_.size(); ++i)
      diff_ids.push_back(diff_ids_[i].str());

    // All parts come from configs, so this is one.
    RebasedConfig result(Config::parse(dump_json(merged)).value());
    result.warnings = std::move(warnings_);
    return result;
  }

 private:
  Json merge_runtime() {
    const auto& ours = json_at(image_, "config");
    const auto& theirs = json_at(old_, "config");
    auto runtime = json_at(new_, "config");
    if (!runtime.is_object()) runtime = Json::object();
    take_changed_fields(
        runtime, ours, theirs,
        {"Env", "Labels", "ExposedPorts", "Volumes", "Entrypoint", "Cmd", "ArgsEscaped"});
    for (const auto* field : {"Labels", "ExposedPorts", "Volumes"})
      take_changed_keys(runtime, field, ours, theirs);
    merge_command(runtime, ours, theirs);
    if (environment_.changes_anything()) merge_environment(runtime);
    return runtime;
  }

  /// Docker clears the base's Cmd where an image sets its own Entrypoint; ArgsEscaped speaks of
  /// Cmd.
  void merge_command(Json& runtime, const Json& ours, const Json& theirs) {
    const auto changed = [&](const char* field) {
      return !same(json_at(ours, field), json_at(theirs, field));
    };
    if (changed("Entrypoint")) {
      for (const auto* field : {"Entrypoint", "Cmd", "ArgsEscaped"}) take(runtime, ours, field);
    } else if (changed("Cmd")) {
      if (!same(json_at(theirs, "Entrypoint"), json_at(runtime, "Entrypoint")))
        warnings_.emplace_back(
            "the image has args of its own for the old base's entrypoint, and the new base has "
            "another entrypoint");
      for (const auto* field : {"Cmd", "ArgsEscaped"}) take(runtime, ours, field);
    }
  }

  void merge_environment(Json& runtime) {
    const auto env = environment_.run(warnings_);
    if (env.empty())
      runtime.erase("Env");
    else
      runtime["Env"] = env;
  }

  Json merge_history() const {
    auto merged = history_of(new_);
    const auto own = own_history();
    if (own.empty() || (merged.empty() && new_layers_ > 0)) return merged;
    while (layer_lines(merged) < new_layers_) merged.push_back(Json::object());
    merged.insert(merged.end(), own.begin(), own.end());
    return merged;
  }

  /// The lines of the image's own layers; never more of them than there are layers.
  Json own_history() const {
    const auto lines = history_of(image_);
    const auto base = history_of(old_);
    const bool on_top =
        base.size() <= lines.size() && std::equal(base.begin(), base.end(), lines.begin());
    Json own = Json::array();
    for (std::size_t i = on_top ? base.size() : 0; i < lines.size(); ++i) own.push_back(lines[i]);
    // A history that was rewritten still tells its last layers last.
    while (!own.empty() && layer_lines(own) + old_layers_ > diff_ids_.size())
      own.erase(own.begin());
    return own;
  }

  Json image_, old_, new_;
  std::vector<Digest> diff_ids_;
  std::size_t old_layers_, new_layers_;
  EnvironmentMerge environment_;
  std::vector<std::string> warnings_;
};

}  // namespace

RebasedConfig rebase_config(const Config& image, const Config& old_base, const Config& new_base) {
  return ConfigMerge(image, old_base, new_base).run();
}

}  // namespace kiln::oci
