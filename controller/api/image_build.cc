#include "controller/api/image_build.h"

#include <utility>

#include "controller/api/json_reader.h"
#include "controller/api/status_reader.h"
#include "core/base/time_text.h"

namespace kiln::api {
namespace {

constexpr std::int64_t kMaxId = 4294967294;
constexpr std::int64_t kMaxMode = 07777;
constexpr int kMaxHistory = 100;

std::string read_name(JsonReader reader) {
  auto name = reader.required_text("name");
  return reader.finished(std::move(name));
}

std::string read_secret_ref(JsonReader& reader, std::string_view key) {
  return reader.maybe(key, read_name).value_or("");
}

RegistryRef read_registry(JsonReader& reader) {
  RegistryRef registry;
  registry.secret = read_secret_ref(reader, "secretRef");
  registry.cert_secret = read_secret_ref(reader, "certSecretRef");
  registry.insecure = reader.boolean("insecure", false);
  return registry;
}

Base read_base(JsonReader reader) {
  Base base;
  base.image = reader.required_text("image");
  base.platforms = reader.texts("platforms");
  base.registry = read_registry(reader);
  return reader.finished(std::move(base));
}

KeyToPath read_item(JsonReader reader) {
  KeyToPath item;
  item.key = reader.required_text("key");
  item.path = reader.required_text("path");
  return reader.finished(std::move(item));
}

KeyedSource read_keyed(JsonReader reader) {
  KeyedSource source;
  source.name = reader.required_text("name");
  source.optional = reader.boolean("optional", false);
  source.items = reader.list("items", read_item);
  return reader.finished(std::move(source));
}

GitRef read_git_ref(JsonReader reader) {
  GitRef ref;
  ref.branch = reader.text("branch");
  ref.tag = reader.text("tag");
  ref.semver = reader.text("semver");
  ref.name = reader.text("name");
  ref.commit = reader.text("commit");
  return reader.finished(std::move(ref));
}

GitSource read_git(JsonReader reader) {
  GitSource git;
  git.url = reader.required_text("url");
  git.ref = reader.maybe("ref", read_git_ref);
  git.sub_path = reader.text("subPath");
  git.include = reader.texts("include");
  git.exclude = reader.texts("exclude");
  git.recurse_submodules = reader.boolean("recurseSubmodules", false);
  git.lfs = reader.boolean("lfs", false);
  git.secret = read_secret_ref(reader, "secretRef");
  return reader.finished(std::move(git));
}

InlineSource read_inline(JsonReader reader) {
  InlineSource source;
  source.files = reader.text_map("files");
  if (!reader.has("files")) reader.context().fail(reader.path_of("files") + " is missing");
  return reader.finished(std::move(source));
}

ImageSource read_image(JsonReader reader) {
  ImageSource image;
  image.reference = reader.required_text("reference");
  image.path = reader.text("path");
  image.registry = read_registry(reader);
  return reader.finished(std::move(image));
}

Content read_content(JsonReader reader) {
  Content content;
  content.path = reader.required_text("path");
  content.config_map = reader.maybe("configMap", read_keyed);
  content.secret = reader.maybe("secret", read_keyed);
  content.git = reader.maybe("git", read_git);
  content.inline_ = reader.maybe("inline", read_inline);
  content.image = reader.maybe("image", read_image);
  content.uid = reader.optional_number("uid", kMaxId);
  content.gid = reader.optional_number("gid", kMaxId);
  content.file_mode = reader.optional_number("fileMode", kMaxMode);
  content.dir_mode = reader.optional_number("dirMode", kMaxMode);
  return reader.finished(std::move(content));
}

EnvVar read_env(JsonReader reader) {
  EnvVar env;
  env.name = reader.required_text("name");
  env.value = reader.text("value");
  return reader.finished(std::move(env));
}

Config read_config(JsonReader reader) {
  Config config;
  config.entrypoint = reader.optional_texts("entrypoint");
  config.args = reader.optional_texts("args");
  config.env = reader.list("env", read_env);
  config.unset_env = reader.texts("unsetEnv");
  config.labels = reader.text_map("labels");
  config.user = reader.optional_text("user");
  config.working_dir = reader.optional_text("workingDir");
  config.exposed_ports = reader.texts("exposedPorts");
  config.stop_signal = reader.optional_text("stopSignal");
  return reader.finished(std::move(config));
}

Output read_output(JsonReader reader) {
  Output output;
  output.image = reader.required_text("image");
  output.tags = reader.texts("tags");
  output.registry = read_registry(reader);
  output.annotations = reader.text_map("annotations");
  output.enforce_tag = reader.boolean("enforceTag", false);
  output.media_types = reader.choice("mediaTypes", {"OCI", "Docker"});
  output.compression = reader.choice("compression", {"Gzip", "GzipSmall", "Zstd"});
  output.layers = reader.choice("layers", {"Auto", "Single", "PerContent"});
  output.timestamps = reader.choice("timestamps", {"Content", "Epoch", "SourceRevision"});
  return reader.finished(std::move(output));
}

Triggers read_triggers(JsonReader reader) {
  Triggers triggers;
  triggers.content = reader.boolean("content", true);
  triggers.base = reader.boolean("base", true);
  return reader.finished(triggers);
}

/// `zero`: whether 0 (off) is allowed too.
std::chrono::milliseconds read_duration(JsonReader& reader, std::string_view key,
                                        std::chrono::milliseconds fallback, bool zero) {
  const auto text = reader.optional_text(key);
  if (!text) return fallback;
  const auto duration = parse_duration(*text);
  if (duration && (*duration >= std::chrono::seconds(1) || (zero && duration->count() == 0)))
    return *duration;
  const auto* wanted =
      zero ? " must be a duration of 1s or more, or 0s for no polling: write 30s, 10m or 1h30m"
           : " must be a duration of 1s or more: write 90s, 10m or 1h30m";
  reader.context().fail(reader.path_of(key) + wanted);
  return fallback;
}

Spec read_spec(JsonReader reader) {
  Spec spec;
  if (!reader.has("base")) reader.context().fail("spec.base is missing");
  if (!reader.has("output")) reader.context().fail("spec.output is missing");
  spec.base = read_base(reader.object("base"));
  spec.remove = reader.texts("remove");
  spec.content = reader.list("content", read_content);
  spec.config = read_config(reader.object("config"));
  spec.output = read_output(reader.object("output"));
  spec.triggers = read_triggers(reader.object("triggers"));
  spec.interval = read_duration(reader, "interval", spec.interval, true);
  spec.timeout = read_duration(reader, "timeout", spec.timeout, false);
  spec.suspend = reader.boolean("suspend", false);
  spec.service_account = reader.text("serviceAccountName", spec.service_account);
  spec.history_limit =
      static_cast<int>(reader.integer("historyLimit", spec.history_limit, 0, kMaxHistory));
  spec.deletion_policy = reader.choice("deletionPolicy", {"Retain", "Delete"});
  spec.pin = reader.text("pin");
  return reader.finished(std::move(spec));
}

/// Metadata has many fields that are not ours to judge: unknown ones are never refused.
Metadata read_metadata(JsonReader reader) {
  Metadata metadata;
  metadata.name = reader.text("name");
  metadata.namespace_ = reader.text("namespace");
  metadata.uid = reader.text("uid");
  metadata.resource_version = reader.text("resourceVersion");
  metadata.generation = reader.integer("generation", 0, 0, INT64_MAX);
  metadata.creation_timestamp = reader.text("creationTimestamp");
  metadata.deleting = reader.has("deletionTimestamp");
  metadata.annotations = reader.text_map("annotations");
  return metadata;
}

void check_kind(JsonReader& reader) {
  const auto kind = reader.text("kind", std::string(kKind));
  if (kind != kKind) reader.context().fail("kind is " + kind + ", not ImageBuild");
  const auto version = reader.text("apiVersion", std::string(kApiVersion));
  if (version != kApiVersion)
    reader.context().fail("apiVersion is " + version + ": write " + std::string(kApiVersion));
}

Result<ImageBuild> read_image_build(const Json& document, ReadContext context) {
  JsonReader reader(document, "", context);
  ImageBuild build;
  check_kind(reader);
  build.metadata = read_metadata(reader.object("metadata"));
  if (!reader.has("spec")) context.fail("spec is missing");
  build.spec = read_spec(reader.object("spec"));
  if (context.error) return *std::move(context.error);

  build.status = read_status(reader.object("status"));
  context.error.reset();  // The status is ours to write anew.
  reader.finish();
  if (context.error) return *std::move(context.error);
  return build;
}

}  // namespace

Result<ImageBuild> parse_image_build(std::string_view json, UnknownFields unknown,
                                     std::set<std::string>* asked) {
  const auto document = parse_json(json);
  if (!document) return document.error();
  if (!document->is_object()) return Error(Errc::kInvalid, "an ImageBuild must be an object");
  ReadContext context;
  context.refuse_unknown = unknown == UnknownFields::kRefuse;
  context.asked = asked;
  if (!context.refuse_unknown && asked == nullptr) {
    auto without_paths = context;
    without_paths.with_paths = false;
    auto build = read_image_build(*document, std::move(without_paths));
    if (build) return build;  // Else once more, to say what is wrong where.
  }
  return read_image_build(*document, std::move(context));
}

}  // namespace kiln::api
