#include "controller/flags/flags.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "controller/hooks/token_watch.h"
#include "controller/kube/namespace_list.h"
#include "core/base/nearest.h"
#include "core/base/time_text.h"

namespace kiln::flags {
namespace {

void add_election_flags(CLI::App& app, Flags& flags) {
  app.add_flag("--leader-elect,--enable-leader-election", flags.leader_elect,
               "Of several replicas only the leader builds; the others stand by");
  app.add_option("--leader-election-id", flags.leader_election_id, "Name of the Lease");
  app.add_option("--leader-election-namespace", flags.leader_election_namespace,
                 "Namespace of the Lease (default: the one this runs in)");
  app.add_option("--leader-election-lease-duration", flags.leader_election_lease_duration,
                 "How long the others wait for a leader that is not heard of");
  app.add_option("--leader-election-renew-deadline", flags.leader_election_renew_deadline,
                 "How long a leader that cannot renew goes on");
  app.add_option("--leader-election-retry-period", flags.leader_election_retry_period,
                 "How often the Lease is renewed, or looked at");
}

/// Errors: kInvalid, naming the flag.
template <class Duration>
Result<void> read(const std::string& text, const char* flag, Duration& out) {
  const auto duration = parse_duration(text);
  if (!duration) return duration.error().while_doing(flag);
  out = std::chrono::floor<Duration>(*duration);
  return {};
}

Result<void> read_durations(const Flags& flags, Settings& settings) {
  KILN_TRY(read(flags.min_retry_delay, "--min-retry-delay", settings.delays.first));
  KILN_TRY(read(flags.max_retry_delay, "--max-retry-delay", settings.delays.cap));
  KILN_TRY(read(flags.graceful_shutdown_timeout, "--graceful-shutdown-timeout", settings.grace));
  KILN_TRY(read(flags.watch_timeout, "--watch-timeout", settings.longest_watch));
  if (settings.longest_watch < std::chrono::seconds(2))
    return Error(Errc::kInvalid, "--watch-timeout must be at least 2s");
  auto& terms = settings.election;
  KILN_TRY(
      read(flags.leader_election_lease_duration, "--leader-election-lease-duration", terms.lease));
  KILN_TRY(read(flags.leader_election_renew_deadline, "--leader-election-renew-deadline",
                terms.renew_deadline));
  KILN_TRY(read(flags.leader_election_retry_period, "--leader-election-retry-period",
                terms.retry_period));
  return terms.check();
}

/// As errors of the command `kiln` look. A value is not shown: it may be a secret.
std::string failure(const CLI::App* app, const CLI::Error& error) {
  std::string text = error.what();
  const auto unknown = app->remaining();
  const auto is_flag = [](const std::string& word) { return word.starts_with("-"); };
  const auto flag = std::find_if(unknown.begin(), unknown.end(), is_flag);
  if (flag != unknown.end()) {
    const auto name = flag->substr(0, flag->find('='));
    std::vector<std::string> known;
    for (const auto* option : app->get_options())
      for (const auto& one : option->get_lnames()) known.push_back(one);
    text =
        "there is no flag " + name +
        did_you_mean(name.substr(std::min(name.find_first_not_of('-'), name.size())), known, "--");
  } else if (!unknown.empty()) {
    text = "there are no arguments, only flags";
  }
  return "error: " + text + "\nSee \"kiln-controller --help\".\n";
}

}  // namespace

void add_flags(CLI::App& app, Flags& flags) {
  app.failure_message(failure);
  app.option_defaults()->always_capture_default();
  app.set_version_flag("--version", std::string("kiln-controller ") + KILN_VERSION);
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "Kubeconfig file; default: $KUBECONFIG, else the cluster this runs in");
  app.add_option("--context", flags.context,
                 "Context of the kubeconfig (default: its current one)");
  app.add_option("--concurrent", flags.concurrent, "How many ImageBuilds are built at a time")
      ->check(CLI::Range(1, 1024));
  app.add_option("--watch-namespaces,--watch-namespace", flags.watch_namespaces,
                 "Only these namespaces, separated by commas (default: all)")
      ->delimiter(',');
  app.add_option("--watch-label-selector", flags.label_selector,
                 "Only ImageBuilds with these labels");
  app.add_option("--min-retry-delay", flags.min_retry_delay, "First wait after a failure");
  app.add_option("--max-retry-delay", flags.max_retry_delay, "Longest wait after failures");
  app.add_option("--watch-timeout", flags.watch_timeout,
                 "After at most so long a watch is made anew; at least half of it");
  app.add_option("--graceful-shutdown-timeout", flags.graceful_shutdown_timeout,
                 "How long builds under way may go on after SIGTERM");
  app.add_option("--interval-jitter-percentage", flags.interval_jitter_percentage,
                 "By how much waits differ from spec.interval, so that not all polls coincide")
      ->check(CLI::Range(0, 100));
  app.add_option("--metrics-addr", flags.metrics_addr, "Where /metrics is served; 0 = nowhere");
  app.add_option("--health-addr", flags.health_addr,
                 "Where /healthz, /readyz and /loglevel are served; 0 = nowhere");
  app.add_option("--hooks-addr", flags.hooks_addr,
                 "Where webhooks are received, in plain HTTP behind an Ingress; 0 = nowhere");
  app.add_option("--hooks-secret", flags.hooks_secret,
                 "NAMESPACE/NAME of the Secret whose entries are the tokens of webhooks");
  app.add_flag("--rollout", flags.rollout,
               "Set new images on workloads with the annotation kiln.build/image-from");
  app.add_option("--log-level", flags.log_level, "trace, debug, info, warning, error or off");
  app.add_option("--log-format", flags.log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--cache-dir", flags.cache_dir,
                 "Where facts about base images, what layers were made of, and git repositories, "
                 "are kept between runs");
  app.add_option("--git-cache-dir", flags.git_cache_dir,
                 "Where git repositories are kept (default: git in --cache-dir)");
  app.add_option("--git-cache-mib", flags.git_cache_mib,
                 "How much disk they may take together, in MiB")
      ->check(CLI::Range(1, 1 << 30));
  app.add_option("--git-memory-mib", flags.git_memory_mib,
                 "How much memory each git program may have, in MiB")
      ->check(CLI::Range(64, 1 << 20));
  app.add_option("--egress-allow", flags.egress_allow,
                 "CIDRs that content and registries may be at, besides the defaults");
  app.add_option("--egress-deny", flags.egress_deny, "CIDRs that they may not be at");
  app.add_option("--registries-config", flags.registries_config,
                 "registries.yaml: mirrors and settings of registries")
      ->envname("KILN_REGISTRIES_CONFIG");
  add_election_flags(app, flags);
}

