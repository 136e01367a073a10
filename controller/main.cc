// kiln-controller: wiring only. Reads flags, makes the parts, connects them, runs, shuts down.
#include <CLI/CLI.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdlib>
#include <iostream>
#include <list>
#include <thread>

#include "controller/imagebuild/reconciler.h"
#include "controller/kube/http_client.h"
#include "controller/runtime/controller.h"
#include "controller/runtime/event_recorder.h"
#include "controller/runtime/watcher.h"
#include "core/base/deadline.h"
#include "core/base/log.h"
#include "core/http/beast/client.h"
#include "core/registry/http_client.h"

namespace kiln {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
constexpr std::chrono::seconds kGrace{25};

struct Flags {
  std::string kubeconfig;
  std::string context;
  std::size_t concurrent = 4;
  std::string watch_namespace;
  std::string label_selector;
  std::string min_retry_delay = "750ms";
  std::string max_retry_delay = "15m";
  std::string log_level = "info";
  std::string log_format = "text";
  std::string cache_dir;
  std::vector<std::string> egress_allow;
  std::vector<std::string> egress_deny;
};

void add_flags(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", std::string("kiln-controller ") + KILN_VERSION);
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "Kubeconfig file; default: $KUBECONFIG, else the cluster this runs in");
  app.add_option("--context", flags.context,
                 "Context of the kubeconfig (default: its current one)");
  app.add_option("--concurrent", flags.concurrent, "How many ImageBuilds are built at a time")
      ->check(CLI::Range(1, 1024));
  app.add_option("--watch-namespace", flags.watch_namespace, "Only this namespace (default: all)");
  app.add_option("--watch-label-selector", flags.label_selector,
                 "Only ImageBuilds with these labels");
  app.add_option("--min-retry-delay", flags.min_retry_delay, "First wait after a failure");
  app.add_option("--max-retry-delay", flags.max_retry_delay, "Longest wait after failures");
  app.add_option("--log-level", flags.log_level, "debug, info, warning, error or off");
  app.add_option("--log-format", flags.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--cache-dir", flags.cache_dir,
                 "Where facts about base images are kept between runs");
  app.add_option("--egress-allow", flags.egress_allow,
                 "CIDRs that content and registries may be at, besides the defaults");
  app.add_option("--egress-deny", flags.egress_deny, "CIDRs that they may not be at");
}

/// What can be wrong with flags is found before anything starts.
struct Settings {
  runtime::RetryDelays delays{};
  http::EgressPolicy::Rules egress{};
};

Result<Settings> read_settings(const Flags& flags) {
  Settings settings;
  const auto first = parse_duration(flags.min_retry_delay);
  if (!first) return first.error().while_doing("--min-retry-delay");
  const auto cap = parse_duration(flags.max_retry_delay);
  if (!cap) return cap.error().while_doing("--max-retry-delay");
  settings.delays.first = *first;
  settings.delays.cap = *cap;
  auto allow = http::parse_cidrs(flags.egress_allow);
  if (!allow) return std::move(allow).error().while_doing("--egress-allow");
  auto deny = http::parse_cidrs(flags.egress_deny);
  if (!deny) return std::move(deny).error().while_doing("--egress-deny");
  settings.egress.allow = std::move(*allow);
  settings.egress.deny = std::move(*deny);
  settings.egress.deny_loopback = std::getenv("KUBERNETES_SERVICE_HOST") != nullptr;
  const auto level = log::parse_level(flags.log_level);
  if (!level) return level.error().while_doing("--log-level");
  log::configure(*level, flags.log_format == "json" ? log::Format::kJson : log::Format::kText);
  return settings;
}

/// No user's registry or content is at the API server's own address. Where it is known by a name
/// only, a network policy has to say so.
void deny_api_server(http::EgressPolicy::Rules& rules, const http::Url& server) {
  boost::system::error_code not_an_address;
  http::EgressPolicy::Endpoint endpoint;
  endpoint.address = boost::asio::ip::make_address(server.host(), not_an_address);
  endpoint.port = server.port();
  if (!not_an_address) rules.deny_endpoints.push_back(endpoint);
}

runtime::Watcher::Options watching(const Flags& flags, bool metadata_only) {
  runtime::Watcher::Options options;
  options.machine.selection.namespace_ = flags.watch_namespace;
  options.machine.selection.metadata_only = metadata_only;
  if (!metadata_only) options.machine.selection.label_selector = flags.label_selector;
  return options;
}

