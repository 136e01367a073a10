#include "controller/plan/plan.h"

#include <map>
#include <optional>
#include <span>
#include <utility>

#include "core/base/choices.h"
#include "core/base/encoding.h"
#include "core/base/nearest.h"
#include "core/base/sha256.h"
#include "core/source/inline_source.h"

namespace kiln::plan {
namespace {

/// Content of a Secret: its identity is keyed, so that it cannot be compared with known bytes.
class KeyedIdentitySource final : public source::Source {
 public:
  KeyedIdentitySource(std::shared_ptr<source::Source> inner, std::string key)
      : inner_(std::move(inner)), key_(std::move(key)) {}

  std::string description() const override { return inner_->description(); }
  Task<Result<source::Content>> fetch() override {
    auto content = co_await inner_->fetch();
    if (!content) co_return std::move(content).error();
    const auto keyed = hmac_sha256(key_, content->identity);
    content->identity = "hmac-sha256:" + to_hex(keyed);
    co_return std::move(*content);
  }

 private:
  std::shared_ptr<source::Source> inner_;
  std::string key_;
};

/// The names of the keys that there are: of a Secret, too, nothing else.
std::string keys_of(const NamedData& data, std::string_view wanted) {
  std::vector<std::string> keys;
  for (const auto& [key, bytes] : data.files) keys.push_back(key);
  sort_by_likeness(keys, wanted);
  return keys.empty() ? "; it has none" : "; it has " + some_of(keys);
}

/// The files that one entry takes out of a ConfigMap or Secret.
Result<std::vector<source::NamedFile>> choose_files(const api::KeyedSource& wanted,
                                                    const NamedData& data,
                                                    const std::string& name) {
  std::vector<source::NamedFile> files;
  if (wanted.items.empty()) {
    for (const auto& [key, bytes] : data.files) files.emplace_back(key, bytes);
    return files;
  }
  for (const auto& item : wanted.items) {
    const auto found = data.files.find(item.key);
    if (found != data.files.end())
      files.emplace_back(item.path, found->second);
    else if (!wanted.optional)
      return Error(Errc::kNotFound,
                   name + " has no key \"" + item.key + "\"" + keys_of(data, item.key));
  }
  return files;
}

oci::ConfigPatch config_patch(const api::Config& config) {
  oci::ConfigPatch patch;
  patch.entrypoint = config.entrypoint;
  patch.args = config.args;
  for (const auto& env : config.env) patch.env.emplace_back(env.name, env.value);
  patch.unset_env = config.unset_env;
  patch.labels = config.labels;
  patch.user = config.user;
  patch.working_dir = config.working_dir;
  patch.exposed_ports = config.exposed_ports;
  patch.stop_signal = config.stop_signal;
  return patch;
}

Result<build::BaseRequest> base_request(const api::Base& base, registry::Access access) {
  build::BaseRequest request;
  if (base.image != "scratch") {
    auto reference = oci::Reference::parse(base.image);
    if (!reference) return reference.error().while_doing("spec.base.image");
    request.reference = std::move(*reference);
  }
  for (const auto& text : base.platforms) {
    auto platform = oci::Platform::parse(text);
    if (!platform) return platform.error().while_doing("spec.base.platforms");
    request.platforms.push_back(std::move(*platform));
  }
  request.access = std::move(access);
  return request;
}

Result<void> apply_output(const api::Output& output, build::BuildRequest& request) {
  request.annotations = output.annotations;
  request.docker_media_types = output.media_types == "Docker";
  const auto compression = layer::parse_compression(output.compression);
  if (!compression) return compression.error().while_doing("spec.output.compression");
  request.compression = *compression;
  const auto layers = build::parse_layer_policy(output.layers);
  if (!layers) return layers.error().while_doing("spec.output.layers");
  request.layers = *layers;
  request.timestamps.kind =
      output.timestamps == "Epoch" ? layer::Timestamps::kEpoch : layer::Timestamps::kContent;
  return {};
}

build::Ownership ownership_of(const api::Content& content) {
  return build::Ownership{content.uid, content.gid, content.file_mode, content.dir_mode};
}

/// Reads each ConfigMap and Secret once per plan, so that all entries see one state of it.
class Reading {
 public:
  Reading(std::shared_ptr<const api::ImageBuild> build, ContentProvider& provider, GitSources git,
          ImageSources images, std::map<std::size_t, registry::Access> accesses)
      : build_(std::move(build)),
        provider_(provider),
        git_(std::move(git)),
        images_(std::move(images)),
        accesses_(std::move(accesses)) {}

