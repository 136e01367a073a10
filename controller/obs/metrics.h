#pragma once
#include <string_view>

#include "controller/obs/metric_registry.h"

namespace kiln::obs {

/// Every metric of the controller, declared here and nowhere else: name, what it means, labels. The
/// unit is in the name. docs/operations.md has the same list; a test compares the two.
///
/// Where a metric means what one of controller-runtime or client-go means, it has its name, so
/// that dashboards and alerts for these work. Threads: any.
class Metrics : public MetricRegistry {
 public:
  /// The value of the labels `controller` and `name`.
  static constexpr std::string_view kController = "imagebuild";

  Metrics();

  // Reconciles.
  Counter reconciles{*this,
                     "controller_runtime_reconcile_total",
                     "Reconciles by result: success, requeue_after, error.",
                     {"controller", "result"}};
  Counter reconcile_errors{*this,
                           "controller_runtime_reconcile_errors_total",
                           "Reconciles that failed and are tried again.",
                           {"controller"}};
  Counter reconcile_panics{*this,
                           "controller_runtime_reconcile_panics_total",
                           "Reconciles that ended by an exception: a bug.",
                           {"controller"}};
  Histogram reconcile_time{*this,
                           "controller_runtime_reconcile_time_seconds",
                           "How long reconciles took.",
                           reconcile_bounds(),
                           {"controller"}};
  Gauge active_workers{*this,
                       "controller_runtime_active_workers",
                       "Workers that are reconciling now.",
                       {"controller"}};
  Gauge max_concurrent{*this,
                       "controller_runtime_max_concurrent_reconciles",
                       "How many reconciles may run at a time.",
                       {"controller"}};
  Counter reconcile_failures{*this,
                             "kiln_reconcile_failures_total",
                             "Reconciles that ended in a failure, by the reason that stands in the "
                             "condition Ready.",
                             {"reason"}};

  // The work queue.
  Gauge queue_depth{*this, "workqueue_depth", "Keys that wait for a worker.", {"name"}};
  Counter queue_adds{*this, "workqueue_adds_total", "Keys that began to wait.", {"name"}};
  Counter queue_retries{
      *this, "workqueue_retries_total", "Keys put back after a failure.", {"name"}};
  Histogram queue_time{*this,
                       "workqueue_queue_duration_seconds",
                       "How long keys waited for a worker.",
                       queue_bounds(),
                       {"name"}};
  Histogram work_time{*this,
                      "workqueue_work_duration_seconds",
                      "How long workers took for a key.",
                      queue_bounds(),
                      {"name"}};
  Gauge unfinished_work{*this,
                        "workqueue_unfinished_work_seconds",
                        "Seconds of work under way, all workers together. What grows steadily is "
                        "stuck.",
                        {"name"}};
  Gauge longest_running{*this,
                        "workqueue_longest_running_processor_seconds",
                        "Seconds that the longest reconcile under way has taken so far.",
                        {"name"}};

  // The API server.
  Counter api_requests{*this,
                       "rest_client_requests_total",
                       "Requests to the API server, by status code (<error>: no answer), method "
                       "and host.",
                       {"code", "method", "host"}};
  Counter relists{*this,
                  "kiln_watch_relists_total",
                  "Times that all objects of a resource were read anew: the watch's place was lost "
                  "(expired) or something else went wrong (failed).",
                  {"resource", "reason"}};
  Gauge watch_quiet{*this,
                    "kiln_watch_last_activity_seconds",
                    "Seconds since the API server was last heard on a watch of the resource; of "
                    "several watches the quietest.",
                    {"resource"}};
  Gauge watch_failing{*this,
                      "kiln_watch_failing",
                      "Watches of the resource that are down and being tried again.",
                      {"resource"}};
  Counter undecodable{*this,
                      "kiln_undecodable_objects_total",
                      "Objects that could not be read and were skipped.",
                      {"resource"}};
  Gauge leader{
      *this, "leader_election_master_status", "1 if this replica is the leader, else 0.", {"name"}};

