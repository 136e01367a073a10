#include <CLI/CLI.hpp>

#include "cli/base_annotations.h"
#include "cli/build_flags.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/content_flags.h"
#include "cli/images.h"
#include "cli/terminal.h"
#include "core/layer/entry_path.h"

namespace kiln::cli {
namespace {

struct AppendOptions {
  std::string base;
  ImageFlags common;
  ContentFlags content;
  std::vector<std::string> remove;
  ConfigFlags config;
  BuildFlags build;
  bool annotate_base = false;
  bool dry_run = false;
  std::vector<std::string> targets;
};

/// All that the flags say but the base.
Result<std::shared_ptr<build::BuildRequest>> request_of(
    const AppendOptions& options, WorkPool& pool,
    const std::vector<std::shared_ptr<store::ImageReader>>& readers) {
  auto request = std::make_shared<build::BuildRequest>();
  request->remove = options.remove;
  auto content = options.content.content(pool, readers);
  if (!content) return std::move(content).error();
  request->content = std::move(*content);
  auto patch = options.config.patch();
  if (!patch) return std::move(patch).error();
  request->config = std::move(*patch);
  auto annotations = options.config.annotation_map();
  if (!annotations) return std::move(annotations).error();
  request->annotations = std::move(*annotations);
  KILN_TRY(options.build.apply(*request));
  auto created = options.config.created_time();
  if (!created) return std::move(created).error();
  if (*created) request->created = std::move(**created);
  return request;
}

/// The files are to get their times by the timestamp policy, also those that have one of their own.
Result<void> drop_times(source::Content& content) {
  layer::FileTree tree;
  for (const auto& [path, entry] : content.tree.entries()) {
    auto timeless = entry;
    timeless.mtime.reset();
    KILN_TRY(tree.add(std::move(timeless)));
  }
  content.tree = std::move(tree);
  content.identity = source::identity_of(content);
  return {};
}

class Append {
 public:
  Append(std::shared_ptr<const AppendOptions> options, Images images)
      : options_(std::move(options)), images_(std::move(images)) {}

  Task<Result<int>> run() {
    auto place = Place::parse(options_->base);
    if (!place) co_return std::move(place).error().while_doing("BASE");
    auto images = co_await assemble(*place);
    if (!images) co_return std::move(images).error();
    if (options_->dry_run) {
      const NamedImage image(place->is_registry() ? place->name() : "dry-run", "",
                             (*images)->top().descriptor());
      print_image(image, options_->common.form);
      co_return kDone;
    }
    KILN_CO_TRY(co_await images_.push(*images, options_->targets, *place, options_->common.form));
    co_return kDone;
  }

 private:
  using Readers = std::vector<std::shared_ptr<store::ImageReader>>;

  /// The images that --from-image names.
  Task<Result<Readers>> content_readers() {
    auto texts = options_->content.image_places();
    if (!texts) co_return std::move(texts).error();
    Readers readers;
    for (const auto& text : *texts) {
      auto place = Place::parse(text);
      if (!place) co_return std::move(place).error().while_doing("--from-image");
      auto reader = co_await images_.reader(std::move(*place));
      if (!reader) co_return std::move(reader).error().while_doing("--from-image " + text);
      readers.push_back(std::move(*reader));
    }
    co_return readers;
  }

