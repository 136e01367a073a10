#include "cli/build_run.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "cli/build_memory.h"
#include "cli/local_content.h"
#include "cli/manifest_provider.h"
#include "cli/terminal.h"
#include "controller/plan/plan.h"
#include "core/base/gather.h"
#include "core/build/early_destination.h"
#include "core/build/pusher.h"
#include "core/source/directory_source.h"
#include "core/source/late_identity.h"

namespace kiln::cli {
namespace {

/// One ImageBuild on its way; the members are found one after the other.
class BuildRun {
 public:
  BuildRun(api::ImageBuild build, const Manifests& manifests, const BuildOptions& options,
           Images& images)
      : build_(std::move(build)),
        manifests_(manifests),
        options_(options),
        images_(images),
        memory_(images.engine().cache_dir.empty() ? std::filesystem::path()
                                                  : images.engine().cache_dir / "builds"),
        provider_(manifests, build_.metadata.namespace_) {}

  Task<Result<void>> run() {
    auto local = stand_in(build_, options_.local_content);
    if (!local) co_return std::move(local).error();
    // A try-out has no commit to name its tags after, and -t names the place.
    if (!local->empty() && !options_.targets.empty()) build_.spec.output.tags.clear();
    KILN_CO_TRY(plan::check_spec(build_));
    if (!build_.spec.pin.empty() && options_.targets.empty() && !options_.dry_run)
      co_return Error(Errc::kUnsupported,
                      "spec.pin: the tags are pinned, so nothing is built for them; name another "
                      "place with -t, or drop the pin");
    has_local_ = !local->empty();
    KILN_CO_TRY(co_await make_plan(std::move(*local)));
    KILN_CO_TRY(co_await look());
    const auto there = co_await is_there();
    if (there && *there) co_return Result<void>();
    KILN_CO_TRY(co_await read_the_rest());
    auto sent = co_await assemble_and_send();
    if (sent.has_error() && images_.engine().builder.records_were_wrong()) {
      warn(sent.error().message);
      tell("building again without them");
      sent = co_await assemble_and_send();
    }
    KILN_CO_TRY(sent);
    if (remembers() && !options_.dry_run) memory_.remember_image(key_, result_->top().descriptor());
    co_return Result<void>();
  }

 private:
  /// Which image is where now.
  struct Pushed {
    oci::Descriptor top;
    std::string name;
    std::string tag;
    Pushed(oci::Descriptor d, std::string n, std::string t)
        : top(std::move(d)), name(std::move(n)), tag(std::move(t)) {}
  };

  Task<Result<void>> assemble_and_send() {
    KILN_CO_TRY(co_await open_early());
    KILN_CO_TRY(co_await assemble());
    if (!options_.dry_run && options_.targets.size() == 1 && all_is_packed())
      co_return co_await learn_and_push(options_.targets.front());
    auto learnt = co_await learn_identities();
    if (!learnt) co_return std::move(learnt).error();
    co_await remember_files();
    if (options_.dry_run) {
      print(result_->top().descriptor(), plan_->repository.str(), "");
      co_return Result<void>();
    }
    auto targets = options_.targets;
    if (targets.empty()) targets.emplace_back();
    for (const auto& target : targets) {
      auto pushed = co_await push_to(target);
      if (!pushed) co_return std::move(pushed).error();
      print(**pushed);
    }
    co_return Result<void>();
  }

  /// At the same time: what the content is, which takes a moment to compute, is not asked for by
  /// the place that the image goes to.
  Task<Result<void>> learn_and_push(std::string target) {
    std::vector<Task<Result<std::optional<Pushed>>>> all;
    all.push_back(push_to(std::move(target)));
    all.push_back(learn_identities());
    all.push_back(remember_files());
    auto done = co_await gather(std::move(all), 3);
    if (!done) co_return std::move(done).error();
    print(*done->front());
    co_return Result<void>();
  }

