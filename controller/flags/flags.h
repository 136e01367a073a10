#pragma once
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/kube/object.h"
#include "controller/runtime/election_machine.h"
#include "controller/runtime/work_queue.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/http/egress_policy.h"
#include "core/http/proxy.h"
#include "core/registry/registries_config.h"

namespace kiln::flags {

/// The flags of kiln-controller as they were written. docs/operations.md has the same list; a test
/// compares the two.
struct Flags {
  std::string kubeconfig;
  std::string context;
  std::size_t concurrent = 4;
  std::vector<std::string> watch_namespaces;
  std::string label_selector;
  std::string min_retry_delay = "750ms";
  std::string max_retry_delay = "15m";
  std::string watch_timeout = "10m";
  std::string graceful_shutdown_timeout = "20s";
  unsigned interval_jitter_percentage = 5;
  std::string metrics_addr = ":8080";
  std::string health_addr = ":9440";
  std::string hooks_addr = "0";
  std::string hooks_secret;
  bool rollout = false;
  std::string log_level = "info";
  std::string log_format = "text";
  std::string cache_dir;
  std::string git_cache_dir;
  std::uint64_t git_cache_mib = 10240;
  std::uint64_t git_memory_mib = 1024;
  std::vector<std::string> egress_allow;
  std::vector<std::string> egress_deny;
  std::string registries_config;
  bool leader_elect = false;
  std::string leader_election_id = "kiln-controller";
  std::string leader_election_namespace;
  std::string leader_election_lease_duration = "35s";
  std::string leader_election_renew_deadline = "30s";
  std::string leader_election_retry_period = "5s";
};

/// Lifetime: `flags` outlives `app`.
void add_flags(CLI::App& app, Flags& flags);

/// What the flags come to. What can be wrong with them is found before anything starts.
struct Settings {
  runtime::RetryDelays delays{};
  std::chrono::milliseconds grace{};
  std::chrono::seconds longest_watch{};
  http::EgressPolicy::Rules egress{};
  http::ProxyRules proxies{};
  registry::RegistriesConfig registries{};
  std::vector<std::string> namespaces{};
  std::optional<kube::ObjectKey> hooks_secret{};  ///< Set: webhooks are received.
  log::Level log_level = log::Level::kInfo;
  runtime::ElectionTerms election{};
};

/// Also sets up the log. Errors: kInvalid, naming the flag.
[[nodiscard]] Result<Settings> read_settings(const Flags& flags);

}  // namespace kiln::flags
