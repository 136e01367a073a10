// kiln-controller: wiring only. Reads flags, makes the parts, connects them, runs, shuts down.
#include <CLI/CLI.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <list>
#include <thread>

#include "controller/flags/flags.h"
#include "controller/hooks/receiver.h"
#include "controller/hooks/token_watch.h"
#include "controller/imagebuild/base_starter.h"
#include "controller/imagebuild/build_meter.h"
#include "controller/imagebuild/git_meter.h"
#include "controller/imagebuild/hook_starter.h"
#include "controller/imagebuild/reconciler.h"
#include "controller/kube/http_client.h"
#include "controller/obs/pages.h"
#include "controller/obs/process_stats.h"
#include "controller/obs/request_meters.h"
#include "controller/obs/server_thread.h"
#include "controller/rollout/rollout.h"
#include "controller/runtime/controller.h"
#include "controller/runtime/event_recorder.h"
#include "controller/runtime/leader_elector.h"
#include "controller/runtime/metering.h"
#include "controller/runtime/watch_health.h"
#include "controller/runtime/watcher_list.h"
#include "core/base/deadline.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/http/beast/client.h"
#include "core/http/beast/resolver.h"
#include "core/http/beast/server.h"
#include "core/http/fenced_client.h"
#include "core/http/observed_client.h"
#include "core/registry/http_client.h"
#include "core/registry/mirrored_client.h"
#include "core/source/git_source.h"

