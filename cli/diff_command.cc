#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/checks.h"
#include "cli/command.h"
#include "cli/images.h"
#include "cli/terminal.h"
#include "core/base/json.h"
#include "core/image/diff.h"

namespace kiln::cli {
namespace {

using image::ConfigChange;
using image::FileChange;

struct DiffOptions {
  std::string before;
  std::string after;
  ImageFlags common;
  bool times = false;
  bool exit_code = false;

  DiffOptions() { common.form = Form::kTable; }
};

std::string_view name_of(FileChange::Kind kind) {
  switch (kind) {
    case FileChange::Kind::kAdded:
      return "added";
    case FileChange::Kind::kRemoved:
      return "removed";
    case FileChange::Kind::kChanged:
      break;
  }
  return "changed";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

Json to_json(const FileChange& change) {
  Json json = {{"change", name_of(change.kind)}, {"path", change.path}};
  if (!change.what.empty()) json["what"] = change.what;
  if (change.size_before) json["sizeBefore"] = *change.size_before;
  if (change.size_after) json["sizeAfter"] = *change.size_after;
  return json;
}

Json value_of(const std::optional<std::string>& json) {
  if (!json) return Json();
  auto value = parse_json(*json);
  return value ? std::move(*value) : Json(*json);
}

std::string shown(const std::optional<std::uint64_t>& size) {
  return size ? human_bytes(*size) : "";
}

void print_table(const std::vector<FileChange>& files, const std::vector<ConfigChange>& config) {
  if (!files.empty()) {
    Table table({"CHANGE", "PATH", "WHAT", "BEFORE", "AFTER"}, {3, 4});
    for (const auto& change : files)
      table.add({std::string(name_of(change.kind)), printable(change.path), joined(change.what),
                 shown(change.size_before), shown(change.size_after)});
    std::cout << table.str();
  }
  if (!config.empty()) {
    Table table({"CONFIG", "BEFORE", "AFTER"});
    for (const auto& change : config)
      table.add({printable(change.field), printable(change.before.value_or("-")),
                 printable(change.after.value_or("-"))});
    std::cout << (files.empty() ? "" : "\n") << table.str();
  }
}

void print_json(const std::vector<FileChange>& files, const std::vector<ConfigChange>& config,
                Form form) {
  Json json = {{"files", Json::array()}, {"config", Json::array()}};
  for (const auto& change : files) json["files"].push_back(to_json(change));
  for (const auto& change : config)
    json["config"].push_back({{"field", change.field},
                              {"before", value_of(change.before)},
                              {"after", value_of(change.after)}});
  print_document(dump_json(json), form);
}

/// The layers of `one`; those that the other image has too need not be read, but their headers.
Task<Result<std::vector<layer::Blob>>> layers_of(OpenImage one) {
  std::vector<layer::Blob> blobs;
  for (const auto& source : one.image.platforms.front().image.layers()) {
    auto blob = co_await one.reader->fetch(source.descriptor);
    if (!blob) co_return std::move(blob).error().while_doing(one.place.text());
    blobs.push_back(std::move(*blob));
  }
  co_return blobs;
}

Task<Result<int>> diff(std::shared_ptr<const DiffOptions> options, Engine engine) {
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  auto before = co_await images->open_one(options->before);
  if (!before) co_return std::move(before).error();
  auto after = co_await images->open_one(options->after);
  if (!after) co_return std::move(after).error();
  auto before_layers = co_await layers_of(*before);
  if (!before_layers) co_return std::move(before_layers).error();
  auto after_layers = co_await layers_of(*after);
  if (!after_layers) co_return std::move(after_layers).error();

  image::DiffOptions what;
  what.times = options->times;
  auto work = [a = *before_layers, b = *after_layers, what] {
    return image::diff_files(a, b, what);
  };
  auto files = co_await engine.pool.run(std::move(work));
  if (!files) co_return std::move(files).error();
  const auto config = image::diff_configs(before->image.platforms.front().image.config(),
                                          after->image.platforms.front().image.config());
  if (options->common.form == Form::kTable)
    print_table(*files, config);
  else
    print_json(*files, config, options->common.form);
  const bool differ = !files->empty() || !config.empty();
  co_return options->exit_code&& differ ? kFailed : kDone;
}

}  // namespace

void add_diff(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<DiffOptions>();
  auto* command = app.add_subcommand("diff", "Show what two images differ in: files and config");
  command->footer(
      "Of images for several platforms this machine's is compared, or that of\n"
      "--platform.\n"
      "\n"
      "Examples:\n"
      "  kiln diff nginx:1.27 registry.example.com/team/site:1\n"
      "  # In a script: does the release differ from what was tested?\n"
      "  kiln diff oci:tested registry.example.com/team/site:1 -o json --exit-code");
  command->add_option("A", options->before, "Image before")->required()->check(names_a_place());
  command->add_option("B", options->after, "Image after")->required()->check(names_a_place());
  command->add_flag("--times", options->times, "Also tell files that differ in their time alone");
  command->add_flag("--exit-code", options->exit_code, "Exit with 1 where the images differ");
  options->common.add_to(*command, {Form::kTable, Form::kJson, Form::kYaml});
  command->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return diff(options, engine); };
  });
}

}  // namespace kiln::cli
