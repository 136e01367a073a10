#include "cli/manifests.h"

#include <algorithm>
#include <filesystem>

#include "cli/yaml_json.h"
#include "core/base/file.h"
#include "core/base/json.h"

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFileBytes = 64 * 1024 * 1024;

Result<std::vector<fs::path>> files_of(const std::string& argument) {
  std::error_code error;
  if (argument == "-" || !fs::is_directory(argument, error)) return std::vector<fs::path>{argument};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(argument, error)) {
    const auto extension = entry.path().extension();
    if (extension == ".yaml" || extension == ".yml" || extension == ".json")
      files.push_back(entry.path());
  }
  if (error) return errno_error(error.value(), "cannot list", argument);
  if (files.empty()) return Error(Errc::kNotFound, argument + " has no .yaml, .yml or .json file");
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::string> bytes_of(const fs::path& file) {
  if (file != "-") return read_file(file, kMaxFileBytes);
  FileSource standard_input{UniqueFd(0)};
  return read_all(standard_input, kMaxFileBytes);
}

class Loader {
 public:
  Result<void> add_document(const std::string& text) {
    auto document = parse_json(text);
    if (!document) return std::move(document).error();
    return add_object(*document);
  }
  Manifests take() { return std::move(manifests_); }

 private:
  Result<void> add_object(const Json& object) {
    if (!object.is_object())
      return Error(Errc::kInvalid, "the document is not an object with apiVersion and kind");
    const auto version = json_string(object, "apiVersion");
    const auto kind = json_string(object, "kind");
    if (version.empty() || kind.empty()) return lacking(version, kind);
    if (kind == "List" && version == "v1") {
      for (const auto& item : json_at(object, "items")) KILN_TRY(add_object(item));
      return {};
    }
    if (kind == api::kKind && version.starts_with(std::string(api::kGroup) + "/"))
      return add_build(object, version);
    if (version == "v1" && kind == "ConfigMap")
      return add_data(object, kind, manifests_.config_maps);
    if (version == "v1" && kind == "Secret") return add_data(object, kind, manifests_.secrets);
    return {};
  }

  static Error lacking(const std::string& version, const std::string& kind) {
    if (!kind.empty())
      return {
          Errc::kInvalid,
          "the object of kind " + kind + " has no apiVersion" +
              (kind == api::kKind ? "; write apiVersion: " + std::string(api::kApiVersion) : "")};
    if (!version.empty())
      return {Errc::kInvalid, "the object with apiVersion " + version + " has no kind"};
    return {Errc::kInvalid,
            "the object has no apiVersion and no kind; write for example apiVersion: v1"};
  }

  Result<void> add_build(const Json& object, const std::string& version) {
    if (version != api::kApiVersion)
      return Error(Errc::kInvalid, "apiVersion " + version + " is not known; write " +
                                       std::string(api::kApiVersion));
    auto build = api::parse_image_build(object.dump(), api::UnknownFields::kRefuse);
    if (!build) return std::move(build).error().while_doing("ImageBuild");
    if (build->metadata.namespace_.empty()) build->metadata.namespace_ = "default";
    for (const auto& other : manifests_.builds)
      if (other.metadata.key() == build->metadata.key())
        return Error(Errc::kInvalid, "the ImageBuild " + build->metadata.key() + " stands twice");
    manifests_.builds.push_back(std::move(*build));
    return {};
  }

  static Result<void> add_data(const Json& object, const std::string& kind,
                               std::map<std::string, plan::NamedData>& into) {
    const auto& metadata = json_at(object, "metadata");
    const auto name = json_string(metadata, "name");
    if (name.empty()) return Error(Errc::kInvalid, "the " + kind + " has no metadata.name");
    auto space = json_string(metadata, "namespace");
    if (space.empty()) space = "default";
    auto data = kind == "Secret" ? plan::parse_secret(object.dump())
                                 : plan::parse_config_map(object.dump());
    const auto key = space + "/" + name;
    if (!data) return data.error().while_doing(kind + " " + key);
    if (!into.emplace(key, std::move(*data)).second)
      return Error(Errc::kInvalid, "the " + kind + " " + key + " stands twice");
    return {};
  }

  Manifests manifests_;
};

}  // namespace

Result<Manifests> load_manifests(const std::vector<std::string>& arguments) {
  Loader loader;
  for (const auto& argument : arguments) {
    auto files = files_of(argument);
    if (!files) return std::move(files).error();
    for (const auto& file : *files) {
      auto bytes = bytes_of(file);
      if (!bytes) return std::move(bytes).error();
      auto documents = read_yaml(*bytes);
      if (!documents) return std::move(documents).error().while_doing(file.string());
      for (const auto& document : *documents) {
        auto added = loader.add_document(document.json);
        if (!added)
          return std::move(added).error().while_doing(file.string() + ", document at line " +
                                                      std::to_string(document.line));
      }
    }
  }
  return loader.take();
}

}  // namespace kiln::cli