namespace kiln {
namespace {

using flags::Flags;
using flags::Settings;

constexpr int kFailed = 1;
constexpr int kWrongUsage = 2;
/// Edits that come faster than they are built are built together.
constexpr std::chrono::milliseconds kPause{250};
/// After the builds' own grace. By default it all fits into the 30 s that Kubernetes waits.
constexpr std::chrono::seconds kLastEventsLimit{3};
constexpr std::chrono::seconds kReleaseLimit{3};
/// For what is under way when the lead is lost. It writes nothing any more; see FencedClient.
constexpr std::chrono::seconds kLostLimit{5};

/// No user's registry or content is at the API server's own address. Where it is known by a name
/// only, a network policy has to say so.
void deny_api_server(http::EgressPolicy::Rules& rules, const http::Url& server) {
  boost::system::error_code not_an_address;
  http::EgressPolicy::Endpoint endpoint;
  endpoint.address = boost::asio::ip::make_address(server.host(), not_an_address);
  endpoint.port = server.port();
  if (!not_an_address) rules.deny_endpoints.push_back(endpoint);
}

/// ImageBuilds are selected by label. Content is not, and is watched as metadata.
runtime::WatchScope watching(const Flags& flags, const Settings& settings, bool content) {
  runtime::WatchScope scope;
  scope.namespaces = settings.namespaces;
  scope.each.machine.min_watch = settings.longest_watch / 2;
  scope.each.machine.max_watch = settings.longest_watch;
  auto& selection = scope.each.machine.selection;
  selection.metadata_only = content;
  if (!content) selection.label_selector = flags.label_selector;
  return scope;
}

/// The one Secret with the tokens of webhooks; nothing, where none are received.
runtime::WatcherList watch_tokens(kube::Client& client, runtime::WatchHandler& handler,
                                  const Clock& clock, const Settings& settings) {
  runtime::WatcherList watchers;
  if (!settings.hooks_secret) return watchers;
  runtime::Watcher::Options options;
  options.machine.selection.namespace_ = settings.hooks_secret->namespace_;
  options.machine.selection.name = settings.hooks_secret->name;
  watchers.emplace_back(client, kube::kSecrets, handler, clock, std::move(options));
  return watchers;
}

/// Strangers may reach the port of webhooks: little memory, little time.
http::ServerOptions for_strangers() {
  http::ServerOptions options;
  options.body_limit_bytes = 2 * 1024 * 1024;
  options.max_connections = 16;
  options.header = std::chrono::seconds(5);
  options.body = std::chrono::seconds(10);
  options.idle = std::chrono::seconds(30);
  options.handler = std::chrono::seconds(5);
  options.write = std::chrono::seconds(5);
  options.grace = std::chrono::seconds(1);
  return options;
}

/// All parts of the program, in the order in which they depend on each other.
class Program {
 public:
  Program(const Flags& flags, const Settings& settings, const kube::Config& config)
      : flags_(flags),
        proxies_(settings.proxies.str()),
        log_switch_(settings.log_level),
        pool_(std::max(std::thread::hardware_concurrency(), 1U)),
        kube_http_(http::make_client(io_.get_executor(), to_the_api_server(config))),
        kube_(kube::make_http_client(metered_kube_http_, config, clock_, {})),
        lease_http_(http::make_client(io_.get_executor(), to_the_api_server(config))),
        lease_kube_(kube::make_http_client(metered_lease_http_, config, clock_,
                                           asking_for_the_lease(settings))),
        elector_(*lease_kube_, io_.get_executor(), clock_, electing(flags, settings, config)),
        http_(http::make_client(io_.get_executor(), with_egress(flags, settings))),
        plain_registry_(metered_http_, clock_),
        registry_(plain_registry_, settings.registries, clock_),
        git_pool_(static_cast<unsigned>(flags.concurrent) + 1),
        git_(with_git(flags, settings), resolver_, *http_, git_pool_, clock_),
        builder_(registry_, pool_, building(flags)),
        events_(*kube_, io_.get_executor(), clock_, {}),
        queue_(io_.get_executor(), clock_, settings.delays),
        view_(queue_),
        credentials_(*kube_, view_, clock_),
        reconciler_(imagebuild::Ports(*kube_, credentials_, registry_, builder_, events_, clock_,
                                      view_, git_sources()),
                    reconciling(flags)),
        config_maps_("ConfigMap", view_),
        secrets_("Secret", view_),
        token_watch_(settings.hooks_secret.value_or(kube::ObjectKey()), tokens_),
        token_watchers_(watch_tokens(*kube_, token_watch_, clock_, settings)),
        builds_watchers_(runtime::watch_namespaces(*kube_, imagebuild::kImageBuilds, view_, clock_,
                                                   watching(flags, settings, false))),
        config_maps_watchers_(runtime::watch_namespaces(*kube_, kube::kConfigMaps, config_maps_,
                                                        clock_, watching(flags, settings, true))),
        secrets_watchers_(runtime::watch_namespaces(*kube_, kube::kSecrets, secrets_, clock_,
                                                    watching(flags, settings, true))),
        controller_(
            queue_, reconciler_,
            runtime::pointers_to<runtime::Watcher>({&builds_watchers_, &config_maps_watchers_}),
            clock_, controlling(flags, settings)) {
    // Secrets are watched only once some ImageBuild has content or credentials from one.
    view_.on_secret_use([this] {
      for (auto& watcher : secrets_watchers_) in_background(watcher.run());
    });
    if (flags.rollout) begin_rollouts(flags, settings);
    view_.on_git_news([this](const std::string& repository) { git_.forget(repository); });
    view_.on_image_news([this](const oci::Repository& repository, std::string_view tag,
                               std::chrono::milliseconds delay) {
      const auto base = oci::Reference::parse(repository.str() + ":" + std::string(tag));
      if (base) builder_.forget_base(*base, delay);
    });
    builder_.follow_bases(base_starter_);
    be_observed();
  }

