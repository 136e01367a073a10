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

#include "cli/command.h"
#include "cli/help.h"
#include "cli/progress_client.h"
#include "cli/terminal.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/http/beast/client.h"
#include "core/http/beast/resolver.h"
#include "core/registry/http_client.h"
#include "core/registry/mirrored_client.h"
#include "core/source/git_source.h"

namespace kiln::cli {
namespace {

constexpr unsigned kGitPrograms = 4;  ///< How many talk to servers at a time.

struct GlobalOptions {
  std::string cache_dir;
  bool no_cache = false;
  std::string progress = "auto";
  bool verbose = false;
  int jobs = 0;
  std::string registries_config;
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

/// Repositories are kept beside the facts about base images.
source::GitClient::Options git_options(const GlobalOptions& options,
                                       const http::ProxyRules& proxies) {
  source::GitClient::Options git;
  git.proxies = proxies;
  git.remember_branches = true;
  if (const auto cache = cache_directory(options); !cache.empty()) git.cache_dir = cache / "git";
  return git;
}

/// What is said about the ways to servers outside the command line.
struct Reaching {
  http::ProxyRules proxies{};
  registry::RegistriesConfig registries{};
};

Result<Reaching> read_reaching(const GlobalOptions& options) {
  Reaching reaching;
  auto proxies = http::ProxyRules::from_environment(&std::getenv);
  if (!proxies) return std::move(proxies).error();
  reaching.proxies = std::move(*proxies);
  if (!reaching.proxies.empty())
    log::debug("servers are reached through a proxy: addresses cannot be checked",
               {{"proxy", reaching.proxies.str()}});
  if (options.registries_config.empty()) return reaching;
  auto registries = registry::RegistriesConfig::read(options.registries_config);
  if (!registries) return std::move(registries).error().while_doing("--registries-config");
  reaching.registries = std::move(*registries);
  return reaching;
}

layer::Progress watch_layers(std::uint64_t total_bytes) {
  auto bar = show_bar("  making layers", total_bytes);
  if (!bar) return {};
  return [bar](std::uint64_t bytes) { bar->add(bytes); };
}

/// Wires the engine, runs one command to its end and answers the exit code. SIGINT and SIGTERM
/// cancel it.
int run_command(const GlobalOptions& options, const Action& action) {
  keep_memory_together();
  boost::asio::io_context io(1);
  const SystemClock clock;
  const auto threads =
      options.jobs > 0 ? static_cast<unsigned>(options.jobs) : std::thread::hardware_concurrency();
  WorkPool pool(threads);
  auto reaching = read_reaching(options);
  if (!reaching) {
    fail(reaching.error().message);
    return kWrongUsage;
  }
  http::ClientOptions http_options;
  http_options.proxies = reaching->proxies;
  auto http = http::make_client(io.get_executor(), http_options);
  registry::HttpRegistryClient plain(*http, clock);
  registry::MirroredClient client(plain, reaching->registries, clock);
  ProgressClient registry(client);
  build::Builder::Options builder_options{cache_directory(options), "", watch_layers};
  builder_options.recall_layers = true;
  build::Builder builder(registry, pool, std::move(builder_options));
  http::Resolver resolver(2);
  WorkPool git_pool(kGitPrograms);
  source::GitClient git(git_options(options, reaching->proxies), resolver, *http, git_pool, clock);

  int exit_code = kFailed;
  boost::asio::cancellation_signal cancel;
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) cancel.emit(boost::asio::cancellation_type::terminal);
  });
  const auto finish = [&](const std::exception_ptr& failure, const Result<int>& result) {
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
      exit_code = *result;
    }
  };
  LocalClients local_clients = [&io](std::filesystem::path socket) {
    return http::make_local_client(io.get_executor(), std::move(socket));
  };
  plan::GitSources git_sources = [&git](source::GitRequest request, std::size_t) {
    return std::make_shared<source::GitSource>(git, std::move(request));
  };
  Engine engine(registry, pool, builder, clock, std::move(local_clients), std::move(git_sources));
  engine.cache_dir = cache_directory(options);
  boost::asio::co_spawn(io, action(std::move(engine)),
                        boost::asio::bind_cancellation_slot(cancel.slot(), finish));
  io.run();
  git_pool.stop();
  pool.stop();
  return exit_code;
}

int run(int argc, char** argv) {
  CLI::App app("Build container images from content: no Dockerfile, no Docker, no privilege",
               "kiln");
  set_up_help(app);
  app.require_subcommand(1);
  app.fallthrough();
  GlobalOptions global;
  app.add_option("--cache-dir", global.cache_dir,
                 "Where facts about base images, layers and files, and git repositories, are kept "
                 "(default: "
                 "~/.cache/kiln)")
      ->type_name("DIR");
  app.add_flag("--no-cache", global.no_cache, "Keep nothing between runs");
  app.add_option("--progress", global.progress,
                 "What to show of the work: auto is on a terminal only (default: auto)")
      ->check(CLI::IsMember({"auto", "plain", "none"}));
  app.add_option("--jobs", global.jobs, "Threads for compressing and hashing (default: all cores)")
      ->type_name("N")
      ->check(CLI::Range(1, 256));
  app.add_option("--registries-config", global.registries_config,
                 "Mirrors and settings of registries (default: $KILN_REGISTRIES_CONFIG)")
      ->type_name("FILE")
      ->envname("KILN_REGISTRIES_CONFIG");
  app.add_flag("-v,--verbose", global.verbose, "Log what happens, on standard error");
  Chosen chosen;
  for (const auto add :
       {&add_build, &add_append, &add_mutate, &add_rebase, &add_flatten, &add_copy, &add_files,
        &add_diff, &add_inspect, &add_validate, &add_login, &add_completion, &add_help})
    add(app, chosen);
  add_version(app, chosen, KILN_VERSION);
  if (argc == 1) {  // As kubectl and crane do.
    std::cout << help_of(app) << std::flush;
    return kDone;
  }
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
  if (chosen.text) {
    std::cout << *chosen.text << std::flush;
    return kDone;
  }
  return run_command(global, chosen.action);
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