  Task<Result<std::shared_ptr<source::Source>>> source_of(std::size_t index) {
    const auto& content = build_->spec.content[index];
    if (content.git) co_return co_await git_source(index);
    if (content.image) co_return image_source(index);
    if (content.inline_) co_return inline_source(*content.inline_);
    auto source = co_await keyed_source(index);
    if (!source) co_return std::move(source).error().while_doing(content_field(index));
    co_return source;
  }

 private:
  Task<Result<std::shared_ptr<source::Source>>> git_source(std::size_t index) {
    const auto& wanted = *build_->spec.content[index].git;
    const auto where = content_field(index) + ".git.secretRef";
    const auto name = "Secret/" + wanted.secret;
    std::optional<NamedData> secret;
    if (!wanted.secret.empty()) {
      auto data = co_await read(name, wanted.secret, true);
      if (!data) co_return std::move(data).error().while_doing(where);
      secret = std::move(*data);
    }
    auto request = git_request(wanted, secret ? &*secret : nullptr);
    if (!request) co_return std::move(request).error().while_doing(name).while_doing(where);
    co_return git_(std::move(*request), index);
  }

  Result<std::shared_ptr<source::Source>> image_source(std::size_t index) {
    const auto& wanted = *build_->spec.content[index].image;
    auto reference = oci::Reference::parse(wanted.reference);
    if (!reference)
      return std::move(reference).error().while_doing(content_field(index) + ".image.reference");
    build::ImageContentRequest request(std::move(*reference),
                                       wanted.path.empty() ? "/" : wanted.path);
    if (const auto access = accesses_.find(index); access != accesses_.end())
      request.access = access->second;
    return images_(std::move(request), index);
  }

  Task<Result<std::shared_ptr<source::Source>>> keyed_source(std::size_t index) {
    const auto& content = build_->spec.content[index];
    const bool secret = content.secret.has_value();
    const auto wanted = secret ? *content.secret : *content.config_map;
    const auto name = source_name(content);
    auto data = co_await read(name, wanted.name, secret);
    if (!data && data.error().code == Errc::kNotFound && wanted.optional) data = NamedData();
    if (!data) co_return std::move(data).error();
    auto files = choose_files(wanted, *data, name);
    if (!files) co_return std::move(files).error();
    std::shared_ptr<source::Source> source =
        std::make_shared<source::InlineSource>(name, data->resource_version, std::move(*files));
    if (secret)
      source = std::make_shared<KeyedIdentitySource>(std::move(source), build_->metadata.uid);
    co_return source;
  }

  static std::shared_ptr<source::Source> inline_source(const api::InlineSource& wanted) {
    std::vector<source::NamedFile> files;
    for (const auto& [path, text] : wanted.files) files.emplace_back(path, text);
    return std::make_shared<source::InlineSource>("inline", "", std::move(files));
  }

  Task<Result<NamedData>> read(std::string key, std::string name, bool secret) {
    if (const auto found = read_.find(key); found != read_.end()) co_return found->second;
    // Two statements: g++ 12 miscompiles co_await within a conditional expression.
    Result<NamedData> data = Error();
    if (secret)
      data = co_await provider_.secret(std::move(name));
    else
      data = co_await provider_.config_map(std::move(name));
    if (data) read_.emplace(std::move(key), *data);
    co_return data;
  }

