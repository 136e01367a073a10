#include "cli/build_command.h"

#include <algorithm>
#include <iostream>

#include "cli/destination.h"
#include "cli/keychain.h"
#include "cli/manifests.h"
#include "cli/terminal.h"
#include "controller/plan/plan.h"
#include "core/auth/docker_config.h"
#include "core/base/deadline.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/build/pusher.h"

namespace kiln::cli {
namespace {

constexpr std::uint64_t kMaxCaBytes = 1024 * 1024;

/// ConfigMaps and Secrets of one namespace, from the manifests.
class ManifestProvider final : public plan::ContentProvider {
 public:
  ManifestProvider(const Manifests& manifests, std::string space)
      : manifests_(manifests), namespace_(std::move(space)) {}

  Task<Result<plan::NamedData>> config_map(std::string name) override {
    return find(manifests_.config_maps, "ConfigMap", std::move(name));
  }
  Task<Result<plan::NamedData>> secret(std::string name) override {
    return find(manifests_.secrets, "Secret", std::move(name));
  }

 private:
  Task<Result<plan::NamedData>> find(
      const std::map<std::string, plan::NamedData>& all,  // NOLINT: a member of manifests_
      std::string kind, std::string name) {
    const auto found = all.find(namespace_ + "/" + name);
    if (found == all.end())
      co_return Error(Errc::kNotFound,
                      "the " + kind + " " + namespace_ + "/" + name +
                          " is in none of the files; add it, or name its file with -f");
    co_return found->second;
  }

  const Manifests& manifests_;
  std::string namespace_;
};

/// The Secret of secretRef if the files have it, and after it the user's own credentials.
Result<std::shared_ptr<const auth::Keychain>> keychain_for(
    const std::string& secret, const std::string& space, const Manifests& manifests,
    std::shared_ptr<const auth::Keychain> user) {
  const auto found = manifests.secrets.find(space + "/" + secret);
  if (secret.empty() || found == manifests.secrets.end()) return user;
  const auto config = found->second.files.find(".dockerconfigjson");
  if (config == found->second.files.end())
    return Error(Errc::kInvalid, "the Secret " + secret + " has no key .dockerconfigjson");
  auto parsed = auth::DockerConfig::parse(config->second);
  if (!parsed) return std::move(parsed).error().while_doing("the Secret " + secret);
  std::vector<std::shared_ptr<const auth::Keychain>> chain;
  chain.push_back(std::make_shared<auth::DockerConfig>(std::move(*parsed)));
  chain.push_back(std::move(user));
  return std::shared_ptr<const auth::Keychain>(
      std::make_shared<auth::KeychainChain>(std::move(chain)));
}

bool selected(const api::ImageBuild& build, const std::string& name) {
  return name.empty() || name == build.metadata.name || name == build.metadata.key();
}

Result<std::vector<api::ImageBuild>> select_builds(const Manifests& manifests,
                                                   const BuildOptions& options) {
  std::vector<api::ImageBuild> builds;
  for (const auto& build : manifests.builds)
    if (selected(build, options.name)) builds.push_back(build);
  if (builds.empty() && options.name.empty())
    return Error(Errc::kInvalid, "the files hold no ImageBuild; expected kind: ImageBuild");
  if (builds.empty())
    return Error(Errc::kNotFound, "no ImageBuild " + options.name + " in the files");
  if (builds.size() > 1 && !options.targets.empty())
    return Error(Errc::kInvalid,
                 "the files hold " + std::to_string(builds.size()) +
                     " ImageBuilds, and -t names one place; choose one with --name");
  return builds;
}

/// One ImageBuild on its way; the members are found one after the other.
class BuildRun {
 public:
  BuildRun(api::ImageBuild build, const Manifests& manifests, const BuildOptions& options,
           Engine engine)
      : build_(std::make_shared<const api::ImageBuild>(std::move(build))),
        manifests_(manifests),
        options_(options),
        engine_(engine),
        provider_(manifests, build_->metadata.namespace_) {}