  int run() {
    const auto serving = serve();
    if (serving.has_error()) {
      std::cerr << "error: " << serving.error().message << '\n';
      return kFailed;
    }
    const StopServers stop_servers{servers_};
    const StopServers stop_hooks{hook_servers_};
    for (auto& watcher : token_watchers_) in_background(watcher.run());
    if (rollout_)
      for (auto& watcher : rollout_->watchers()) in_background(watcher.run());
    in_background(toggle_debug_on_sigusr1());
    boost::asio::signal_set signals(io_, SIGINT, SIGTERM);
    signals.async_wait([this, &signals](const boost::system::error_code& error, int) {
      if (error) return;
      log::info("stopping");
      stopping_ = true;
      controller_.stop();
      if (rollout_) rollout_->stop();
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
    if (!proxies_.empty())
      log::warning("servers are reached through a proxy: the egress policy sees names only",
                   {{"proxy", proxies_}});
    io_.run();
    git_pool_.stop();
    pool_.stop();
    return exit_code;
  }

 private:
  static http::ClientOptions with_egress(const Flags& flags, const Settings& settings) {
    constexpr std::size_t kOfABuild = 8;  // More than one has under way to a registry.
    http::ClientOptions options;
    options.max_idle_per_host = kOfABuild * std::min<std::size_t>(flags.concurrent, 32);
    options.egress = http::EgressPolicy(settings.egress);
    options.proxies = settings.proxies;
    return options;
  }
  static build::Builder::Options building(const Flags& flags) {
    build::Builder::Options options;
    options.cache_dir = flags.cache_dir;
    options.recall_layers = true;
    return options;
  }
  static http::ClientOptions to_the_api_server(const kube::Config& config) {
    http::ClientOptions options;
    options.proxies = config.proxies;
    return options;
  }
  source::GitClient::Options with_git(const Flags& flags, const Settings& settings) {
    source::GitClient::Options options;
    options.cache_dir = flags.git_cache_dir;
    if (flags.git_cache_dir.empty() && !flags.cache_dir.empty())
      options.cache_dir = std::filesystem::path(flags.cache_dir) / "git";
    options.limits.cache_bytes = flags.git_cache_mib << 20;
    options.limits.memory_bytes = flags.git_memory_mib << 20;
    options.egress = http::EgressPolicy(settings.egress);
    options.proxies = settings.proxies;
    options.observer = &git_meter_;
    return options;
  }
  plan::GitSources git_sources() {
    return [this](source::GitRequest request, std::size_t) {
      return std::make_shared<source::GitSource>(git_, std::move(request));
    };
  }
  runtime::Controller::Options controlling(const Flags& flags, const Settings& settings) {
    runtime::Controller::Options options;
    options.concurrent = flags.concurrent;
    options.grace = settings.grace;
    options.pause = kPause;
    options.observer = &metering_;
    options.before_work = [this] { return before_work(); };
    return options;
  }
  static kube::HttpClientOptions asking_for_the_lease(const Settings& settings) {
    kube::HttpClientOptions options;
    options.deadline = settings.election.request_limit();
    options.retry.tries = 1;  // The election has its own.
    return options;
  }
  static runtime::LeaderElector::Options electing(const Flags& flags, const Settings& settings,
                                                  const kube::Config& config) {
    runtime::LeaderElector::Options options;
    options.terms = settings.election;
    const auto& chosen = flags.leader_election_namespace;
    options.lease =
        kube::ObjectKey(chosen.empty() ? config.namespace_ : chosen, flags.leader_election_id);
    options.identity = runtime::make_identity();
    return options;
  }
  imagebuild::ReconcilerOptions reconciling(const Flags& flags) {
    imagebuild::ReconcilerOptions options;
    options.interval_jitter = flags.interval_jitter_percentage / 100.0;
    options.metrics = &metrics_;
    return options;
  }

  void begin_rollouts(const Flags& flags, const Settings& settings) {
    rollout::Rollout::Options options;
    options.delays = settings.delays;
    options.scope = watching(flags, settings, true);
    options.reconciler.knows_all_builds = flags.label_selector.empty();
    options.reconciler.metrics = &metrics_;
    const auto image_of = [this](const kube::ObjectKey& key) -> std::optional<rollout::BuildImage> {
      const auto seen = view_.find(key);
      if (!seen) return std::nullopt;
      return seen->build ? rollout::BuildImage(*seen->build) : rollout::BuildImage();
    };
    rollout_ = std::make_unique<rollout::Rollout>(*kube_, events_, clock_, io_.get_executor(),
                                                  image_of, std::move(options));
    view_.on_change([this](const kube::ObjectKey& key) { rollout_->image_build_changed(key); });
  }

  /// Metrics and health: who is looked at for them.
  void be_observed() {
    auto watchers = runtime::pointers_to<const runtime::Watcher>(
        {&builds_watchers_, &config_maps_watchers_, &secrets_watchers_, &token_watchers_});
    if (rollout_)
      for (const auto& watcher : rollout_->watchers()) watchers.push_back(&watcher);
    metering_.follow(queue_, controller_, flags_.concurrent, watchers);
    imagebuild::meter_view(metrics_, view_);
    metrics_.add_refresh([this] { obs::refresh_process_metrics(metrics_); });
    // That it can be asked at all is the check.
    health_.live.add("event-loop", [] { return obs::Finding::good(); });
    health_.ready.add("shutdown", [this] {
      return stopping_ ? obs::Finding::bad("stopping") : obs::Finding::good();
    });
    runtime::add_watch_checks(health_.ready, watchers, clock_);
    if (!flags_.leader_elect) return;
    elector_.follow(metrics_);
    health_.live.add("leader-election", [this] { return elector_.liveness(); });
    health_.ready.add("leader-election", [this] { return elector_.readiness(); });
  }

  Result<void> serve() {
    auto metrics = servers_.add("metrics", flags_.metrics_addr, metrics_pages_);
    if (metrics.has_error()) return std::move(metrics).error().while_doing("--metrics-addr");
    auto health = servers_.add("health", flags_.health_addr, health_pages_);
    if (health.has_error()) return std::move(health).error().while_doing("--health-addr");
    servers_.start();
    return {};
  }

  /// Who stands by has read everything, and can begin at once.
  Task<Result<void>> before_work() {
    if (flags_.leader_elect) {
      in_background(lead());
      KILN_CO_TRY(co_await elector_.wait_leading());
    }
    if (rollout_) in_background(rollout_->run());
    co_return take_webhooks();
  }

  /// Only where work is done: a port that nobody listens on makes a proxy try another replica. On
  /// a thread of its own: whatever strangers send, health can be asked for.
  Result<void> take_webhooks() {
    auto hooks = hook_servers_.add("hooks", flags_.hooks_addr, hooks_receiver_);
    if (hooks.has_error()) return std::move(hooks).error().while_doing("--hooks-addr");
    hook_servers_.start();
    return {};
  }

  Task<Result<void>> toggle_debug_on_sigusr1() {
    boost::asio::signal_set signals(io_, SIGUSR1);
    for (;;) {
      boost::system::error_code error;
      co_await signals.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
      if (error) co_return Error(Errc::kCancelled, "no longer needed");
      log_switch_.toggle_debug();
    }
  }

  void in_background(Task<Result<void>> task) {
    auto& cancel = background_.emplace_back();
    boost::asio::co_spawn(
        io_, std::move(task),
        boost::asio::bind_cancellation_slot(cancel.slot(), boost::asio::detached));
  }

  Task<Result<void>> main_task() {
    auto result = co_await controller_.run();
    auto last_words =
        with_deadline(events_.flush(), kLastEventsLimit, std::string("sending the last Events"));
    (void)co_await std::move(last_words);
    // Last of all: who takes over is alone.
    const auto released = co_await elector_.release(kReleaseLimit);
    if (released.has_error())
      log::warning("lease is not given back", {{"error", released.error().message}});
    co_return result;
  }

  /// Without the lead there is nothing to finish: another one has begun.
  Task<Result<void>> lead() {
    auto ended = co_await elector_.run();
    if (!ended.has_error() || ended.error().code == Errc::kCancelled) co_return ended;
    controller_.abandon(ended.error());
    const auto waited = co_await sleep_for(kLostLimit);
    if (!waited.has_error()) std::_Exit(kFailed);
    co_return ended;
  }

  Result<void> may_write() const {
    return flags_.leader_elect ? elector_.may_write() : Result<void>();
  }

  /// Handlers end last before the event loop they ask, whatever ends run().
  struct StopServers {
    obs::ServerThread& servers;
    ~StopServers() { servers.stop(); }
  };

  Flags flags_;
  std::string proxies_;
  obs::Metrics metrics_;
  obs::Health health_;
  obs::LogSwitch log_switch_;
  bool stopping_ = false;
  obs::ServerThread servers_{
      [](Executor executor, const http::ListenAddress& address, http::RequestHandler& handler) {
        http::ServerOptions options;
        options.grace = std::chrono::seconds(1);  // The pages are short, and the end is near.
        return http::make_server(std::move(executor), address, handler, options);
      }};
  obs::ServerThread hook_servers_{
      [](Executor executor, const http::ListenAddress& address, http::RequestHandler& handler) {
        return http::make_server(std::move(executor), address, handler, for_strangers());
      }};
  boost::asio::io_context io_{1};
  obs::MetricsPages metrics_pages_{io_.get_executor(), metrics_};
  obs::HealthPages health_pages_{io_.get_executor(), health_, log_switch_};
  obs::ApiRequestMeter api_meter_{metrics_};
  obs::RegistryRequestMeter registry_meter_{metrics_};
  SystemClock clock_;
  runtime::Metering metering_{metrics_, clock_};
  WorkPool pool_;
  std::unique_ptr<http::Client> kube_http_;
  http::FencedClient fenced_kube_http_{*kube_http_, [this] { return may_write(); }};
  http::ObservedClient metered_kube_http_{fenced_kube_http_, api_meter_};
  std::unique_ptr<kube::Client> kube_;
  // The lease has connections of its own, which nothing else can hold up.
  std::unique_ptr<http::Client> lease_http_;
  http::ObservedClient metered_lease_http_{*lease_http_, api_meter_};
  std::unique_ptr<kube::Client> lease_kube_;
  runtime::LeaderElector elector_;
  std::unique_ptr<http::Client> http_;
  http::FencedClient fenced_http_{*http_, [this] { return may_write(); }};
  http::ObservedClient metered_http_{fenced_http_, registry_meter_};
  registry::HttpRegistryClient plain_registry_;
  registry::MirroredClient registry_;
  // A server may make its threads wait, so it is not the pool of the real work. A build runs one
  // git program at a time.
  WorkPool git_pool_;
  http::Resolver resolver_{2};
  imagebuild::GitMeter git_meter_{metrics_};
  source::GitClient git_;
  build::Builder builder_;
  runtime::EventRecorder events_;
  runtime::KeyQueue queue_;
  imagebuild::ClusterView view_;
  imagebuild::Credentials credentials_;
  imagebuild::BaseStarter base_starter_{view_, metrics_};
  imagebuild::ImageBuildReconciler reconciler_;
  imagebuild::ContentWatch config_maps_;
  imagebuild::ContentWatch secrets_;
  hooks::TokenBox tokens_;
  hooks::TokenWatch token_watch_;
  imagebuild::HookStarter hook_starter_{view_};
  hooks::Receiver hooks_receiver_{io_.get_executor(), hook_starter_, tokens_, clock_, metrics_};
  runtime::WatcherList token_watchers_;
  runtime::WatcherList builds_watchers_;
  runtime::WatcherList config_maps_watchers_;
  runtime::WatcherList secrets_watchers_;
  runtime::Controller controller_;
  std::unique_ptr<rollout::Rollout> rollout_;  ///< Null without --rollout.
  std::list<boost::asio::cancellation_signal> background_;
};

int run(int argc, char** argv) {
  CLI::App app("Builds container images from ImageBuilds.", "kiln-controller");
  Flags flags;
  flags::add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kWrongUsage;
  }
  auto settings = flags::read_settings(flags);
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
  Program program(flags, *settings, *config);
  return program.run();
}

}  // namespace
}  // namespace kiln

int main(int argc, char** argv) {
  kiln::keep_memory_together();
  try {
    return kiln::run(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "error: internal error, please report it: " << e.what() << '\n';
    return 1;
  }
}