  Result<plan::Keychains> keychains() {
    const auto& space = build_.metadata.namespace_;
    const auto user = images_.registries().keychain();
    auto base = keychain_for(build_.spec.base.registry.secret, space, manifests_, user);
    if (!base) return std::move(base).error();
    auto output = keychain_for(build_.spec.output.registry.secret, space, manifests_, user);
    if (!output) return std::move(output).error();
    plan::Keychains keychains;
    keychains.base = std::move(*base);
    keychains.output = std::move(*output);
    for (std::size_t i = 0; i < build_.spec.content.size(); ++i) {
      const auto& image = build_.spec.content[i].image;
      if (!image) continue;
      auto keychain = keychain_for(image->registry.secret, space, manifests_, user);
      if (!keychain) return std::move(keychain).error();
      keychains.content.insert_or_assign(i, std::move(*keychain));
    }
    return keychains;
  }

  Task<Result<void>> make_plan(std::vector<LocalContent> local) {
    auto keys = keychains();
    if (!keys) co_return std::move(keys).error();
    const auto shared = std::make_shared<const api::ImageBuild>(build_);
    auto accesses = co_await plan::read_accesses(shared, provider_, std::move(*keys));
    if (!accesses) co_return std::move(accesses).error();
    if (build_.spec.base.image != "scratch") {
      auto base = oci::Reference::parse(build_.spec.base.image);
      if (!base) co_return std::move(base).error().while_doing("spec.base.image");
      KILN_CO_TRY(co_await images_.prepare(base->repository().registry));
      images_.registries().apply_flags(accesses->base, base->repository().registry);
    }
    for (auto& [entry, access] : accesses->content) {
      auto image = oci::Reference::parse(build_.spec.content[entry].image->reference);
      if (!image) co_return std::move(image).error().while_doing(plan::content_field(entry));
      KILN_CO_TRY(co_await images_.prepare(image->repository().registry));
      images_.registries().apply_flags(access, image->repository().registry);
    }
    auto git = git_sources();
    plan::ImageSources images = [this](build::ImageContentRequest request, std::size_t) {
      return images_.engine().builder.image_content(std::move(request));
    };
    auto made = co_await plan::make_plan(shared, provider_, std::move(*accesses), std::move(git),
                                         std::move(images));
    if (!made) co_return std::move(made).error();
    plan_ = std::make_unique<plan::Plan>(std::move(*made));
    KILN_CO_TRY(co_await images_.prepare(plan_->repository.registry));
    images_.registries().apply_flags(plan_->output_access, plan_->repository.registry);
    co_return with_flags(local);
  }

  /// What the command line says goes before what the manifest says.
  Result<void> with_flags(const std::vector<LocalContent>& local) {
    auto request = std::make_shared<build::BuildRequest>(*plan_->request);
    KILN_TRY(options_.build.apply(*request, has_git()));
    if (!images_.wanted().empty()) request->base.platforms = images_.wanted();
    for (const auto& [entry, directory] : local) {
      source::DirectoryOptions read;
      read.identities = true;
      read.tree_later = true;
      // Where this was built before, little is new, and to know what it is may be all there is to
      // do. Else every layer has to be made, so files are read once: when they are packed.
      read.late = !memory_.has_built(subject());
      const auto& engine = images_.engine();
      if (!engine.cache_dir.empty())
        read.checksums = std::make_shared<source::FileChecksums>(
            engine.cache_dir / "file-checksums", engine.clock);
      request->content[entry].source = std::make_shared<source::DirectorySource>(
          directory, std::move(read), images_.engine().pool);
    }
    plan_->request = std::move(request);
    return {};
  }

  bool has_git() const {
    const auto& content = build_.spec.content;
    return std::any_of(content.begin(), content.end(),
                       [](const auto& entry) { return entry.git.has_value(); });
  }

  /// Whose builds are alike, for the memory.
  std::string subject() const { return build_.metadata.key() + " " + build_.spec.output.image; }

  /// Is the content what can be large?
  bool remembers() const { return has_local_ || has_git(); }

  bool wants_commit_times() const {
    const auto& flag = options_.build.timestamps;
    return flag.empty() ? build_.spec.output.timestamps == "SourceRevision"
                        : options_.build.wants_commit_times();
  }

