// kiln: container images from content, without a cluster. Wiring only; the commands are beside this
// file.
#include <CLI/CLI.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "cli/build_command.h"
#include "cli/terminal.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/http/beast/client.h"
#include "core/registry/http_client.h"

namespace kiln::cli {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;

struct GlobalOptions {
  std::string cache_dir;
  bool no_cache = false;
  std::string progress = "auto";
  bool verbose = false;
  int jobs = 0;
};

std::filesystem::path cache_directory(const GlobalOptions& options) {
  if (options.no_cache) return {};
  if (!options.cache_dir.empty()) return options.cache_dir;
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && *xdg != '\0')
    return std::filesystem::path(xdg) / "kiln";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::filesystem::path(home) / ".cache" / "kiln";
  return {};
}

/// Wires the engine, runs one command to its end and answers the exit code. SIGINT and SIGTERM
/// cancel it.
template <class Command>
int run_command(const GlobalOptions& options, Command command) {
  boost::asio::io_context io(1);
  const SystemClock clock;
  const auto threads =
      options.jobs > 0 ? static_cast<unsigned>(options.jobs) : std::thread::hardware_concurrency();
  WorkPool pool(threads);
  auto http = http::make_client(io.get_executor(), {});
  registry::HttpRegistryClient registry(*http, clock);
  build::Builder builder(registry, pool, build::Builder::Options{cache_directory(options), ""});

  int exit_code = kFailed;
  boost::asio::cancellation_signal cancel;
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) cancel.emit(boost::asio::cancellation_type::terminal);
  });
  const auto finish = [&](const std::exception_ptr& failure, const Result<void>& result) {
    signals.cancel();
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const boost::system::system_error& e) {
        fail(e.code() == boost::asio::error::operation_aborted ? "interrupted" : e.what());
      }
    } else if (result.has_error()) {
      fail(result.error().message);
    } else {
      exit_code = kDone;
    }
  };
  boost::asio::co_spawn(io, command(Engine(registry, pool, builder, clock)),
                        boost::asio::bind_cancellation_slot(cancel.slot(), finish));
  io.run();
  pool.stop();
  return exit_code;
}

void add_build(CLI::App& app, BuildOptions& options) {
  auto* build = app.add_subcommand("build", "Build the ImageBuilds of manifests");
  build->footer(
      "Examples:\n"
      "  kiln build -f site.yaml                              push where the manifest says\n"
      "  kiln build -f site.yaml -t registry.example.com/try:1   push there instead\n"
      "  kiln build -f site.yaml -t oci:out                   into a folder, with no registry\n"
      "  kiln build -f site.yaml --dry-run                    tell the digest, send nothing");
  build
      ->add_option("-f,--filename", options.files,
                   "Manifest, folder of manifests, or - for standard input; ConfigMaps and Secrets "
                   "are taken "
                   "from the same files")
      ->required()
      ->allow_extra_args(false);
  build->add_option("--name", options.name, "Only this ImageBuild: NAME or NAMESPACE/NAME");
  build
      ->add_option("-t,--tag", options.targets,
                   "Where to: REGISTRY/REPOSITORY[:TAG] or oci:DIR[:TAG]; may be repeated")
      ->allow_extra_args(false);
  build->add_flag("--dry-run", options.dry_run, "Assemble and print the digest, but send nothing");
  build
      ->add_option_function<std::vector<std::string>>(
          "--insecure",
          [&options](const std::vector<std::string>& hosts) {
            for (const auto& host : hosts)
              if (host.empty() || host == "true")
                options.insecure_all = true;
              else
                options.insecure_hosts.push_back(host);
          },
          "Allow plain http or unverified TLS, for all registries or for HOST alone "
          "(--insecure=HOST)")
      ->expected(0, 1)
      ->default_str("true")
      ->take_all();
  build->add_option("--ca", options.ca_file,
                    "PEM file of a certificate authority to trust besides the system's");
  build
      ->add_option_function<std::string>(
          "-o,--output", [&options](const std::string& form) { options.json = form == "json"; },
          "What to print: name (repository@digest) or json")
      ->check(CLI::IsMember({"name", "json"}));
}

int run(int argc, char** argv) {
  CLI::App app("Builds container images from content: no Dockerfile, no Docker, no privilege.",
               "kiln");
  app.require_subcommand(1);
  app.fallthrough();
  GlobalOptions global;
  app.add_option("--cache-dir", global.cache_dir,
                 "Where facts about base images are kept (default: ~/.cache/kiln)");
  app.add_flag("--no-cache", global.no_cache, "Keep nothing between runs");
  app.add_option("--progress", global.progress, "auto (on a terminal only), plain or none")
      ->check(CLI::IsMember({"auto", "plain", "none"}));
  app.add_option("--jobs", global.jobs, "Threads for compressing and hashing (default: all cores)")
      ->check(CLI::Range(1, 256));
  app.add_flag("-v,--verbose", global.verbose, "Log what happens, on standard error");
  BuildOptions build;
  add_build(app, build);
  auto* version = app.add_subcommand("version", "Print the version");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);
    return code == 0 ? kDone : kWrongUsage;
  }
  log::configure(global.verbose ? log::Level::kDebug : log::Level::kWarning, log::Format::kText);
  set_progress(global.progress == "plain"  ? Progress::kPlain
               : global.progress == "none" ? Progress::kNone
                                           : Progress::kAuto);
  if (version->parsed()) {
    std::cout << "kiln " << KILN_VERSION << std::endl;
    return kDone;
  }
  return run_command(global, [&build](Engine engine) { return build_command(build, engine); });
}

}  // namespace
}  // namespace kiln::cli

int main(int argc, char** argv) {
  try {
    return kiln::cli::run(argc, argv);
  } catch (const std::exception& e) {
    kiln::cli::fail(std::string("internal error, please report it: ") + e.what());
    return 1;
  }
}