/// All parts of the program, in the order in which they depend on each other.
class Program {
 public:
  Program(const Flags& flags, const Settings& settings, kube::Config config)
      : pool_(std::max(std::thread::hardware_concurrency(), 1U)),
        kube_http_(http::make_client(io_.get_executor(), {})),
        kube_(kube::make_http_client(*kube_http_, std::move(config), clock_, {})),
        http_(http::make_client(io_.get_executor(), with_egress(settings))),
        registry_(*http_, clock_),
        builder_(registry_, pool_, build::Builder::Options{flags.cache_dir, ""}),
        events_(*kube_, io_.get_executor(), clock_, {}),
        queue_(io_.get_executor(), clock_, settings.delays),
        view_(queue_),
        reconciler_(imagebuild::Ports(*kube_, registry_, builder_, events_, clock_, view_)),
        config_maps_("ConfigMap", view_),
        secrets_("Secret", view_),
        builds_watcher_(*kube_, imagebuild::kImageBuilds, view_, clock_, watching(flags, false)),
        config_maps_watcher_(*kube_, kube::kConfigMaps, config_maps_, clock_,
                             watching(flags, true)),
        secrets_watcher_(*kube_, kube::kSecrets, secrets_, clock_, watching(flags, true)),
        controller_(queue_, reconciler_, {&builds_watcher_, &config_maps_watcher_}, clock_,
                    controlling(flags)) {
    // Secrets are watched only once some ImageBuild has content from one.
    view_.on_secret_content([this] { in_background(secrets_watcher_.run()); });
  }

  int run() {
    boost::asio::signal_set signals(io_, SIGINT, SIGTERM);
    signals.async_wait([this, &signals](const boost::system::error_code& error, int) {
      if (error) return;
      log::info("stopping");
      controller_.stop();
      signals.async_wait([](const boost::system::error_code& again, int) {
        if (!again) std::_Exit(kFailed);
      });
    });
    in_background(events_.run());
    int exit_code = kFailed;
    boost::asio::co_spawn(io_, main_task(),
                          [&](const std::exception_ptr& failure, Result<void> result) {
                            if (!failure && result) exit_code = 0;
                            if (!failure && result.has_error())
                              log::error("stopped", {{"error", result.error().message}});
                            if (failure) log::error("stopped by a bug");
                            signals.cancel();
                            for (auto& cancel : background_)
                              cancel.emit(boost::asio::cancellation_type::terminal);
                          });
    log::info("kiln-controller starts", {{"version", KILN_VERSION}});
    io_.run();
    pool_.stop();
    return exit_code;
  }

 private:
  static http::ClientOptions with_egress(const Settings& settings) {
    http::ClientOptions options;
    options.egress = http::EgressPolicy(settings.egress);
    return options;
  }
  static runtime::Controller::Options controlling(const Flags& flags) {
    runtime::Controller::Options options;
    options.concurrent = flags.concurrent;
    options.grace = kGrace;
    return options;
  }

  void in_background(Task<Result<void>> task) {
    auto& cancel = background_.emplace_back();
    boost::asio::co_spawn(
        io_, std::move(task),
        boost::asio::bind_cancellation_slot(cancel.slot(), boost::asio::detached));
  }

  Task<Result<void>> main_task() {
    auto result = co_await controller_.run();
    auto last_words = with_deadline(events_.flush(), std::chrono::seconds(3),
                                    std::string("sending the last Events"));
    (void)co_await std::move(last_words);
    co_return result;
  }

  boost::asio::io_context io_{1};
  SystemClock clock_;
  WorkPool pool_;
  std::unique_ptr<http::Client> kube_http_;
  std::unique_ptr<kube::Client> kube_;
  std::unique_ptr<http::Client> http_;
  registry::HttpRegistryClient registry_;
  build::Builder builder_;
  runtime::EventRecorder events_;
  runtime::KeyQueue queue_;
  imagebuild::ClusterView view_;
  imagebuild::ImageBuildReconciler reconciler_;
  imagebuild::ContentWatch config_maps_;
  imagebuild::ContentWatch secrets_;
  runtime::Watcher builds_watcher_;
  runtime::Watcher config_maps_watcher_;
  runtime::Watcher secrets_watcher_;
  runtime::Controller controller_;
  std::list<boost::asio::cancellation_signal> background_;
};

int run(int argc, char** argv) {
  CLI::App app("Builds container images from ImageBuilds.", "kiln-controller");
  Flags flags;
  add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kWrongUsage;
  }
  auto settings = read_settings(flags);
  if (!settings) {
    std::cerr << "error: " << settings.error().message << '\n';
    return kWrongUsage;
  }
  auto config = kube::find_config(kube::process_environment, flags.kubeconfig, flags.context);
  if (!config) {
    std::cerr << "error: " << config.error().message << '\n';
    return kFailed;
  }
  deny_api_server(settings->egress, config->server);
  Program program(flags, *settings, std::move(*config));
  return program.run();
}

}  // namespace
}  // namespace kiln

int main(int argc, char** argv) {
  try {
    return kiln::run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "error: internal error, please report it: " << e.what() << '\n';
    return 1;
  }
}