  std::shared_ptr<const api::ImageBuild> build_;
  ContentProvider& provider_;
  GitSources git_;
  ImageSources images_;
  std::map<std::size_t, registry::Access> accesses_;
  std::map<std::string, NamedData> read_;
};

Task<Result<registry::Access>> read_access(api::RegistryRef wanted, std::string field,
                                           ContentProvider& provider,
                                           std::shared_ptr<const auth::Keychain> keychain) {
  registry::Access access;
  access.keychain = std::move(keychain);
  access.insecure = wanted.insecure;
  if (!wanted.cert_secret.empty()) {
    const auto where = field + ".certSecretRef";
    auto secret = co_await provider.secret(wanted.cert_secret);
    if (!secret) co_return std::move(secret).error().while_doing(where);
    auto tls = tls_of(*secret);
    if (!tls)
      co_return std::move(tls).error().while_doing(where + ": Secret/" + wanted.cert_secret);
    access.tls = std::move(*tls);
  }
  co_return access;
}

}  // namespace

std::string content_field(std::size_t index) {
  return "spec.content[" + std::to_string(index) + "]";
}

std::string source_name(const api::Content& content) {
  if (content.config_map) return "ConfigMap/" + content.config_map->name;
  if (content.secret) return "Secret/" + content.secret->name;
  if (content.git) return content.git->url;
  if (content.image) return content.image->reference;
  return "inline";
}

Task<Result<Accesses>> read_accesses(std::shared_ptr<const api::ImageBuild> build,
                                     ContentProvider& provider, Keychains keychains) {
  Accesses accesses;
  auto base = co_await read_access(build->spec.base.registry, std::string("spec.base"), provider,
                                   keychains.base);
  if (!base) co_return std::move(base).error();
  accesses.base = std::move(*base);
  auto output = co_await read_output_access(build, provider, keychains.output);
  if (!output) co_return std::move(output).error();
  accesses.output = std::move(*output);
  for (std::size_t i = 0; i < build->spec.content.size(); ++i) {
    const auto& image = build->spec.content[i].image;
    if (!image) continue;
    auto access = co_await read_access(image->registry, content_field(i) + ".image", provider,
                                       keychains.content[i]);
    if (!access) co_return std::move(access).error();
    accesses.content.insert_or_assign(i, std::move(*access));
  }
  co_return accesses;
}

Task<Result<registry::Access>> read_output_access(std::shared_ptr<const api::ImageBuild> build,
                                                  ContentProvider& provider,
                                                  std::shared_ptr<const auth::Keychain> keychain) {
  return read_access(build->spec.output.registry, "spec.output", provider, std::move(keychain));
}

Task<Result<Plan>> make_plan(std::shared_ptr<const api::ImageBuild> build,
                             ContentProvider& provider, Accesses accesses, GitSources git,
                             ImageSources images) {
  const auto& spec = build->spec;
  const auto output = oci::Reference::parse(spec.output.image);
  if (!output) co_return output.error().while_doing("spec.output.image");
  auto request = std::make_shared<build::BuildRequest>();
  auto base = base_request(spec.base, std::move(accesses.base));
  if (!base) co_return std::move(base).error();
  request->base = std::move(*base);
  request->remove = spec.remove;
  request->config = config_patch(spec.config);
  KILN_CO_TRY(apply_output(spec.output, *request));

  Reading reading(build, provider, std::move(git), std::move(images), std::move(accesses.content));
  for (std::size_t i = 0; i < spec.content.size(); ++i) {
    auto source = co_await reading.source_of(i);
    if (!source) co_return std::move(source).error();
    request->content.emplace_back(std::move(*source), spec.content[i].path);
    request->content.back().ownership = ownership_of(spec.content[i]);
    // Errors of git name the repository themselves.
    const auto named = spec.content[i].git ? "" : " (" + source_name(spec.content[i]) + ")";
    request->content.back().name = content_field(i) + named;
  }
  co_return Plan(std::move(request), output->repository(), std::move(accesses.output));
}

}  // namespace kiln::plan
