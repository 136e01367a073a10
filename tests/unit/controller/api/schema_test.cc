// Keeps the parser and crds/kiln.build_imagebuilds.yaml equal: every property of the schema is
// known to the parser and the other way round, and so is every default.
#include <gmock/gmock.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <set>

#include "controller/api/image_build.h"
#include "core/base/json.h"

namespace kiln::api {
namespace {

using ::testing::IsEmpty;

YAML::Node schema() {
  static const auto document = YAML::LoadFile(KILN_CRD);
  return document["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
}

YAML::Node property(const YAML::Node& node, const std::string& name) {
  return node["properties"][name];
}

/// "spec.content[].path" of every property below `node`.
void collect(const YAML::Node& node, const std::string& path, std::set<std::string>& into) {
  if (node["items"] && node["items"]["properties"])
    return collect(node["items"], path + "[]", into);
  for (const auto& child : node["properties"]) {
    const auto inner = (path.empty() ? "" : path + ".") + child.first.as<std::string>();
    into.insert(inner);
    collect(child.second, inner, into);
  }
}

/// A value that fits `node`, with every property set.
Json sample(const YAML::Node& node) {
  const auto type = node["type"].as<std::string>();
  if (node["enum"]) return node["enum"][0].as<std::string>();
  if (type == "string") return node["format"] ? "2026-01-01T00:00:00Z" : "text";
  if (type == "boolean") return true;
  if (type == "integer") return 7;
  if (type == "array") return Json::array({sample(node["items"])});
  if (node["additionalProperties"]) return {{"key", "text"}};
  auto object = Json::object();
  for (const auto& child : node["properties"])
    object[child.first.as<std::string>()] = sample(child.second);
  return object;
}

/// An ImageBuild with every property of the schema. Not a valid one: it has all sources at once.
Json complete() {
  auto object = sample(schema());
  object["kind"] = kKind;
  object["apiVersion"] = kApiVersion;
  object["metadata"] = {{"name", "site"}};
  object["spec"]["interval"] = "30s";
  object["spec"]["timeout"] = "40s";
  return object;
}

/// The fields of metadata and of the root stand in Kubernetes' own schema.
std::set<std::string> without_metadata(const std::set<std::string>& paths) {
  std::set<std::string> out;
  for (const auto& path : paths)
    if (!path.starts_with("metadata.")) out.insert(path);
  return out;
}

std::set<std::string> minus(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::set<std::string> out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(out, out.end()));
  return out;
}

TEST(Schema, AndTheParserKnowTheSameFields) {
  std::set<std::string> in_schema;
  collect(schema(), "", in_schema);
  std::set<std::string> asked;
  const auto build = parse_image_build(dump_json(complete()), UnknownFields::kRefuse, &asked);
  ASSERT_TRUE(build) << build.error().message;
  asked = without_metadata(asked);

  EXPECT_GT(in_schema.size(), 100u);
  EXPECT_THAT(minus(in_schema, asked), IsEmpty()) << "in the schema, unknown to the parser";
  EXPECT_THAT(minus(asked, in_schema), IsEmpty()) << "known to the parser, not in the schema";
}

TEST(Schema, IsWhatTheStatusWriterWrites) {
  const auto json = complete();
  const auto build = parse_image_build(dump_json(json), UnknownFields::kRefuse);
  ASSERT_TRUE(build) << build.error().message;
  EXPECT_EQ(Json::parse(status_json(build->status)), json["status"]);
}

TEST(Schema, AndTheParserAgreeOnDefaults) {
  const auto minimal = parse_image_build(
      R"({"spec": {"base": {"image": "a"}, "output": {"image": "r/b"},
          "content": [{"path": "/x", "configMap": {"name": "n"}, "image": {"reference": "i"},
                       "git": {"url": "u"}}]}})",
      UnknownFields::kRefuse);
  ASSERT_TRUE(minimal) << minimal.error().message;
  const auto& spec = minimal->spec;
  const auto& content = spec.content[0];

  std::map<std::string, std::string> ours;
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  ours["spec.base.insecure"] = flag(spec.base.registry.insecure);
  ours["spec.content[].configMap.optional"] = flag(content.config_map->optional);
  ours["spec.content[].secret.optional"] = flag(KeyedSource().optional);
  ours["spec.content[].git.recurseSubmodules"] = flag(content.git->recurse_submodules);
  ours["spec.content[].git.lfs"] = flag(content.git->lfs);
  ours["spec.content[].image.insecure"] = flag(content.image->registry.insecure);
  ours["spec.output.insecure"] = flag(spec.output.registry.insecure);
  ours["spec.output.enforceTag"] = flag(spec.output.enforce_tag);
  ours["spec.output.mediaTypes"] = spec.output.media_types;
  ours["spec.output.compression"] = spec.output.compression;
  ours["spec.output.layers"] = spec.output.layers;
  ours["spec.output.timestamps"] = spec.output.timestamps;
  ours["spec.triggers.content"] = flag(spec.triggers.content);
  ours["spec.triggers.base"] = flag(spec.triggers.base);
  ours["spec.interval"] = format_duration(spec.interval);
  ours["spec.timeout"] = format_duration(spec.timeout);
  ours["spec.suspend"] = flag(spec.suspend);
  ours["spec.serviceAccountName"] = spec.service_account;
  ours["spec.historyLimit"] = std::to_string(spec.history_limit);
  ours["spec.deletionPolicy"] = spec.deletion_policy;

  std::set<std::string> paths;
  collect(schema(), "", paths);
  std::map<std::string, std::string> theirs;
  for (const auto& path : paths) {
    auto node = schema();
    std::istringstream parts(path);
    for (std::string part; std::getline(parts, part, '.');) {
      const bool list = part.ends_with("[]");
      node.reset(property(node, list ? part.substr(0, part.size() - 2) : part));
      if (list) node.reset(node["items"]);
    }
    if (path.starts_with("spec.") && node["default"] && node["default"].IsScalar())
      theirs[path] = node["default"].as<std::string>();
  }
  EXPECT_EQ(ours, theirs);
  EXPECT_EQ(std::to_string(minimal->status.observed_generation),
            property(schema(), "status")["default"]["observedGeneration"].as<std::string>());
}