Result<Settings> read_settings(const Flags& flags) {
  Settings settings;
  KILN_TRY(read_durations(flags, settings));
  auto allow = http::parse_cidrs(flags.egress_allow);
  if (!allow) return std::move(allow).error().while_doing("--egress-allow");
  auto deny = http::parse_cidrs(flags.egress_deny);
  if (!deny) return std::move(deny).error().while_doing("--egress-deny");
  settings.egress.allow = std::move(*allow);
  settings.egress.deny = std::move(*deny);
  settings.egress.deny_loopback = std::getenv("KUBERNETES_SERVICE_HOST") != nullptr;
  auto proxies = http::ProxyRules::from_environment(&std::getenv);
  if (!proxies) return std::move(proxies).error();
  settings.proxies = std::move(*proxies);
  if (!flags.registries_config.empty()) {
    auto registries = registry::RegistriesConfig::read(flags.registries_config);
    if (!registries) return std::move(registries).error().while_doing("--registries-config");
    settings.registries = std::move(*registries);
  }
  auto namespaces = kube::check_namespaces(flags.watch_namespaces);
  if (!namespaces) return std::move(namespaces).error().while_doing("--watch-namespaces");
  settings.namespaces = std::move(*namespaces);
  if (flags.hooks_addr != "0") {
    auto secret = hooks::parse_secret_key(flags.hooks_secret);
    if (!secret) return std::move(secret).error().while_doing("--hooks-secret");
    settings.hooks_secret = std::move(*secret);
  }
  const auto level = log::parse_level(flags.log_level);
  if (!level) return level.error().while_doing("--log-level");
  settings.log_level = *level;
  log::configure(*level, flags.log_format == "json" ? log::Format::kJson : log::Format::kText);
  return settings;
}

}  // namespace kiln::flags
