#include <CLI/CLI.hpp>

#include "cli/checks.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/images.h"

namespace kiln::cli {
namespace {

struct MutateOptions {
  std::string image;
  ImageFlags common;
  ConfigFlags config;
  std::vector<std::string> targets;
  std::string media_types;
};

/// What is to change, read from the flags.
struct Change {
  oci::ConfigPatch patch;
  oci::Annotations annotations;
  std::optional<std::string> created;
  std::optional<bool> docker;
};

Result<Change> change_of(const MutateOptions& options) {
  Change change;
  auto patch = options.config.patch();
  if (!patch) return std::move(patch).error();
  change.patch = std::move(*patch);
  auto annotations = options.config.annotation_map();
  if (!annotations) return std::move(annotations).error();
  change.annotations = std::move(*annotations);
  auto created = options.config.created_time();
  if (!created) return std::move(created).error();
  change.created = std::move(*created);
  if (!options.media_types.empty()) change.docker = options.media_types == "docker";
  return change;
}

image::Image changed(image::Image image, const Change& change) {
  auto config = image.config();
  if (!change.patch.empty()) {
    // The line is as old as the image says it is, so that equal inputs give equal bytes.
    const oci::HistoryEntry line{change.created.value_or("2020-01-01T00:00:00Z"), "kiln config", "",
                                 true};
    config = config.with_patch(change.patch).with_empty_history(line);
  }
  if (change.created) config = config.with_created(*change.created);
  image = image.with_config(std::move(config)).with_annotations(change.annotations);
  return change.docker ? image.with_media_types(*change.docker) : image;
}

Task<Result<int>> mutate(std::shared_ptr<const MutateOptions> options, Engine engine) {
  auto change = change_of(*options);
  if (!change) co_return std::move(change).error();
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open(options->image);
  if (!opened) co_return std::move(opened).error();

  auto set = set_of(opened->image, images->wanted());
  for (auto& image : set.images) image = changed(image, *change);
  if (change->docker) set.docker_media_types = *change->docker;
  if (set.as_index)
    for (const auto& [name, value] : change->annotations)
      set.annotations.insert_or_assign(name, value);
  auto shared = std::make_shared<const image::ImageSet>(std::move(set));
  KILN_CO_TRY(co_await images->push(shared, options->targets, opened->place, options->common.form));
  co_return kDone;
}

}  // namespace

void add_mutate(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<MutateOptions>();
  auto* command =
      app.add_subcommand("mutate", "Change an image's config: entrypoint, environment, labels");
  command->footer(
      "Layers are not touched, and not sent again. Without -t the result is pushed\n"
      "under its digest alone, and no tag is moved.\n"
      "\n"
      "Examples:\n"
      "  # Another command, under another tag\n"
      "  kiln mutate registry.example.com/team/site:1 --entrypoint nginx --args=-g,'daemon off;' "
      "\\\n"
      "    -t registry.example.com/team/site:2\n"
      "  # A label more, a variable less, under the same tag\n"
      "  kiln mutate registry.example.com/team/site:1 -l team=web --unset-env NJS_VERSION \\\n"
      "    -t registry.example.com/team/site:1");
  command->add_option("IMAGE", options->image, "Image to start from")
      ->required()
      ->check(names_a_place());
  options->config.add_to(*command);
  command->add_option("-t,--tag", options->targets, "Where the image goes; may be repeated")
      ->type_name("DEST")
      ->check(names_a_place())
      ->allow_extra_args(false);
  command
      ->add_option("--media-types", options->media_types,
                   "Media types of manifest, config and layers (default: as they are)")
      ->check(CLI::IsMember({"oci", "docker"}));
  options->common.add_to(*command, {Form::kName, Form::kJson, Form::kYaml});
  command->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return mutate(options, engine); };
  });
}

}  // namespace kiln::cli