  /// What an earlier run has read is not read again where the commit is the same. Times of commits
  /// have to be read.
  plan::GitSources git_sources() {
    return [this](source::GitRequest request, std::size_t entry) {
      requests_.emplace(entry, request);
      if (!wants_commit_times() && !options_.dry_run) request.known = memory_.content(request);
      return images_.engine().git(std::move(request), entry);
    };
  }

  /// Fetches the content, but for what is known, and resolves the base.
  Task<Result<void>> look() {
    auto& builder = images_.engine().builder;
    for (const auto& one : build_.spec.content)
      if (one.git) tell("fetching " + one.git->url);
    auto content = co_await builder.fetch_content(plan_->request);
    if (!content) co_return std::move(content).error();
    if (wants_commit_times()) {
      auto request = std::make_shared<build::BuildRequest>(*plan_->request);
      KILN_CO_TRY(plan::apply_commit_times(*request, *content));
      plan_->request = std::move(request);
    }
    for (const auto& one : *content)
      if (one.content.commit) tell(one.description + " is at " + one.content.revision);
    commit_ = plan::first_commit(*content);
    tell("resolving the base " + build_.spec.base.image);
    auto base = co_await builder.resolve_base(plan_->request);
    if (!base) co_return std::move(base).error().while_doing("base " + build_.spec.base.image);
    for (const auto& warning : base->warnings) warn(warning);
    if (!comes_late(*content)) key_ = build::input_key(*plan_->request, *base, *content);
    base_ = std::make_shared<const build::ResolvedImage>(std::move(*base));
    content_ = std::move(*content);
    co_return Result<void>();
  }

  static bool comes_late(const std::vector<build::FetchedContent>& content) {
    return std::any_of(content.begin(), content.end(),
                       [](const auto& one) { return one.content.late != nullptr; });
  }

  /// Is the image that was made of the same inputs in every place that it is to go to? Asked where
  /// content can be large: to read all of it only to send nothing takes long. An error means that
  /// it has to be found out the long way.
  Task<Result<bool>> is_there() {
    if (!remembers() || options_.dry_run || comes_late(content_)) co_return false;
    const auto known = memory_.image(key_);
    if (!known) co_return false;
    auto places = places_to_be();
    if (!places) co_return std::move(places).error();
    for (const auto& place : *places) {
      std::shared_ptr<store::ImageReader> reader;
      if (is_own_registry(place)) {
        reader = images_.engine().builder.reader(place.reference(), plan_->output_access);
      } else {
        auto opened = co_await images_.reader(place);
        if (!opened) co_return std::move(opened).error();
        reader = std::move(*opened);
      }
      auto top = co_await reader->top();
      if (!top) co_return std::move(top).error();
      if (top->digest != known->digest) co_return false;
    }
    tell("nothing is new");
    if (options_.targets.empty())
      print(*known, plan_->repository.str(), places->front().reference().tag());
    for (std::size_t i = 0; i < options_.targets.size(); ++i)
      print(*known, (*places)[i].name(), tag_of((*places)[i]));
    co_return true;
  }

  bool is_own_registry(const Place& place) const {
    return place.is_registry() &&
           place.reference().repository().registry == plan_->repository.registry;
  }

  /// With their tags. Errors: kUnsupported for those that keep another form of an image.
  Result<std::vector<Place>> places_to_be() const {
    std::vector<std::string> texts = options_.targets;
    if (texts.empty()) {
      auto tags = render_tags();
      if (!tags) return std::move(tags).error();
      for (const auto& tag : *tags) texts.push_back(plan_->repository.str() + ":" + tag);
    }
    std::vector<Place> places;
    for (const auto& text : texts) {
      auto place = Place::parse(text);
      if (!place) return std::move(place).error();
      const bool oci =
          place->kind() == Place::Kind::kOciLayout || place->kind() == Place::Kind::kOciArchive;
      if (!oci && !place->is_registry()) return Error(Errc::kUnsupported, text);
      if (oci && place->tag().empty()) place = Place::parse(text + ":latest");
      if (!place) return std::move(place).error();
      places.push_back(std::move(*place));
    }
    return places;
  }

