#include <CLI/CLI.hpp>

#include "cli/build_run.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "core/base/deadline.h"

namespace kiln::cli {
namespace {

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

Task<Result<int>> build_all(std::shared_ptr<const BuildOptions> options, Engine engine) {
  auto manifests = load_manifests(options->files);
  if (!manifests) co_return std::move(manifests).error();
  auto builds = select_builds(*manifests, *options);
  if (!builds) co_return std::move(builds).error();
  auto images = Images::create(options->common, engine);
  if (!images) co_return std::move(images).error();
  for (const auto& build : *builds) {
    const auto name = build.metadata.key();
    const auto limit = build.spec.timeout;
    auto run = run_build(build, *manifests, *options, *images);
    auto done = co_await with_deadline(std::move(run), limit, "the build (spec.timeout)");
    if (!done) co_return std::move(done).error().while_doing("ImageBuild " + name);
  }
  co_return kDone;
}

}  // namespace

void add_build(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<BuildOptions>();
  auto* command =
      app.add_subcommand("build", "Build the images of ImageBuild manifests, without a cluster");
  command->footer(
      "The manifests are those of the controller, and the image is the same. What a\n"
      "flag says goes before what the manifest says.\n"
      "\n"
      "Examples:\n"
      "  # Push where the manifest says\n"
      "  kiln build -f site.yaml\n"
      "  # Push somewhere else, or write a folder and use no registry at all\n"
      "  kiln build -f site.yaml -t registry.example.com/try/site:1\n"
      "  kiln build -f site.yaml -t oci:out\n"
      "  # Tell the digest, send nothing\n"
      "  kiln build -f site.yaml --dry-run\n"
      "  # Files of this machine for the content entry with the path /srv/www\n"
      "  kiln build -f site.yaml --local-content /srv/www=public -t docker-daemon:site:try");
  command
      ->add_option(
          "-f,--filename", options->files,
          "Manifests: a file, a folder of files, or - for standard input; may be repeated. "
          "ConfigMaps and Secrets are taken from them too")
      ->type_name("FILE")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--name", options->name, "Only this ImageBuild")
      ->type_name("[NAMESPACE/]NAME");
  command
      ->add_option("-t,--tag", options->targets,
                   "Where to, instead of where the manifest says; may be repeated")
      ->type_name("DEST")
      ->check(names_a_place())
      ->allow_extra_args(false);
  command
      ->add_option("--local-content", options->local_content,
                   "Take the folder DIR for the content entry with the path PATH; may be repeated")
      ->type_name("PATH=DIR")
      ->allow_extra_args(false);
  command->add_flag("--dry-run", options->dry_run, "Assemble and print the digest; send nothing");
  options->build.add_to(*command);
  options->common.add_to(*command, {Form::kName, Form::kJson, Form::kYaml});
  command->callback([options, &chosen] {
    chosen.action = [options](Engine engine) { return build_all(options, engine); };
  });
}

}  // namespace kiln::cli
