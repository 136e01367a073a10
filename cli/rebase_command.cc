#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/base_annotations.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/terminal.h"
#include "core/image/rebase.h"

namespace kiln::cli {
namespace {

struct RebaseOptions {
  std::string image;
  ImageFlags common;
  std::string old_base;
  std::string new_base;
  std::vector<std::string> targets;
};

/// --old-base, or what the image's annotations say.
Result<std::string> old_base_of(const RebaseOptions& options, const OpenImage& image) {
  if (!options.old_base.empty()) return options.old_base;
  const auto& annotations = image.image.platforms.front().image.annotations();
  const auto name = annotations.find(kBaseName);
  const auto digest = annotations.find(kBaseDigest);
  if (name == annotations.end() || digest == annotations.end())
    return Error(Errc::kInvalid,
                 options.image + " does not say what it was built on (annotations " + kBaseName +
                     " and " + kBaseDigest + "); name it with --old-base");
  auto reference = oci::Reference::parse(name->second);
  if (!reference) return std::move(reference).error().while_doing(kBaseName);
  auto pinned = oci::Digest::parse(digest->second);
  if (!pinned) return std::move(pinned).error().while_doing(kBaseDigest);
  return reference->with_digest(std::move(*pinned)).str();
}

Result<const build::PlatformImage*> same_platform(const OpenImage& base,
                                                  const oci::Platform& platform) {
  for (const auto& one : base.image.platforms)
    if (platform.matches(one.platform)) return &one;
  return Error(Errc::kNotFound,
               base.place.text() + " has no image for " + platform.str() +
                   "; with --platform only the platforms that are named are worked on");
}

/// Rebases every platform of one image.
class Rebaser {
 public:
  Rebaser(Images& images, OpenImage old_base, OpenImage new_base)
      : images_(images), old_base_(std::move(old_base)), new_base_(std::move(new_base)) {}

  Task<Result<image::Image>> rebase(build::PlatformImage one) {
    auto old_base = same_platform(old_base_, one.platform);
    if (!old_base) co_return std::move(old_base).error();
    auto new_base = same_platform(new_base_, one.platform);
    if (!new_base) co_return std::move(new_base).error();
    auto rebased = image::rebase(one.image, (*old_base)->image, (*new_base)->image);
    if (!rebased) co_return std::move(rebased).error();
    KILN_CO_TRY(co_await check(one.image, (*old_base)->image, (*new_base)->image));
    for (const auto& warning : rebased->warnings) warn(one.platform.str() + ": " + warning);
    co_return std::move(rebased->image);
  }

 private:
  Task<Result<layer::BaseTree>> tree_of(image::Image image) {
    layer::BaseTree tree;
    for (const auto& source : image.layers()) {
      auto index = co_await index_of(source);
      if (!index) co_return std::move(index).error();
      KILN_CO_TRY(tree.apply(**index));
    }
    co_return tree;
  }

  Task<Result<std::shared_ptr<const layer::LayerIndex>>> index_of(image::LayerSource source) {
    registry::Access access;
    if (source.repository) access = images_.registries().access(source.repository->registry);
    return images_.engine().builder.layer_index(std::move(source), std::move(access));
  }

  /// The image's own layers must say the same of the new base's directories as of the old one's.
  Task<Result<void>> check(image::Image image, image::Image old_base, image::Image new_base) {
    std::vector<layer::LayerIndex> own;
    for (std::size_t i = old_base.layers().size(); i < image.layers().size(); ++i) {
      auto index = co_await index_of(image.layers()[i]);
      if (!index) co_return std::move(index).error();
      own.push_back(**index);
    }
    auto before = co_await tree_of(std::move(old_base));
    if (!before) co_return std::move(before).error();
    auto after = co_await tree_of(std::move(new_base));
    if (!after) co_return std::move(after).error();
    co_return image::check_fits(own, *before, *after);
  }

  Images& images_;
  OpenImage old_base_;
  OpenImage new_base_;
};

/// base.name and base.digest of the result say what it stands on now.
void annotate(image::ImageSet& set, const OpenImage& new_base) {
  if (!new_base.place.is_registry() || !new_base.image.digest) return;
  const auto base = base_annotations(new_base.place.reference(), *new_base.image.digest);
  for (auto& image : set.images)
    if (image.annotations().contains(kBaseDigest)) image = image.with_annotations(base);
  if (set.annotations.contains(kBaseDigest))
    for (const auto& [key, value] : base) set.annotations.insert_or_assign(key, value);
}

Task<Result<int>> rebase(std::shared_ptr<const RebaseOptions> options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open(options->image);
  if (!opened) co_return std::move(opened).error();
  auto old_name = old_base_of(*options, *opened);
  if (!old_name) co_return std::move(old_name).error();
  auto old_base = co_await images->open(std::move(*old_name));
  if (!old_base) co_return std::move(old_base).error().while_doing("--old-base");
  auto new_base = co_await images->open(options->new_base);
  if (!new_base) co_return std::move(new_base).error().while_doing("--new-base");

  auto set = set_of(opened->image, images->wanted());
  OpenImage onto = *new_base;
  Rebaser rebaser(*images, std::move(*old_base), std::move(*new_base));
  for (std::size_t i = 0; i < set.images.size(); ++i) {
    const auto& one = opened->image.platforms[i];
    auto rebased = co_await rebaser.rebase(one);
    if (!rebased) co_return std::move(rebased).error().while_doing(one.platform.str());
    set.images[i] = std::move(*rebased);
  }
  annotate(set, onto);
  auto shared = std::make_shared<const image::ImageSet>(std::move(set));
  KILN_CO_TRY(co_await images->push(shared, options->targets, opened->place, options->common.form));
  co_return kDone;
}

}  // namespace

void add_rebase(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<RebaseOptions>();
  auto* command = app.add_subcommand("rebase", "Put an image onto another base");
  command->footer(
      "The layers above the old base stay as they are; what the image changed of the\n"
      "old base's config is applied to the new base's. Nothing of the content is sent\n"
      "again. Without -t the result is pushed under its digest alone, and no tag is\n"
      "moved.\n"
      "\n"
      "Examples:\n"
      "  kiln rebase registry.example.com/team/site:1 --old-base nginx:1.27.0 \\\n"
      "    --new-base nginx:1.27.1 -t registry.example.com/team/site:1\n"
      "  # For an image that says what it stands on (append --set-base-image-annotations)\n"
      "  kiln rebase registry.example.com/team/site:1 --new-base nginx:1.27.1 \\\n"
      "    -t registry.example.com/team/site:1");
  command->add_option("IMAGE", options->image, "Image to rebase")
      ->required()
      ->check(names_a_place());
  command
      ->add_option("--old-base", options->old_base,
                   "What the image was built on (default: as its annotations say)")
      ->type_name("IMAGE")
      ->check(names_a_place());
  command->add_option("--new-base", options->new_base, "What it shall stand on")
      ->type_name("IMAGE")
      ->required()
      ->check(names_a_place());
  command->add_option("-t,--tag", options->targets, "Where the image goes; may be repeated")
      ->type_name("DEST")
      ->check(names_a_place())
      ->allow_extra_args(false);
  options->common.add_to(*command, {Form::kName, Form::kJson, Form::kYaml});
  command->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return rebase(options, engine); };
  });
}

}  // namespace kiln::cli