/// Lists and texts longer than the schema allows would make the API server refuse the whole status.
TEST(Schema, LimitsWhatTheStatusWriterWrites) {
  const std::string text(5000, 'x');
  Status status;
  status.digest = status.image = status.encoder = status.input_key = status.layers_key = text;
  status.last_handled_reconcile_at = text;
  status.tags.assign(200, text);
  status.pending = Pending{text, text, std::vector<std::string>(200, text)};
  status.base = BaseStatus{text, text, std::vector<BasePlatform>(200, BasePlatform{text, text})};
  status.content.assign(200, ContentStatus{text, text, text, text, 1, 1});
  status.layers.assign(200, LayerStatus{text, text, 1, text, text});
  const std::vector<Reason> reasons(200, Reason("SpecChanged", text, text));
  status.history.assign(200, HistoryEntry{text, text, "2026-01-01T00:00:00Z", reasons,
                                          std::vector<std::string>(200, text)});
  status.last_build = LastBuild{reasons,
                                "2026-01-01T00:00:00Z",
                                "2026-01-01T00:00:00Z",
                                "1s",
                                std::vector<Stage>(200, Stage{text, text}),
                                1,
                                1};
  status.conditions.assign(200, Condition("Ready", true, 1, "Succeeded", text));

  const std::function<void(const Json&, const YAML::Node&, const std::string&)> check =
      [&](const Json& value, const YAML::Node& node, const std::string& path) {
        ASSERT_TRUE(node.IsDefined()) << path;
        if (value.is_string() && node["maxLength"]) {
          EXPECT_LE(value.get<std::string>().size(), node["maxLength"].as<std::size_t>()) << path;
        }
        if (value.is_array()) {
          ASSERT_TRUE(node["maxItems"].IsDefined()) << path;
          EXPECT_LE(value.size(), node["maxItems"].as<std::size_t>()) << path;
          for (const auto& item : value) check(item, node["items"], path + "[]");
        }
        if (value.is_object())
          for (const auto& [key, inner] : value.items())
            check(inner, property(node, key), path + "." + key);
      };
  check(Json::parse(status_json(status)), property(schema(), "status"), "status");
}

}  // namespace
}  // namespace kiln::api