  Task<Result<void>> run() {
    KILN_CO_TRY(plan::check_spec(*build_));
    KILN_CO_TRY(co_await make_plan());
    KILN_CO_TRY(co_await assemble());
    if (options_.dry_run) {
      print(plan_->repository.str(), "");
      co_return Result<void>();
    }
    if (options_.targets.empty()) co_return co_await push_as_planned();
    for (const auto& target : options_.targets) KILN_CO_TRY(co_await push_to(target));
    co_return Result<void>();
  }

 private:
  bool insecure(const std::string& registry) const {
    return options_.insecure_all ||
           std::find(options_.insecure_hosts.begin(), options_.insecure_hosts.end(), registry) !=
               options_.insecure_hosts.end();
  }

  void apply_flags(registry::Access& access, const std::string& registry) const {
    access.insecure = access.insecure || insecure(registry);
    if (ca_ && !access.tls) access.tls = ca_;
  }

  Result<plan::Keychains> keychains() {
    if (!options_.ca_file.empty()) {
      auto pem = read_file(options_.ca_file, kMaxCaBytes);
      if (!pem) return std::move(pem).error().while_doing("--ca");
      http::TlsOptions tls;
      tls.ca_pem = std::move(*pem);
      ca_ = std::make_shared<const http::TlsOptions>(std::move(tls));
    }
    auto user = user_keychain();
    if (!user) return std::move(user).error();
    user_ = *user;
    const auto& space = build_->metadata.namespace_;
    auto base = keychain_for(build_->spec.base.registry.secret, space, manifests_, user_);
    if (!base) return std::move(base).error();
    auto output = keychain_for(build_->spec.output.registry.secret, space, manifests_, user_);
    if (!output) return std::move(output).error();
    plan::Keychains keychains;
    keychains.base = std::move(*base);
    keychains.output = std::move(*output);
    return keychains;
  }

  Task<Result<void>> make_plan() {
    auto keys = keychains();
    if (!keys) co_return std::move(keys).error();
    auto accesses = co_await plan::read_accesses(build_, provider_, std::move(*keys));
    if (!accesses) co_return std::move(accesses).error();
    if (build_->spec.base.image != "scratch") {
      auto base = oci::Reference::parse(build_->spec.base.image);
      if (!base) co_return std::move(base).error().while_doing("spec.base.image");
      apply_flags(accesses->base, base->repository().registry);
    }
    auto made = co_await plan::make_plan(build_, provider_, std::move(*accesses));
    if (!made) co_return std::move(made).error();
    plan_ = std::make_unique<plan::Plan>(std::move(*made));
    apply_flags(plan_->output_access, plan_->repository.registry);
    co_return Result<void>();
  }

  Task<Result<void>> assemble() {
    auto content = co_await engine_.builder.fetch_content(plan_->request);
    if (!content) co_return std::move(content).error();
    tell("resolving the base " + build_->spec.base.image);
    auto base = co_await engine_.builder.resolve_base(plan_->request);
    if (!base) co_return std::move(base).error().while_doing("base " + build_->spec.base.image);
    for (const auto& warning : base->warnings) warn(warning);
    key_ = build::input_key(*plan_->request, *base, *content);
    auto shared_base = std::make_shared<const build::ResolvedBase>(std::move(*base));
    auto shared_content =
        std::make_shared<const std::vector<build::FetchedContent>>(std::move(*content));
    auto assembled = co_await engine_.builder.assemble(plan_->request, shared_base, shared_content);
    if (!assembled) co_return std::move(assembled).error();
    for (const auto& warning : assembled->warnings) warn(warning);
    for (const auto& layer : assembled->layers)
      tell("layer " + layer.blob.descriptor().digest.short_hex() + ": " +
           std::to_string(layer.files) + " files, " +
           human_bytes(layer.blob.descriptor().size_bytes));
    images_ = std::make_shared<const image::ImageSet>(assembled->images);
    co_return Result<void>();
  }