  Task<Result<std::shared_ptr<const image::ImageSet>>> assemble(Place place) {
    auto readers = co_await content_readers();
    if (!readers) co_return std::move(readers).error();
    auto request = request_of(*options_, images_.engine().pool, *readers);
    if (!request) co_return std::move(request).error();
    auto& base = (*request)->base;
    base.platforms = images_.wanted();
    if (place.kind() != Place::Kind::kScratch) {
      auto reader = co_await images_.reader(place);
      if (!reader) co_return about(options_->base, std::move(reader).error());
      base.reader = std::move(*reader);
      base.access = images_.access(place);
    }
    auto& builder = images_.engine().builder;
    std::shared_ptr<const build::BuildRequest> wanted = *request;
    auto resolved = co_await builder.resolve_base(wanted);
    if (!resolved) co_return about(options_->base, std::move(resolved).error());
    for (const auto& warning : resolved->warnings) warn(warning);
    if (options_->annotate_base) KILN_CO_TRY(annotate(place, *resolved, (*request)->annotations));
    auto content = co_await builder.fetch_content(wanted);
    if (!content) co_return std::move(content).error();
    if (!options_->build.timestamps.empty())
      for (auto& one : *content) KILN_CO_TRY(drop_times(one.content));
    auto shared_base = std::make_shared<const build::ResolvedImage>(std::move(*resolved));
    auto shared_content =
        std::make_shared<const std::vector<build::FetchedContent>>(std::move(*content));
    auto assembled = co_await builder.assemble(wanted, shared_base, shared_content);
    if (!assembled) co_return std::move(assembled).error();
    for (const auto& warning : assembled->warnings) warn(warning);
    tell_layers(*assembled);
    co_return std::make_shared<const image::ImageSet>(std::move(assembled->images));
  }

  static Result<void> annotate(const Place& place, const build::ResolvedImage& base,
                               oci::Annotations& annotations) {
    if (!place.is_registry() || !base.digest)
      return Error(Errc::kInvalid,
                   "--set-base-image-annotations needs a base in a registry: " + place.text());
    for (auto& [key, value] : base_annotations(place.reference(), *base.digest))
      annotations.insert_or_assign(key, value);
    return {};
  }

  std::shared_ptr<const AppendOptions> options_;
  Images images_;
};

Task<Result<int>> append(std::shared_ptr<const AppendOptions> options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  Append work(options, std::move(*images));
  co_return co_await work.run();
}

}  // namespace

void add_append(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<AppendOptions>();
  auto* command =
      app.add_subcommand("append", "Add files to an image, take files away, change its config");
  command->footer(
      "Removals come first, then content in the order it is given: of two files with\n"
      "one path the later one wins. DEST of content is an absolute path in the image,\n"
      "DEST of -t the place where the image goes. An image for several platforms is\n"
      "changed for all of them.\n"
      "\n"
      "Examples:\n"
      "  # Your pages in the place of nginx's\n"
      "  kiln append nginx:1.27 --remove /usr/share/nginx/html \\\n"
      "    --dir site:/usr/share/nginx/html -t registry.example.com/team/site:1\n"
      "  # Another command, and an argument that begins with a dash\n"
      "  kiln append nginx:1.27 --dir site:/srv --entrypoint nginx --args=-g,'daemon off;' \\\n"
      "    -t registry.example.com/team/site:2\n"
      "  # Files alone, into a folder; no registry is needed\n"
      "  kiln append scratch --dir site:/ -t oci:out:1\n"
      "  # What another program packs, into the local Docker daemon\n"
      "  tar -c site | kiln append nginx:1.27 --tar -:/usr/share/nginx -t docker-daemon:site:try");
  command->add_option("BASE", options->base, "Image to start from, or scratch")
      ->required()
      ->check(names_a_place());
  options->content.add_to(*command);
  command
      ->add_option("--remove", options->remove,
                   "Take this file or folder of the base away; may be repeated")
      ->type_name("PATH")
      ->check(parsed_by(layer::clean_absolute_path))
      ->allow_extra_args(false);
  options->config.add_to(*command);
  options->build.add_to(*command);
  command->add_flag("--set-base-image-annotations", options->annotate_base,
                    "Write the base's name and digest into the annotations, for kiln rebase");
  command->add_flag("--dry-run", options->dry_run, "Assemble and print the digest; send nothing");
  command->add_option("-t,--tag", options->targets, "Where the image goes; may be repeated")
      ->type_name("DEST")
      ->check(names_a_place())
      ->allow_extra_args(false);
  options->common.add_to(*command, {Form::kName, Form::kJson, Form::kYaml});
  command->callback([options, &chosen] {
    if (options->targets.empty() && !options->dry_run)
      throw CLI::RequiredError("-t (where the image goes)");
    chosen.action = [options](Engine engine) { return append(options, engine); };
  });
}

}  // namespace kiln::cli