  static std::string tag_of(const Place& place) {
    return place.is_registry() ? place.reference().tag() : place.tag();
  }

  Result<std::vector<std::string>> render_tags() const {
    const plan::TagFacts facts{images_.engine().clock.now(), key_, build_.metadata.generation,
                               commit_};
    return plan::render_tags(build_, facts);
  }

  /// Something else is new, so what seemed not to be needed is.
  Task<Result<void>> read_the_rest() {
    for (std::size_t i = 0; i < content_.size(); ++i) {
      if (!content_[i].content.unread) continue;
      const auto source = images_.engine().git(requests_.at(i), i);
      auto read = co_await source->fetch();
      if (!read) co_return std::move(read).error().while_doing(plan::content_field(i));
      content_[i].content = std::move(*read);
    }
    for (const auto& [entry, request] : requests_) {
      source::KnownContent known;
      known.revision = content_[entry].content.revision;
      known.identity = content_[entry].content.identity;
      if (!wants_commit_times()) memory_.remember_content(request, known);
    }
    if (!comes_late(content_)) key_ = build::input_key(*plan_->request, *base_, content_);
    shared_content_ = std::make_shared<std::vector<build::FetchedContent>>(std::move(content_));
    co_return Result<void>();
  }

  /// Where the image goes to one registry alone, layers go there while others are being made.
  Task<Result<void>> open_early() {
    if (options_.dry_run || options_.targets.size() > 1) co_return Result<void>();
    early_name_ = plan_->repository.str();
    if (options_.targets.empty()) {
      early_place_ = to_own_registry(plan_->repository);
    } else {
      auto place = Place::parse(options_.targets.front());
      if (!place || !place->is_registry() || place->reference().digest())
        co_return Result<void>();  // If it is wrong, push_to() says it best.
      early_name_ = place->name();
      if (is_own_registry(*place)) {
        early_place_ = to_own_registry(place->reference().repository());
      } else {
        auto opened = co_await images_.destination(std::move(*place));
        if (!opened) co_return std::move(opened).error().while_doing("-t " + early_name_);
        early_place_ = std::move(*opened);
      }
    }
    early_making_ = images_.engine().builder.making(*early_place_);
    early_ = std::make_unique<build::EarlyDestination>(*early_making_);
    co_return Result<void>();
  }

  std::unique_ptr<store::Destination> to_own_registry(oci::Repository repository) const {
    return build::registry_destination(images_.engine().registry, std::move(repository),
                                       plan_->output_access);
  }

  Task<Result<void>> send_early(layer::Layer layer) {
    auto sent = co_await early_->send(std::move(layer));
    if (!sent) co_return std::move(sent).error().while_doing(early_name_);
    co_return sent;
  }

  Task<Result<void>> assemble() {
    auto& builder = images_.engine().builder;
    build::LayerTaker taker;
    if (early_) taker = [this](layer::Layer layer) { return send_early(std::move(layer)); };
    auto assembled =
        co_await builder.assemble(plan_->request, base_, shared_content_, std::move(taker));
    if (!assembled) co_return std::move(assembled).error();
    for (const auto& warning : assembled->warnings) warn(warning);
    tell_layers(*assembled);
    result_ = std::make_shared<const image::ImageSet>(assembled->images);
    co_return Result<void>();
  }

  /// Of all that comes late: then nothing can be found to have changed any more.
  bool all_is_packed() const {
    return std::all_of(shared_content_->begin(), shared_content_->end(), [](const auto& one) {
      return !one.content.late || one.content.late->is_complete();
    });
  }

  /// What came late is known now, and so is the key.
  Task<Result<std::optional<Pushed>>> learn_identities() {
    for (auto& one : *shared_content_) {
      if (!one.content.late || !one.content.identity.empty()) continue;
      auto finish = [late = one.content.late] { return late->finish(); };
      auto identity = co_await images_.engine().pool.run(std::move(finish));
      if (!identity) co_return std::move(identity).error().while_doing(one.description);
      one.content.identity = std::move(*identity);
    }
    key_ = build::input_key(*plan_->request, *base_, *shared_content_);
    if (has_local_ && !memory_.has_built(subject())) memory_.remember_built(subject());
    co_return std::optional<Pushed>();
  }

