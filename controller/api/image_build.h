#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/status.h"
#include "core/base/error.h"

/// The ImageBuild API, kiln.build/v1alpha1, as plain structs. What the fields mean stands in
/// crds/kiln.build_imagebuilds.yaml; the defaults here are those of that schema, and a test keeps
/// both equal.
namespace kiln::api {

inline constexpr std::string_view kGroup = "kiln.build";
inline constexpr std::string_view kVersion = "v1alpha1";
inline constexpr std::string_view kApiVersion = "kiln.build/v1alpha1";
inline constexpr std::string_view kKind = "ImageBuild";
inline constexpr std::string_view kPlural = "imagebuilds";

/// How to reach one registry: names of Secrets of the namespace; "" = none named.
struct RegistryRef {
  std::string secret;
  std::string cert_secret;
  bool insecure = false;
};

struct Base {
  std::string image;  ///< "scratch" = no base.
  std::vector<std::string> platforms;
  RegistryRef registry;
};

struct KeyToPath {
  std::string key;
  std::string path;
};

/// A ConfigMap or Secret as content.
struct KeyedSource {
  std::string name;
  bool optional = false;
  std::vector<KeyToPath> items;  ///< Empty = every key.
};

struct GitRef {
  std::string branch, tag, semver, name, commit;  ///< "" = not set.
};

struct GitSource {
  std::string url;
  std::optional<GitRef> ref;
  std::string sub_path;
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  bool recurse_submodules = false;
  bool lfs = false;
  std::string secret;
};

struct InlineSource {
  std::map<std::string, std::string> files;
};

struct ImageSource {
  std::string reference;
  std::string path;
  RegistryRef registry;
};

/// One entry of spec.content: exactly one of the sources is set in a valid spec.
struct Content {
  std::string path;
  std::optional<KeyedSource> config_map;
  std::optional<KeyedSource> secret;
  std::optional<GitSource> git;
  std::optional<InlineSource> inline_;
  std::optional<ImageSource> image;
  std::optional<std::uint32_t> uid, gid, file_mode, dir_mode;
};

struct EnvVar {
  std::string name;
  std::string value;
};

struct Config {
  std::optional<std::vector<std::string>> entrypoint;
  std::optional<std::vector<std::string>> args;
  std::vector<EnvVar> env;
  std::vector<std::string> unset_env;
  std::map<std::string, std::string> labels;
  std::optional<std::string> user;
  std::optional<std::string> working_dir;
  std::vector<std::string> exposed_ports;
  std::optional<std::string> stop_signal;
};

struct Output {
  std::string image;
  std::vector<std::string> tags;
  RegistryRef registry;
  std::map<std::string, std::string> annotations;
  bool enforce_tag = false;
  std::string media_types = "OCI";
  std::string compression = "Gzip";
  std::string layers = "Auto";
  std::string timestamps = "Content";
};

struct Triggers {
  bool content = true;
  bool base = true;
};

struct Spec {
  Base base;
  std::vector<std::string> remove;
  std::vector<Content> content;
  Config config;
  Output output;
  Triggers triggers;
  std::chrono::milliseconds interval{600'000};  ///< 0 = no polling.
  std::chrono::milliseconds timeout{600'000};
  bool suspend = false;
  std::string service_account = "default";
  int history_limit = 10;
  std::string deletion_policy = "Retain";
  std::string pin;
};

/// The part of `metadata` that matters to a build.
struct Metadata {
  std::string name;
  std::string namespace_;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  std::string creation_timestamp;  ///< RFC 3339; comparable as text.
  bool deleting = false;
  std::map<std::string, std::string> annotations;

  /// "namespace/name", or the name alone.
  std::string key() const { return namespace_.empty() ? name : namespace_ + "/" + name; }
};

struct ImageBuild {
  Metadata metadata;
  Spec spec;
  Status status;
};

enum class UnknownFields {
  kIgnore,  ///< From the API server, which may know a newer schema.
  kRefuse,  ///< From a file that a person wrote: kInvalid naming the field.
};

/// Reads an ImageBuild as the API server or a manifest has it, and fills in the defaults.
/// Types, required fields, enumerations and durations are checked; what CEL rules say is
/// plan::check_spec's business. A status that cannot be read counts as empty, field by field.
/// `asked`: collects the path of every field looked for ("spec.content[].path"); for tests.
/// Errors: kInvalid, naming the field ("spec.output.image is missing").
[[nodiscard]] Result<ImageBuild> parse_image_build(std::string_view json, UnknownFields unknown,
                                                   std::set<std::string>* asked = nullptr);

}  // namespace kiln::api
