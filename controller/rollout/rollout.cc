#include "controller/rollout/rollout.h"

#include <utility>

namespace kiln::rollout {
namespace {

runtime::WatcherList watch_workloads(kube::Client& client, WorkloadView& view, const Clock& clock,
                                     runtime::WatchScope scope) {
  scope.each.machine.selection.metadata_only = true;
  runtime::WatcherList all;
  for (const auto& type : kWorkloadTypes)
    all.splice(all.end(),
               runtime::watch_namespaces(client, type, view.handler(type), clock, scope));
  return all;
}

runtime::Controller::Options controlling(std::size_t concurrent) {
  runtime::Controller::Options options;
  options.concurrent = concurrent;
  options.grace = std::chrono::seconds(5);  // A rollout is two requests.
  return options;
}

}  // namespace

Rollout::Rollout(kube::Client& kube, runtime::EventSink& events, const Clock& clock,
                 const Executor& executor, FindImage find_image, Options options)
    : queue_(executor, clock, options.delays),
      view_(queue_),
      watchers_(watch_workloads(kube, view_, clock, std::move(options.scope))),
      reconciler_(kube, events, clock, view_, std::move(find_image), options.reconciler),
      controller_(queue_, reconciler_, {}, clock, controlling(options.concurrent)) {}

Task<Result<void>> Rollout::run() {
  return controller_.run();
}

}  // namespace kiln::rollout
