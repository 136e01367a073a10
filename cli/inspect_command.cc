#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/checks.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/terminal.h"
#include "core/base/json.h"

namespace kiln::cli {
namespace {

struct InspectOptions {
  std::string image;
  ImageFlags common;
  bool full_reference = false;

  InspectOptions() { common.form = Form::kTable; }
};
using Options = std::shared_ptr<const InspectOptions>;

Json descriptor_json(const oci::Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type},
          {"digest", descriptor.digest.str()},
          {"size", descriptor.size_bytes}};
}

std::uint64_t total_size(const image::Image& image) {
  std::uint64_t size = 0;
  for (const auto& layer : image.layers()) size += layer.descriptor.size_bytes;
  return size;
}

Json platform_json(const build::PlatformImage& one) {
  Json json = {{"platform", one.platform.str()},
               {"digest", one.descriptor.digest.str()},
               {"size", total_size(one.image)},
               {"layers", Json::array()}};
  for (const auto& layer : one.image.layers())
    json["layers"].push_back(descriptor_json(layer.descriptor));
  if (!one.image.annotations().empty()) json["annotations"] = one.image.annotations();
  auto config = parse_json(one.image.config().to_json());
  if (config) json["config"] = std::move(*config);
  return json;
}

std::string words(const std::vector<std::string>& list) {
  return list.empty() ? "-" : printable(Json(list).dump());
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : printable(text);
}

void print_platform(const build::PlatformImage& one) {
  const auto& config = one.image.config();
  std::cout << "\n" << one.platform.str() << "  " << one.descriptor.digest.str() << "\n";
  std::cout << "  Created:     " << or_dash(config.created()) << "\n"
            << "  Layers:      " << one.image.layers().size() << ", "
            << human_bytes(total_size(one.image)) << " compressed\n"
            << "  Entrypoint:  " << words(config.entrypoint()) << "\n"
            << "  Args:        " << words(config.args()) << "\n"
            << "  User:        " << or_dash(config.user()) << "\n"
            << "  Workdir:     " << or_dash(config.working_dir()) << "\n";
  for (const auto& assignment : config.env())
    std::cout << "  Env:         " << printable(assignment) << "\n";
  for (const auto& [name, value] : config.labels())
    std::cout << "  Label:       " << printable(name) << "=" << printable(value) << "\n";
}

Task<Result<int>> inspect(Options options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open(options->image);
  if (!opened) co_return std::move(opened).error();
  auto top = co_await opened->reader->top();
  if (!top) co_return std::move(top).error();
  if (options->common.form != Form::kTable) {
    Json json = {{"name", opened->place.name()},
                 {"digest", top->digest.str()},
                 {"mediaType", top->media_type},
                 {"platforms", Json::array()}};
    if (!opened->image.annotations.empty()) json["annotations"] = opened->image.annotations;
    for (const auto& one : opened->image.platforms) json["platforms"].push_back(platform_json(one));
    print_document(dump_json(json), options->common.form);
    co_return kDone;
  }
  std::cout << "Name:       " << opened->place.name() << "\n"
            << "Digest:     " << top->digest.str() << "\n"
            << "Media type: " << printable(top->media_type) << "\n";
  for (const auto& one : opened->image.platforms) print_platform(one);
  co_return kDone;
}

/// What a name stands for or, with --platform, the manifest of that platform: bytes as stored.
struct NamedManifest {
  std::string name;
  oci::RawManifest manifest;
  NamedManifest(std::string n, oci::RawManifest m) : name(std::move(n)), manifest(std::move(m)) {}
};

Task<Result<NamedManifest>> read_manifest(Options options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  if (!images->wanted().empty()) {
    auto opened = co_await images->open_one(options->image);
    if (!opened) co_return std::move(opened).error();
    auto raw = co_await opened->reader->manifest(opened->image.platforms.front().descriptor);
    if (!raw) co_return std::move(raw).error();
    co_return NamedManifest(opened->place.name(), std::move(*raw));
  }
  auto place = Place::parse(options->image);
  if (!place) co_return std::move(place).error();
  auto reader = co_await images->reader(*place);
  if (!reader) co_return about(options->image, std::move(reader).error());
  auto top = co_await (*reader)->top();
  if (!top) co_return about(options->image, std::move(top).error());
  co_return NamedManifest(place->name(), std::move(*top));
}

Task<Result<int>> print_manifest(Options options, Engine engine) {
  auto read = co_await read_manifest(options, engine);
  if (!read) co_return std::move(read).error();
  std::cout << read->manifest.bytes << std::flush;
  co_return kDone;
}

