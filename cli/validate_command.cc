#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/checks.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/terminal.h"
#include "core/image/validate.h"

namespace kiln::cli {
namespace {

struct ValidateOptions {
  std::string image;
  ImageFlags common;
  bool fast = false;
};

/// The image with every layer's bytes at hand.
Task<Result<image::Image>> with_blobs(image::Image image,
                                      std::shared_ptr<store::ImageReader> reader) {
  std::vector<image::LayerSource> layers;
  for (auto source : image.layers()) {
    auto blob = co_await reader->fetch(source.descriptor);
    if (!blob) co_return std::move(blob).error();
    source.blob = std::move(*blob);
    layers.push_back(std::move(source));
  }
  co_return image.with_layer_sources(std::move(layers));
}

Task<Result<int>> validate(std::shared_ptr<const ValidateOptions> options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open(options->image);
  if (!opened) co_return std::move(opened).error();
  for (auto& one : opened->image.platforms) {
    tell("checking " + one.platform.str());
    if (!options->fast) {
      auto whole = co_await with_blobs(one.image, opened->reader);
      if (!whole) co_return std::move(whole).error().while_doing(one.platform.str());
      one.image = std::move(*whole);
    }
    auto work = [image = one.image] { return image::validate(image); };
    auto checked = co_await engine.pool.run(std::move(work));
    if (!checked)
      co_return std::move(checked).error().while_doing(options->image + ", " + one.platform.str());
  }
  std::cout << opened->place.name() << '@' << opened->image.digest->str() << std::endl;
  co_return kDone;
}

}  // namespace

void add_validate(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<ValidateOptions>();
  auto* command = app.add_subcommand("validate", "Check that an image is well formed");
  command->footer(
      "Reads every layer: digests, sizes, diff_ids, the order of each tar, and whether\n"
      "manifest, config and index agree.\n"
      "\n"
      "Examples:\n"
      "  kiln validate registry.example.com/team/site:1\n"
      "  kiln validate oci:out --fast");
  command->add_option("IMAGE", options->image, "Image to check")
      ->required()
      ->check(names_a_place());
  command->add_flag("--fast", options->fast,
                    "Fetch no layers: leave out what only their bytes can tell");
  options->common.add_to(*command, {});
  command->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return validate(options, engine); };
  });
}

}  // namespace kiln::cli