  Result<std::vector<std::string>> planned_tags() const {
    const plan::TagFacts facts{engine_.clock.now(), key_, build_->metadata.generation};
    return plan::render_tags(*build_, facts);
  }

  Task<Result<void>> push_as_planned() {
    auto tags = planned_tags();
    if (!tags) co_return std::move(tags).error();
    auto destination =
        build::registry_destination(engine_.registry, plan_->repository, plan_->output_access);
    co_return co_await push(*destination, std::move(*tags), plan_->repository.str());
  }

  Task<Result<void>> push_to(std::string text) {
    auto target = Target::parse(text);
    if (!target) co_return std::move(target).error().while_doing("-t " + text);
    registry::Access access;
    access.keychain = user_;
    if (target->is_registry()) {
      const auto& registry = target->reference().repository().registry;
      if (registry == plan_->repository.registry) access = plan_->output_access;
      apply_flags(access, registry);
    }
    auto destination = target->open(engine_.registry, std::move(access), engine_.pool);
    if (!destination) co_return std::move(destination).error().while_doing("-t " + text);
    std::vector<std::string> tags{target->tag()};
    co_return co_await push(**destination, std::move(tags), target->name());
  }

  /// Lifetime: `destination` lives in the caller's frame until this ends.
  Task<Result<void>> push(store::Destination& destination,  // NOLINT: see Lifetime
                          std::vector<std::string> tags, std::string name) {
    build::PushListener listener = [](const build::PushEvent& event) {
      if (event.kind == build::PushEvent::Kind::kUploaded)
        tell("sent " + event.what + " (" + human_bytes(event.bytes) + ")");
      if (event.kind == build::PushEvent::Kind::kReused) tell("there already: " + event.what);
    };
    auto pushed = co_await build::push_content(images_, destination, engine_.registry,
                                               plan_->request->base.access, std::move(listener));
    if (!pushed) co_return std::move(pushed).error().while_doing(name);
    auto shown = tags.front();
    auto published = co_await build::publish(images_, destination, std::move(tags));
    if (!published) co_return std::move(published).error().while_doing(name);
    print(name, shown);
    co_return Result<void>();
  }

  void print(const std::string& name, const std::string& tag) const {
    const auto top = images_->top();
    if (!options_.json) {
      std::cout << name << '@' << top.digest.str() << std::endl;
      return;
    }
    Json json = {{"image", name + "@" + top.digest.str()},
                 {"name", name},
                 {"digest", top.digest.str()},
                 {"mediaType", top.media_type},
                 {"size", top.bytes.size()},
                 {"inputKey", key_},
                 {"imageBuild", build_->metadata.key()}};
    if (!tag.empty()) json["tag"] = tag;
    std::cout << dump_json(json) << std::endl;
  }

  std::shared_ptr<const api::ImageBuild> build_;
  const Manifests& manifests_;
  const BuildOptions& options_;
  Engine engine_;
  ManifestProvider provider_;
  std::shared_ptr<const auth::Keychain> user_;
  std::shared_ptr<const http::TlsOptions> ca_;
  std::unique_ptr<plan::Plan> plan_;
  std::string key_;
  std::shared_ptr<const image::ImageSet> images_;
};

}  // namespace

Task<Result<void>> build_command(BuildOptions options, Engine engine) {
  auto manifests = load_manifests(options.files);
  if (!manifests) co_return std::move(manifests).error();
  auto builds = select_builds(*manifests, options);
  if (!builds) co_return std::move(builds).error();
  for (const auto& build : *builds) {
    const auto name = build.metadata.key();
    const auto limit = build.spec.timeout;
    BuildRun run(build, *manifests, options, engine);
    auto done = co_await with_deadline(run.run(), limit, "the build (spec.timeout)");
    if (!done) co_return std::move(done).error().while_doing("ImageBuild " + name);
  }
  co_return Result<void>();
}

}  // namespace kiln::cli