  // Builds.
  Gauge image_builds{
      *this, "kiln_imagebuilds", "ImageBuilds by the status of their condition Ready.", {"ready"}};
  Counter unreadable{*this, "kiln_unreadable_imagebuilds_total",
                     "ImageBuilds seen that this version cannot read, each time they were seen."};
  Counter builds{*this,
                 "kiln_builds_total",
                 "Builds by why they began (the first of status.lastBuild.reasons) and how they "
                 "ended: succeeded, failed.",
                 {"reason", "result"}};
  Histogram build_time{*this, "kiln_build_duration_seconds",
                       "How long builds took that ended with an image.", build_bounds()};
  Histogram stage_time{*this,
                       "kiln_build_stage_duration_seconds",
                       "The same by stage: content, base, layers or reuse, push, publish.",
                       build_bounds(),
                       {"stage"}};
  Counter layers{*this, "kiln_layers_made_total", "Layers of content that builds made."};
  Counter layers_reused{*this, "kiln_layers_reused_total",
                        "Layers of content that builds took from the build before, because they "
                        "fit the new base."};
  Counter content_bytes{*this, "kiln_content_bytes_total", "Bytes of content that builds read."};
  Counter uploaded_bytes{*this, "kiln_registry_uploaded_bytes_total",
                         "Bytes of blobs that builds sent to registries."};
  Counter reused_bytes{*this, "kiln_registry_reused_bytes_total",
                       "Bytes of blobs that builds found in the registry or had mounted there."};
  Counter registry_requests{*this,
                            "kiln_registry_requests_total",
                            "Requests to registries and their token servers, by method and class "
                            "of status code (2xx and so on; none: no answer).",
                            {"method", "code"}};
  Gauge hub_pulls_left{*this, "kiln_docker_hub_pulls_remaining",
                       "Pulls that Docker Hub still allows, as it last said."};
  Gauge hub_pulls_allowed{*this, "kiln_docker_hub_pulls_limit",
                          "Pulls that Docker Hub allows in its window (6 hours), as it last said."};
  Counter git_work{*this,
                   "kiln_git_operations_total",
                   "What was done with git repositories: ask (a server was asked what its refs "
                   "are), fetch (content was read, and fetched where it was not here); and how it "
                   "ended: succeeded, failed.",
                   {"operation", "result"}};
  Counter git_fetched_bytes{*this, "kiln_git_fetched_bytes_total",
                            "Bytes of packs and LFS files that came from git servers."};
  Histogram git_time{*this,
                     "kiln_git_operation_duration_seconds",
                     "How long that took.",
                     build_bounds(),
                     {"operation"}};
  Counter base_polls{*this, "kiln_base_polls_total",
                     "Times that a registry was asked what the tag of a base holds, or of an "
                     "image that content is copied from."};

  // Rollouts.
  Counter rollouts{*this,
                   "kiln_rollouts_total",
                   "Rollouts by result: applied (a workload got a new image), refused (its "
                   "annotation is wrong), failed (and tried again).",
                   {"result"}};

  // Webhooks.
  Counter hook_requests{*this,
                        "kiln_hook_requests_total",
                        "Webhooks by sender and result: accepted, unmatched (no ImageBuild follows "
                        "it), ping, ignored (an event of no interest), replayed, refused, "
                        "malformed, unavailable.",
                        {"kind", "result"}};

  // The process.
  Gauge build_info{*this, "kiln_build_info", "1; the label tells which version runs.", {"version"}};
  Gauge loop_lag{*this, "kiln_event_loop_lag_seconds",
                 "How long this very scrape waited for the event loop."};
  Counter cpu{*this, "process_cpu_seconds_total", "CPU time of user and system, in seconds."};
  Gauge resident{*this, "process_resident_memory_bytes", "Memory that is in RAM."};
  Gauge virtual_memory{*this, "process_virtual_memory_bytes", "Memory that is mapped."};
  Gauge open_fds{*this, "process_open_fds", "File descriptors that are open."};
  Gauge max_fds{*this, "process_max_fds", "File descriptors that may be open."};
  Gauge start_time{*this, "process_start_time_seconds", "When the process began, in Unix time."};

 private:
  static std::vector<double> reconcile_bounds();
  static std::vector<double> queue_bounds();
  static std::vector<double> build_bounds();
};

}  // namespace kiln::obs