  Task<Result<std::optional<Pushed>>> remember_files() {
    for (const auto& one : *shared_content_) {
      if (!one.content.late) continue;
      auto keep = [late = one.content.late] {
        late->remember();
        return true;
      };
      co_await images_.engine().pool.run(std::move(keep));
    }
    co_return std::optional<Pushed>();
  }

  Task<Result<std::optional<Pushed>>> push_as_planned() {
    auto tags = render_tags();
    if (!tags) co_return std::move(tags).error();
    const auto destination = to_own_registry(plan_->repository);
    co_return co_await push(*destination, result_, std::move(*tags), plan_->repository.str());
  }

  /// "" = where the manifest says.
  Task<Result<std::optional<Pushed>>> push_to(std::string text) {
    if (text.empty()) co_return co_await push_as_planned();
    auto place = Place::parse(text);
    if (!place) co_return std::move(place).error().while_doing("-t " + text);
    // Credentials of the manifest hold for its own registry, wherever in it the image goes.
    const bool same = is_own_registry(*place);
    auto target = co_await images_.target(std::move(*place), result_);
    if (!target) co_return std::move(target).error().while_doing("-t " + text);
    if (same) target->destination = to_own_registry(target->place.reference().repository());
    std::vector<std::string> tags{target->tag};
    co_return co_await push(*target->destination, target->images, std::move(tags),
                            target->place.name());
  }

  /// Lifetime: `destination` lives in the caller's frame until this ends.
  Task<Result<std::optional<Pushed>>> push(store::Destination& destination,  // NOLINT: see Lifetime
                                           std::shared_ptr<const image::ImageSet> images,
                                           std::vector<std::string> tags, std::string name) {
    auto origins = build::always(plan_->request->base.access);
    auto shown = tags.front();
    const auto making = images_.engine().builder.making(destination);
    auto& place = early_ ? static_cast<store::Destination&>(*early_) : *making;
    auto pushed = co_await build::push_images(images, place, images_.engine().registry,
                                              std::move(origins), push_listener(), std::move(tags));
    if (!pushed) co_return std::move(pushed).error().while_doing(name);
    Pushed result(images->top().descriptor(), std::move(name), std::move(shown));
    co_return std::optional<Pushed>(std::move(result));
  }

  void print(const Pushed& pushed) const { print(pushed.top, pushed.name, pushed.tag); }
  void print(const oci::Descriptor& top, const std::string& name, const std::string& tag) const {
    NamedImage image(name, tag, top);
    image.input_key = key_;
    image.image_build = build_.metadata.key();
    print_image(image, options_.common.form);
  }

  api::ImageBuild build_;
  const Manifests& manifests_;
  const BuildOptions& options_;
  Images& images_;
  BuildMemory memory_;
  ManifestProvider provider_;
  bool has_local_ = false;
  std::map<std::size_t, source::GitRequest> requests_;  ///< By the entry of the content.
  std::unique_ptr<plan::Plan> plan_;
  std::vector<build::FetchedContent> content_;
  std::shared_ptr<std::vector<build::FetchedContent>> shared_content_;  ///< Read in full.
  std::shared_ptr<const build::ResolvedImage> base_;
  std::string key_;
  std::optional<source::CommitFacts> commit_;
  std::shared_ptr<const image::ImageSet> result_;
  std::string early_name_;
  std::unique_ptr<store::Destination> early_place_;   ///< What early_making_ refers to.
  std::unique_ptr<store::Destination> early_making_;  ///< What early_ refers to.
  std::unique_ptr<build::EarlyDestination> early_;    ///< Null where layers do not go early.
};

}  // namespace

Task<Result<void>> run_build(api::ImageBuild build,
                             const Manifests& manifests,   // NOLINT: see Lifetime
                             const BuildOptions& options,  // NOLINT
                             Images& images) {             // NOLINT
  BuildRun run(std::move(build), manifests, options, images);
  co_return co_await run.run();
}

}  // namespace kiln::cli