Task<Result<int>> print_digest(Options options, Engine engine) {
  auto read = co_await read_manifest(options, engine);
  if (!read) co_return std::move(read).error();
  if (options->full_reference) std::cout << read->name << '@';
  std::cout << read->manifest.digest.str() << std::endl;
  co_return kDone;
}

Task<Result<int>> print_config(Options options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open_one(options->image);
  if (!opened) co_return std::move(opened).error();
  auto raw = co_await opened->reader->manifest(opened->image.platforms.front().descriptor);
  if (!raw) co_return std::move(raw).error();
  auto manifest = oci::Manifest::parse(raw->bytes);
  if (!manifest) co_return std::move(manifest).error();
  auto config = co_await opened->reader->small_blob(manifest->config);
  if (!config) co_return std::move(config).error();
  std::cout << *config << std::flush;
  co_return kDone;
}

/// The history's line of each layer; "" where the history does not tell.
std::vector<std::string> lines_of(const image::Image& image) {
  std::vector<std::string> lines;
  for (const auto& line : image.config().history())
    if (!line.empty_layer) lines.push_back(line.created_by);
  const auto count = image.layers().size();
  if (lines.size() != count) lines.assign(count, "");
  return lines;
}

void print_layer_table(const image::Image& image) {
  Table table({"DIGEST", "SIZE", "MEDIA TYPE", "MADE BY"}, {1});
  const auto lines = lines_of(image);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto& layer = image.layers()[i].descriptor;
    table.add({layer.digest.str(), human_bytes(layer.size_bytes), printable(layer.media_type),
               printable(lines[i]).substr(0, 60)});
  }
  std::cout << table.str();
}

void print_layer_document(const image::Image& image, Form form) {
  auto list = Json::array();
  const auto lines = lines_of(image);
  const auto diff_ids = image.config().diff_ids();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto json = descriptor_json(image.layers()[i].descriptor);
    json["diffID"] = diff_ids[i].str();
    if (!lines[i].empty()) json["createdBy"] = lines[i];
    list.push_back(std::move(json));
  }
  print_document(dump_json(list), form);
}

Task<Result<int>> print_layers(Options options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto opened = co_await images->open_one(options->image);
  if (!opened) co_return std::move(opened).error();
  const auto& image = opened->image.platforms.front().image;
  const auto form = options->common.form;
  if (form == Form::kName)
    for (const auto& layer : image.layers()) std::cout << layer.descriptor.digest.str() << "\n";
  else if (form == Form::kTable)
    print_layer_table(image);
  else
    print_layer_document(image, form);
  co_return kDone;
}

}  // namespace

void add_inspect(CLI::App& app, Chosen& chosen) {
  using Run = Task<Result<int>> (*)(Options, Engine);
  const auto add = [&](const char* name, const char* help, const char* examples,
                       const std::vector<Form>& forms, Run run) {
    auto options = std::make_shared<InspectOptions>();
    auto* command = app.add_subcommand(name, help);
    command->footer(std::string("Examples:\n") + examples);
    command->add_option("IMAGE", options->image, "Image to look at")
        ->required()
        ->check(names_a_place());
    options->common.add_to(*command, forms);
    command->callback([options, &chosen, run] {
      chosen.action = [options, run](Engine engine) { return run(options, engine); };
    });
    return std::pair(command, options);
  };
  add("inspect", "Show what an image is: digest, platforms, config",
      "  kiln inspect nginx:1.27\n"
      "  kiln inspect oci-archive:site.tar -o json",
      {Form::kTable, Form::kJson, Form::kYaml}, &inspect);
  add("manifest", "Print a manifest or index as it is stored",
      "  kiln manifest nginx:1.27\n"
      "  kiln manifest nginx:1.27 --platform linux/arm64",
      {}, &print_manifest);
  add("config", "Print an image's config as it is stored",
      "  kiln config nginx:1.27 --platform linux/arm64", {}, &print_config);
  auto [digest, options] = add("digest", "Print the digest of an image",
                               "  kiln digest nginx:1.27\n"
                               "  kiln digest nginx:1.27 --platform linux/arm64 --full-ref",
                               {}, &print_digest);
  digest->add_flag("--full-ref", options->full_reference, "Print REPOSITORY@DIGEST");
  add("layers", "List an image's layers, lowest first", "  kiln layers nginx:1.27 -o json",
      {Form::kTable, Form::kName, Form::kJson, Form::kYaml}, &print_layers);
}

}  // namespace kiln::cli
