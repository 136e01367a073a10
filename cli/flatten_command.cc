#include <CLI/CLI.hpp>

#include "cli/checks.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/images.h"
#include "cli/terminal.h"
#include "core/image/flatten.h"

namespace kiln::cli {
namespace {

struct FlattenOptions {
  std::string image;
  ImageFlags common;
  std::vector<std::string> targets;
  std::string compression = "gzip";
};

/// The same image in one layer.
Task<Result<image::Image>> flattened(image::Image image, std::shared_ptr<store::ImageReader> reader,
                                     WorkPool& pool,  // NOLINT: outlives the task, see Engine
                                     layer::LayerOptions options) {
  std::vector<layer::Blob> blobs;
  for (const auto& source : image.layers()) {
    auto blob = co_await reader->fetch(source.descriptor);
    if (!blob)
      co_return std::move(blob).error().while_doing("layer " +
                                                    source.descriptor.digest.short_hex());
    blobs.push_back(std::move(*blob));
  }
  options.docker_media_types = image.docker_media_types();
  auto work = [blobs, options] { return image::flatten(blobs, options); };
  auto layer = co_await pool.run(std::move(work));
  if (!layer) co_return std::move(layer).error();
  tell(image.config().platform().str() + ": " + std::to_string(blobs.size()) +
       " layers into one of " + human_bytes(layer->blob.descriptor().size_bytes));
  const oci::HistoryEntry line{image.config().created(), "kiln flatten"};
  co_return image.with_only_layer(*layer, line);
}

Task<Result<int>> flatten(std::shared_ptr<const FlattenOptions> options, Engine engine) {
  auto compression = layer::parse_compression(options->compression);
  if (!compression) co_return std::move(compression).error().while_doing("--compression");
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open(options->image);
  if (!opened) co_return std::move(opened).error();

  auto set = set_of(opened->image, images->wanted());
  layer::LayerOptions layer_options;
  layer_options.compression = *compression;
  for (auto& image : set.images) {
    auto flat = co_await flattened(image, opened->reader, engine.pool, layer_options);
    if (!flat) co_return std::move(flat).error().while_doing(image.config().platform().str());
    image = std::move(*flat);
  }
  auto shared = std::make_shared<const image::ImageSet>(std::move(set));
  KILN_CO_TRY(co_await images->push(shared, options->targets, opened->place, options->common.form));
  co_return kDone;
}

}  // namespace

void add_flatten(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<FlattenOptions>();
  auto* command = app.add_subcommand("flatten", "Make one layer of all the layers of an image");
  command->footer(
      "What upper layers delete is gone from the result. Without -t the result is\n"
      "pushed under its digest alone, and no tag is moved.\n"
      "\n"
      "Examples:\n"
      "  kiln flatten registry.example.com/team/site:1 -t registry.example.com/team/site:flat\n"
      "  kiln flatten oci:out:1 -t oci:out:flat");
  command->add_option("IMAGE", options->image, "Image to start from")
      ->required()
      ->check(names_a_place());
  command->add_option("-t,--tag", options->targets, "Where the image goes; may be repeated")
      ->type_name("DEST")
      ->check(names_a_place())
      ->allow_extra_args(false);
  command
      ->add_option("--compression", options->compression,
                   "How the layer is compressed (default: gzip)")
      ->check(CLI::IsMember({"gzip", "gzip-small", "zstd"}));
  options->common.add_to(*command, {Form::kName, Form::kJson, Form::kYaml});
  command->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return flatten(options, engine); };
  });
}

}  // namespace kiln::cli
