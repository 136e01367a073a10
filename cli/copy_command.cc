#include <CLI/CLI.hpp>

#include "cli/checks.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/terminal.h"
#include "core/build/copy.h"

namespace kiln::cli {
namespace {

struct CopyOptions {
  std::string from;
  std::string to;
  ImageFlags common;
};

/// The one platform to copy: what --platform says, or this machine's where only one image fits.
Result<std::optional<oci::Platform>> platform_for(const CopyOptions& options, bool one_image) {
  auto wanted = options.common.wanted();
  if (!wanted) return std::move(wanted).error();
  if (wanted->size() > 1)
    return Error(Errc::kInvalid,
                 "copy takes all platforms or one; give --platform once, or not at all");
  if (!wanted->empty()) return std::optional(wanted->front());
  return one_image ? std::optional(host_platform()) : std::nullopt;
}

Task<Result<int>> copy(std::shared_ptr<const CopyOptions> options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto from_place = Place::parse(options->from);
  if (!from_place) co_return std::move(from_place).error();
  auto to_place = Place::parse(options->to);
  if (!to_place) co_return std::move(to_place).error();
  if (to_place->digest() || (to_place->is_registry() && to_place->reference().digest()))
    co_return Error(Errc::kInvalid, "a destination has a tag, not a digest: " + options->to);
  auto from = co_await images->reader(*from_place);
  if (!from) co_return about(options->from, std::move(from).error());
  auto to = co_await images->destination(*to_place);
  if (!to) co_return about(options->to, std::move(to).error());
  auto platform = platform_for(*options, !(*to)->holds_indexes());
  if (!platform) co_return std::move(platform).error();

  auto tag = to_place->is_registry() ? to_place->reference().tag() : to_place->tag();
  if (tag.empty() && to_place->kind() != Place::Kind::kDockerArchive) tag = "latest";
  build::CopyRequest request;
  request.platform = std::move(*platform);
  request.tags = {tag};
  request.origins = images->origins();
  request.listener = push_listener();
  auto copied = co_await build::copy_image(**from, **to, engine.registry, std::move(request));
  if (!copied)
    co_return std::move(copied).error().while_doing("copying " + options->from + " to " +
                                                    options->to);
  print_image(NamedImage(to_place->name(), tag, copied->top.descriptor()), options->common.form);
  co_return kDone;
}

Result<std::string> tag_alone(const std::string& text) {
  auto tag = oci::Reference::parse_tag(text);
  if (!tag) return std::move(tag).error().while_doing("write a tag alone, for example 1.27");
  return tag;
}

/// Only registries and layouts hold several tags of one image.
Task<Result<int>> tag(std::shared_ptr<const CopyOptions> options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto place = Place::parse(options->from);
  if (!place) co_return std::move(place).error();
  if (!place->is_registry() && place->kind() != Place::Kind::kOciLayout)
    co_return Error(Errc::kInvalid,
                    options->from + " cannot take another tag; kiln copy it to a new place");
  auto name = tag_alone(options->to);
  if (!name) co_return std::move(name).error();
  auto reader = co_await images->reader(*place);
  if (!reader) co_return about(options->from, std::move(reader).error());
  auto top = co_await (*reader)->top();
  if (!top) co_return about(options->from, std::move(top).error());
  auto to = co_await images->destination(*place);
  if (!to) co_return std::move(to).error();
  auto tagged = co_await (*to)->put_manifest(*top, *name);
  if (!tagged) co_return std::move(tagged).error().while_doing("tagging " + place->name());
  print_image(NamedImage(place->name(), *name, top->descriptor()), options->common.form);
  co_return kDone;
}

Task<Result<int>> remove(std::shared_ptr<const CopyOptions> options, Engine engine) {
  auto registries = Registries::create(options->common.registries);
  if (!registries) co_return std::move(registries).error();
  auto place = Place::parse(options->from);
  if (!place) co_return std::move(place).error();
  if (!place->is_registry())
    co_return Error(Errc::kInvalid, "only an image in a registry is deleted; delete " +
                                        options->from +
                                        " with the tool that keeps it (rm, docker)");
  const auto& registry = place->reference().repository().registry;
  KILN_CO_TRY(co_await registries->prepare(registry, engine.pool));
  const auto access = registries->access(registry);
  // A tag that is not there is told, though the registry would not mind.
  auto there = co_await engine.registry.resolve(place->reference(), access);
  if (!there) co_return std::move(there).error();
  auto removed = co_await engine.registry.remove(place->reference(), access);
  if (!removed) co_return std::move(removed).error().while_doing("deleting " + options->from);
  tell("deleted " + place->reference().str() + " (" + there->digest.str() + ")");
  co_return kDone;
}

}  // namespace

void add_copy(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<CopyOptions>();
  const std::vector<Form> forms = {Form::kName, Form::kJson, Form::kYaml};

  auto* copying = app.add_subcommand("copy", "Copy an image as it is, with all its platforms");
  copying->footer(
      "Digests stay the same. Layers that the destination has, or can mount, are not\n"
      "sent.\n"
      "\n"
      "Examples:\n"
      "  kiln copy nginx:1.27 registry.example.com/mirror/nginx:1.27\n"
      "  # What docker pull, push, save and load do, without Docker\n"
      "  kiln copy registry.example.com/team/site:1 oci:site:1\n"
      "  kiln copy oci:site:1 registry.example.com/team/site:2\n"
      "  kiln copy registry.example.com/team/site:1 docker-archive:site.tar:site:1\n"
      "  kiln copy oci-archive:site.tar docker-daemon:site:1");
  copying->add_option("SRC", options->from, "Image to copy")->required()->check(names_a_place());
  copying->add_option("DEST", options->to, "Where the copy goes")
      ->required()
      ->check(names_a_place());
  options->common.add_to(*copying, forms);
  copying->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return copy(options, engine); };
  });

  auto* tagging = app.add_subcommand("tag", "Give an image one more tag in its repository");
  tagging->footer(
      "Only the manifest is sent, so it takes a moment, however large the image is.\n"
      "\n"
      "Examples:\n"
      "  kiln tag registry.example.com/team/site:1.2.3 stable\n"
      "  kiln tag registry.example.com/team/site@sha256:… 1.2.3");
  tagging->add_option("IMAGE", options->from, "Image to tag")->required()->check(names_a_place());
  tagging->add_option("TAG", options->to, "The new tag alone: stable")
      ->required()
      ->check(parsed_by(tag_alone));
  options->common.registries.add_to(*tagging);
  add_output_flag(*tagging, options->common.form, forms);
  tagging->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return tag(options, engine); };
  });

  auto* deleting = app.add_subcommand("delete", "Delete a tag or manifest from a registry");
  deleting->footer(
      "By tag, the tag goes and the image stays under its digest, where the registry\n"
      "can do so; by digest, the manifest goes with all its tags.\n"
      "\n"
      "Examples:\n"
      "  kiln delete registry.example.com/team/site:try\n"
      "  kiln delete registry.example.com/team/site@sha256:…");
  deleting->add_option("IMAGE", options->from, "What to delete, by tag or by digest")
      ->required()
      ->check(names_a_place());
  options->common.registries.add_to(*deleting);
  deleting->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return remove(options, engine); };
  });
}

}  // namespace kiln::cli
